"""How long D is waited for, by each rule, and why."""

import copy

import pytest

from tests.helpers.scripted import CLEAR, UNCLEAR, Play, guarded, ruled, says, schedule
from textgan_lit.build import parts
from textgan_lit.errors import UserError
from textgan_lit.model.schedule import Band, Plateau, Regret, Staleness

FAR_FROM_IT = {
    "patience": 99,
    "min_improvement": 0.0,
    "max_steps": 99,
}  # bounds on D's steps that no script here reaches


def test_d_plays_until_its_loss_stops_falling():
    # falls, falls too little (twice: 0.449 is 0.001 below the best), enough
    script = says(0.60, 0.50, 0.45, 0.449, 0.449, 0.9, 0.9, 0.9)
    play = Play(ruled(Plateau(patience=2, min_improvement=0.002), adversarial_steps=2, k=2), bce=script).run()
    # … and what G steps away from is forgotten: 0.9 is the best so far, then two looks are no better
    assert play.letters == "D" + "DD" * 5 + "G" + "DD" * 3 + "G"
    assert play.told == [(10, {"improving": 4, "plateau": 1}), (6, {"improving": 2, "plateau": 1})]


def test_what_falls_a_little_at_each_look_has_fallen():
    """0.001 a look is less than ``min_improvement``, but two looks together are not."""
    play = Play(
        ruled(Plateau(patience=2, min_improvement=0.0015), adversarial_steps=1, k=1),
        bce=says(0.5, 0.499, 0.498, 0.497, 0.497),
    ).run()
    assert play.letters == "D" + "DDDDD" + "G"


@pytest.mark.parametrize("rule", [Plateau, Staleness])
def test_d_does_not_play_for_ever_however_much_it_learns(rule):
    """The first full k beyond ``max_steps``."""
    endless = ruled(rule(patience=1, min_improvement=0.0, max_steps=7), adversarial_steps=2, k=3)
    endless.rule.before = 0.0  # to Staleness: D will never be as good again
    play = Play(endless, bce=lambda letters: 99.0 - letters.count("D")).run()
    looks = {"improving": 2} if rule is Plateau else {"behind": 3}  # the latter looks right after G's step, too
    assert play.told[0] == (9, looks | {"most": 1})


def test_a_loss_that_is_not_a_number_is_no_progress():
    play = Play(ruled(Plateau(patience=2), adversarial_steps=2, k=1), bce=lambda letters: float("nan")).run()
    assert play.letters == "D" + "DDG" * 2


def loss_of(cost, learning, gain=0.0, least=0.25):
    """A world: each G step raises D's BCE by ``cost``, which D's steps win back by ``learning`` each, and the ``least``
    attainable BCE by ``gain``, which nobody wins back."""

    def bce(letters):
        regret = 0.0
        for letter in letters:
            regret = max(0.0, regret - learning) if letter == "D" else regret + cost
        return least + gain * letters.count("G") + regret

    return bce


@pytest.mark.parametrize(("cost", "steps"), [(0.0, 0), (0.125, 1), (0.25, 2), (0.75, 6)])
def test_d_gets_as_many_steps_as_the_generators_step_cost(cost, steps):
    rule = Staleness(**FAR_FROM_IT)
    play = Play(ruled(rule, adversarial_steps=4, k=1), bce=loss_of(cost, learning=0.125)).run()
    assert play.letters == "D" + ("G" + "D" * steps) * 3 + "G"  # before the first one nothing is lost
    assert play.told[-1] == (steps, {"recovered": 1} | ({"behind": steps} if steps else {}))


def test_what_the_generator_gained_for_good_is_not_waited_for():
    """The BCE of before is never seen again; D plays as long as it learns, the rest is written off every time."""
    rule = Staleness(patience=2, min_improvement=0.01, max_steps=99)
    play = Play(ruled(rule, adversarial_steps=9, k=1), bce=loss_of(0.25, 0.125, gain=0.03125)).run()
    assert play.letters == "D" + "G" + "DDDDG" * 8  # two to win back what can be, two to see that no more can
    assert play.told[1:] == [(4, {"behind": 4, "plateau": 1})] * 8
    assert play.clock.steps["generator"] == 9


def test_a_cost_counts_from_where_d_stood_when_the_generator_moved():
    """Written off is written off; and what D won beyond its loss, it has to keep."""
    script = says(0.5, *(0.8, 0.7, 0.7), *(0.75, 0.7), *(0.72, 0.6), *(0.65, 0.6))
    play = Play(ruled(Staleness(patience=1, min_improvement=0.0), adversarial_steps=5, k=1), bce=script).run()
    assert [told for _, told in play.told] == [
        {"recovered": 1},
        {"behind": 2, "plateau": 1},  # 0.8 → 0.7, and no further
        {"behind": 1, "recovered": 1},  # so 0.7 is enough now
        {"behind": 1, "recovered": 1},
        {"behind": 1, "recovered": 1},  # 0.65 is not: D had 0.6
    ]


@pytest.mark.parametrize(
    ("rule", "weak", "within", "strong"),
    [(Band(0.6, 0.8, "accuracy"), 0.5, 0.7, 0.9), (Band(0.3, 0.5, "bce"), 0.6, 0.4, 0.2)],
)
def test_a_band_waits_for_the_weak_and_not_for_the_strong(rule, weak, within, strong):
    script = says(strong, strong, strong, *(weak, weak, within), *(within, within))
    play = Play(ruled(rule, adversarial_steps=5, k=2), **{rule.of: script}).run()
    assert play.letters == "D" + "G" + "G" + "G" + "DDDDG" + "DDG"
    assert [k for k, _ in play.told] == [0, 0, 0, 4, 2]
    tokens = [told for _, told in play.told]
    assert tokens == [{"strong": 1}] * 3 + [{"weak": 2, "within": 1}, {"due": 1, "within": 1}]


def test_a_band_that_cannot_be_reached_is_not_waited_for_for_ever():
    play = Play(ruled(Band(max_steps=5), adversarial_steps=2, k=2), accuracy=lambda letters: 0.5).run()
    assert play.letters == "D" + "DDDDDDG" * 2
    assert play.told == [(6, {"weak": 3, "most": 1})] * 2


@pytest.mark.parametrize(
    ("rule", "setting", "wanted"),
    [
        ("Plateau", {"patience": 0}, "patience=0: wanted greater than or equal to 1"),
        ("Plateau", {"min_improvement": -0.1}, "min_improvement=-0.1: wanted greater than or equal to 0"),
        ("Staleness", {"max_steps": 0}, "max_steps=0: wanted greater than or equal to 1"),
        ("Band", {"of": "bound"}, "of=bound: wanted 'accuracy' or 'bce'"),
        ("Regret", {"limit": 0.0}, "limit=0.0: wanted greater than 0"),
    ],
)
def test_a_setting_out_of_bounds_is_answered_by_its_key(rule, setting, wanted):
    with pytest.raises(UserError, match=rf"^model.schedule.rule.{wanted}\.$"):
        parts.part({"_target_": f"textgan_lit.model.schedule.{rule}"} | setting, "model.schedule.rule")


def test_an_empty_band_is_refused():
    with pytest.raises(UserError, match=r"a band from low=0.8 to high=0.6 is empty. Give low < high."):
        Band(0.8, 0.6)


def test_the_generator_updates_while_the_regret_is_small():
    regret = loss_of(0.0625, learning=0.03125, least=0.0)
    play = Play(ruled(Regret(limit=0.1, max_steps=5), adversarial_steps=6, k=1), regret=regret).run()
    assert play.letters == "D" + "GG" + "DG" + "DDG" * 3  # 0, 0.0625; 0.125 → 0.094; 0.156 → 0.094, and so on
    assert play.told[-1] == (2, {"far": 2, "near": 1})


def test_a_regret_that_stays_is_not_waited_for_for_ever():
    play = Play(ruled(Regret(limit=0.1, max_steps=5), adversarial_steps=2, k=2), regret=lambda letters: 0.3).run()
    assert play.letters == "D" + "DDDDDDG" * 2
    assert play.told == [(6, {"far": 3, "most": 1})] * 2


def test_what_the_old_rules_say():
    assert Play(schedule(adversarial_steps=2, k=3)).run().told == [(3, {"fixed": 1})] * 2
    script = iter([UNCLEAR, CLEAR, CLEAR])
    play = Play(guarded(adversarial_steps=4, k=2, check_every=2), bound=lambda clock: next(script)).run()
    assert play.told == [(4, {"unclear": 1, "clear": 1}), (2, {"unread": 1}), (2, {"clear": 1}), (2, {"unread": 1})]


SHARP = (Plateau(patience=1), Staleness(), Band(low=0.8, high=0.9), Regret(limit=0.01))  # with the readings below


@pytest.mark.parametrize("rule", SHARP, ids=lambda rule: type(rule).__name__)
def test_between_readings_k_steps_are_enough(rule):
    play = Play(ruled(rule, adversarial_steps=6, k=2, check_every=3), regret=lambda letters: 0.5).run()
    assert [told for told in play.told if told[1] == {"unread": 1}] == [(2, {"unread": 1})] * 4


@pytest.mark.parametrize("rule", SHARP, ids=lambda rule: type(rule).__name__)
def test_nobody_waits_for_a_player_without_updates(rule):
    rule = copy.deepcopy(rule)
    rule.before = 0.0  # Staleness: something is lost
    play = Play(ruled(rule, adversarial_steps=3, k=2, updates=("generator",)), regret=lambda letters: 0.5).run()
    assert play.letters == "GGG"
    assert {token for _, told in play.told for token in told} <= {"alone", "recovered", "plateau"}


@pytest.mark.parametrize("rule", SHARP, ids=lambda rule: type(rule).__name__)
def test_a_discriminator_that_never_played_is_not_asked(rule):
    """It has not met its generator, and knows nothing."""
    play = Play(
        ruled(rule, adversarial_steps=1, k=2, discriminator_pretrain_steps=0), accuracy=lambda letters: 0.99
    ).run(2)
    assert play.letters == "DD"
    assert not play.read_at
