"""Whose step it is: scripts of counts and readings in, updates out."""

import copy
import random

import pytest

from textgan_lit.build import parts
from textgan_lit.errors import UserError
from textgan_lit.model.schedule import Band, Fixed, Guard, Plateau, Regret, Schedule, Staleness
from textgan_lit.types import Clock, Reading

CLEAR, UNCLEAR = 0.5, 0.01  # bounds, each ± 0.1
READ = ("bce", "accuracy", "regret")
FAR_FROM_IT = {"patience": 99, "least": 0.0, "most": 99}  # bounds on D's steps that no script here reaches


def schedule(rule=None, **settings):
    """Without pretraining and readings, unless asked for."""
    quiet = {"pretrain_steps": 0, "discriminator_pretrain_steps": 0, "check_every": 0}
    return Schedule(rule or Fixed(), **quiet | settings)


def reading(clock, bound, **numbers):
    found = {"bce": 0.6, "bound_se": 0.1, "raw_bound": bound, "accuracy": 0.5} | numbers
    return Reading(bound=bound, steps=dict(clock.steps), **found)


class Play:
    """Plays a schedule as the system does. ``bound(clock)`` is what a reading says, ``nll(clock)`` a validation;
    ``numbers`` are a reading's others, functions of the letters so far."""

    def __init__(self, schedule, bound=lambda clock: CLEAR, nll=lambda clock: 0.0, **numbers):
        self.schedule, self.bound, self.nll, self.numbers = schedule, bound, nll, numbers
        self.clock, self.reading = Clock(), None
        self.updates: list[str] = []
        self.read_at: list[dict[str, int]] = []  # the clock at each reading
        self.judged: list[tuple[int, bool]] = []  # pretraining steps at each validation, and whether it was the best
        self.told: list[tuple[int, dict[str, int]]] = []  # before each generator step: k, and the rule's words

    def next(self):
        if self.schedule.wants_validation(self.clock):
            best = self.schedule.judge(self.clock, self.nll(self.clock))
            self.judged.append((self.clock.steps["pretrain"], best))
        if self.schedule.wants_reading(self.clock):
            numbers = {name: says(self.letters) for name, says in self.numbers.items()}
            self.reading = reading(self.clock, self.bound(self.clock), **numbers)
            self.read_at.append(self.reading.steps)
        return self.schedule.next_update(self.clock, self.reading)

    def run(self, steps=10**4):
        while len(self.updates) < steps and (update := self.next()) is not None:
            if update == "generator":
                self.told.append((self.schedule.d_steps_since_g, self.schedule.answers))
            self.clock.steps[update] += 1
            self.schedule.played(self.clock, update)
            self.updates.append(update)
        return self

    @property
    def letters(self):
        return "".join(update[0] for update in self.updates).replace("p", "P").replace("d", "D").replace("g", "G")


@pytest.mark.parametrize("k", range(1, 11))
def test_k_discriminator_steps_then_one_generator_step(k):
    assert Play(schedule(k=k, adversarial_steps=3)).run().letters == ("D" * k + "G") * 3


def test_phase_after_phase():
    play = Play(
        schedule(pretrain_steps=3, patience=9, epoch=100, discriminator_pretrain_steps=2, adversarial_steps=2, k=2),
        nll=lambda clock: 1.0,
    )
    assert play.run().letters == "PPP" + "DD" + "DDG" * 2
    assert play.next() is None  # over, and stays so


def test_where_a_run_stands():
    stages = schedule(pretrain_steps=2, discriminator_pretrain_steps=1, adversarial_steps=1, k=1)
    seen, play = [], Play(stages, nll=lambda clock: 1.0)
    for step in range(6):
        seen.append(stages.phase(play.clock))
        play.run(step + 1)
    assert [phase and tuple(phase) for phase in seen] == [
        ("pretrain", "pretrain", 0, 2),
        ("pretrain", "pretrain", 1, 2),
        ("discriminator_pretrain", "discriminator", 0, 1),
        ("adversarial", "generator", 0, 1),
        ("adversarial", "generator", 0, 1),
        None,
    ]


@pytest.mark.parametrize(
    ("updates", "letters"),
    [
        (("pretrain", "discriminator", "generator"), "PPDDDGDG"),
        (("pretrain",), "PP"),
        (("pretrain", "generator"), "PPGG"),  # a discriminator without parameters
        (("discriminator", "generator"), "DDDGDG"),
        (("discriminator",), "DD"),
        ((), ""),
    ],
)
def test_a_player_without_updates_gets_none(updates, letters):
    settings = {"pretrain_steps": 2, "discriminator_pretrain_steps": 2, "adversarial_steps": 2, "k": 1}
    assert Play(schedule(updates=updates, **settings), nll=lambda clock: 1.0).run().letters == letters


# --- the likelihood pretraining
# -------------------------------------------------------------------------------------------


def test_pretraining_ends_after_patience_bad_validations():
    # Every 2 steps; best at 4, then two worse ones.
    script = {2: 3.0, 4: 2.0, 6: 2.5, 8: 2.0}
    play = Play(
        schedule(pretrain_steps=100, patience=2, epoch=2, adversarial_steps=0),
        nll=lambda clock: script[clock.steps["pretrain"]],
    )
    assert play.run().letters == "P" * 8
    assert play.judged == [(2, True), (4, True), (6, False), (8, False)]
    assert play.schedule.best_nll == 2.0


def test_patience_starts_anew_at_every_best():
    script = iter([3.0, 4.0, 2.0, 5.0, 1.0, 9.0, 9.0])
    play = Play(
        schedule(pretrain_steps=100, patience=2, epoch=1, adversarial_steps=0), nll=lambda clock: next(script)
    ).run()
    assert [best for _, best in play.judged] == [True, False, True, False, True, False, False]
    assert len(play.updates) == 7


def test_pretraining_that_is_cut_is_judged_at_its_end():
    play = Play(schedule(pretrain_steps=5, patience=9, epoch=2, adversarial_steps=0), nll=lambda clock: 1.0).run()
    assert [steps for steps, _ in play.judged] == [2, 4, 5]


def test_a_loss_that_is_not_a_number_is_never_the_best():
    play = Play(
        schedule(pretrain_steps=100, patience=2, epoch=1, adversarial_steps=0), nll=lambda clock: float("nan")
    ).run()
    assert play.judged == [(1, False), (2, False)]


def test_after_pretraining_nothing_is_validated():
    play = Play(
        schedule(pretrain_steps=2, patience=9, epoch=1, discriminator_pretrain_steps=3, adversarial_steps=3, k=2),
        nll=lambda clock: 1.0,
    )
    play.run()
    assert [steps for steps, _ in play.judged] == [1, 2]
    assert Play(schedule(adversarial_steps=2)).run().judged == []


# --- readings and the guard -------------------------------------------------------------------------------------------


def test_readings_come_before_every_so_many_generator_steps():
    play = Play(schedule(discriminator_pretrain_steps=4, adversarial_steps=6, k=2, check_every=3)).run()
    assert [(at["discriminator"], at["generator"]) for at in play.read_at] == [(6, 0), (12, 3)]
    assert play.letters == "DDDD" + "DDG" * 6


def test_fixed_does_not_listen():
    assert Play(schedule(adversarial_steps=3, k=2, check_every=1), bound=lambda clock: -1.0).run().letters == "DDG" * 3


def guarded(**settings):
    return schedule(Guard(patience=settings.pop("patience", 100)), **{"check_every": 1} | settings)


def test_the_guard_lets_play_while_the_bound_is_clear():
    play = Play(guarded(adversarial_steps=3, k=2)).run()
    assert play.letters == "DDG" * 3
    assert play.schedule.ended is None


@pytest.mark.parametrize(("bound", "clear"), [(0.2001, True), (0.2, False), (0.0, False), (float("nan"), False)])
def test_clear_is_two_standard_errors_above_zero(bound, clear):
    assert Guard().answer(reading(Clock(), bound), d_steps_since_g=3) == (clear, "clear" if clear else "unclear")


def test_refused_the_discriminator_plays_k_more_and_is_read_again():
    script = iter([UNCLEAR, UNCLEAR, CLEAR, CLEAR])
    play = Play(guarded(adversarial_steps=2, k=3), bound=lambda clock: next(script)).run()
    assert play.letters == "DDD" + "DDD" + "DDDG" + "DDDG"
    assert [at["discriminator"] for at in play.read_at] == [3, 6, 9, 12]


def test_between_readings_the_guard_is_blind():
    script = iter([CLEAR, UNCLEAR, CLEAR])
    play = Play(guarded(adversarial_steps=6, k=1, check_every=3), bound=lambda clock: next(script)).run()
    assert play.letters == "DG" * 3 + "D" + "DG" * 3


def test_not_cleared_for_patience_refusals_the_game_ends_and_says_why():
    play = Play(
        guarded(adversarial_steps=9, k=2, patience=3),
        bound=lambda clock: CLEAR if clock.steps["generator"] < 1 else UNCLEAR,
    )
    # one generator step, then four refusals: D has had 3 × k steps beyond its k, and none is left
    assert play.run().letters == "DDG" + "DD" * 4
    assert play.schedule.ended == (
        "D cannot tell real from generated (bound 0.0100 ± 0.1000 nats), so the game ended after 1 generator steps."
    )
    assert play.schedule.phase(play.clock) is None


def test_a_clear_reading_forgives_all_refusals():
    script = iter([UNCLEAR, UNCLEAR, CLEAR] * 3)
    play = Play(guarded(adversarial_steps=3, k=1, patience=2), bound=lambda clock: next(script)).run()
    assert play.letters == "DDDG" * 3
    assert play.schedule.ended is None


def test_where_nothing_can_be_waited_for_a_refusal_is_the_end():
    stages = guarded(adversarial_steps=9, k=2, updates=("generator",))
    play = Play(stages, bound=lambda clock: CLEAR if clock.steps["generator"] < 2 else UNCLEAR).run()
    assert play.letters == "GG"
    assert "after 2 generator steps" in stages.ended


def test_a_reading_of_another_step_is_not_listened_to():
    stages, clock = guarded(adversarial_steps=1, k=1), Clock()
    old = reading(clock, UNCLEAR)
    clock.steps["discriminator"] += 1
    stages.played(clock, "discriminator")
    assert stages.next_update(clock, old) == "generator"


# --- D trained until its loss stops falling ---------------------------------------------------------------------------


def says(*script):
    """One number a look, whatever the letters."""
    numbers = iter(script)
    return lambda letters: next(numbers)


def ruled(rule, **settings):
    return schedule(rule, **{"check_every": 1, "discriminator_pretrain_steps": 1} | settings)


def test_d_plays_until_its_loss_stops_falling():
    # falls, falls too little (twice: 0.449 is 0.001 below the best), enough
    script = says(0.60, 0.50, 0.45, 0.449, 0.449, 0.9, 0.9, 0.9)
    play = Play(ruled(Plateau(patience=2, least=0.002), adversarial_steps=2, k=2), bce=script).run()
    # … and what G steps away from is forgotten: 0.9 is the best so far, then two looks are no better
    assert play.letters == "D" + "DD" * 5 + "G" + "DD" * 3 + "G"
    assert play.told == [(10, {"improving": 4, "plateau": 1}), (6, {"improving": 2, "plateau": 1})]


def test_what_falls_a_little_at_each_look_has_fallen():
    """0.001 a look is less than ``least``, but two looks together are not."""
    play = Play(
        ruled(Plateau(patience=2, least=0.0015), adversarial_steps=1, k=1), bce=says(0.5, 0.499, 0.498, 0.497, 0.497)
    ).run()
    assert play.letters == "D" + "DDDDD" + "G"


@pytest.mark.parametrize("rule", [Plateau, Staleness])
def test_d_does_not_play_for_ever_however_much_it_learns(rule):
    """The first full k beyond ``most``."""
    endless = ruled(rule(patience=1, least=0.0, most=7), adversarial_steps=2, k=3)
    endless.rule.before = 0.0  # to Staleness: D will never be as good again
    play = Play(endless, bce=lambda letters: 99.0 - letters.count("D")).run()
    looks = {"improving": 2} if rule is Plateau else {"behind": 3}  # the latter looks right after G's step, too
    assert play.told[0] == (9, looks | {"most": 1})


def test_a_loss_that_is_not_a_number_is_no_progress():
    play = Play(ruled(Plateau(patience=2), adversarial_steps=2, k=1), bce=lambda letters: float("nan")).run()
    assert play.letters == "D" + "DDG" * 2


# --- as many steps as the generator's cost ----------------------------------------------------------------------------


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
    rule = Staleness(patience=2, least=0.01, most=99)
    play = Play(ruled(rule, adversarial_steps=9, k=1), bce=loss_of(0.25, 0.125, gain=0.03125)).run()
    assert play.letters == "D" + "G" + "DDDDG" * 8  # two to win back what can be, two to see that no more can
    assert play.told[1:] == [(4, {"behind": 4, "plateau": 1})] * 8
    assert play.clock.steps["generator"] == 9


def test_a_cost_counts_from_where_d_stood_when_the_generator_moved():
    """Written off is written off; and what D won beyond its loss, it has to keep."""
    script = says(0.5, *(0.8, 0.7, 0.7), *(0.75, 0.7), *(0.72, 0.6), *(0.65, 0.6))
    play = Play(ruled(Staleness(patience=1, least=0.0), adversarial_steps=5, k=1), bce=script).run()
    assert [told for _, told in play.told] == [
        {"recovered": 1},
        {"behind": 2, "plateau": 1},  # 0.8 → 0.7, and no further
        {"behind": 1, "recovered": 1},  # so 0.7 is enough now
        {"behind": 1, "recovered": 1},
        {"behind": 1, "recovered": 1},  # 0.65 is not: D had 0.6
    ]


# --- a band -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "weak", "within", "strong"),
    [(Band(0.6, 0.8, "accuracy"), 0.5, 0.7, 0.9), (Band(0.3, 0.5, "bce"), 0.6, 0.4, 0.2)],
)
def test_a_band_waits_for_the_weak_and_not_for_the_strong(rule, weak, within, strong):
    script = says(strong, strong, strong, *(weak, weak, within), *(within, within))
    play = Play(ruled(rule, adversarial_steps=5, k=2), **{rule.of: script}).run()
    assert play.letters == "D" + "G" + "G" + "G" + "DDDDG" + "DDG"
    assert [k for k, _ in play.told] == [0, 0, 0, 4, 2]
    words = [told for _, told in play.told]
    assert words == [{"strong": 1}] * 3 + [{"weak": 2, "within": 1}, {"due": 1, "within": 1}]


def test_a_band_that_cannot_be_reached_is_not_waited_for_for_ever():
    play = Play(ruled(Band(most=5), adversarial_steps=2, k=2), accuracy=lambda letters: 0.5).run()
    assert play.letters == "D" + "DDDDDDG" * 2
    assert play.told == [(6, {"weak": 3, "most": 1})] * 2


@pytest.mark.parametrize(
    ("rule", "setting", "wanted"),
    [
        ("Plateau", {"patience": 0}, "patience=0: wanted greater than or equal to 1"),
        ("Plateau", {"least": -0.1}, "least=-0.1: wanted greater than or equal to 0"),
        ("Staleness", {"most": 0}, "most=0: wanted greater than or equal to 1"),
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


# --- the regret, where it is known ------------------------------------------------------------------------------------


def test_the_generator_updates_while_the_regret_is_small():
    regret = loss_of(0.0625, learning=0.03125, least=0.0)
    play = Play(ruled(Regret(limit=0.1, most=5), adversarial_steps=6, k=1), regret=regret).run()
    assert play.letters == "D" + "GG" + "DG" + "DDG" * 3  # 0, 0.0625; 0.125 → 0.094; 0.156 → 0.094, and so on
    assert play.told[-1] == (2, {"far": 2, "near": 1})


def test_a_regret_that_stays_is_not_waited_for_for_ever():
    play = Play(ruled(Regret(limit=0.1, most=5), adversarial_steps=2, k=2), regret=lambda letters: 0.3).run()
    assert play.letters == "D" + "DDDDDDG" * 2
    assert play.told == [(6, {"far": 3, "most": 1})] * 2


# --- why --------------------------------------------------------------------------------------------------------------


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
    assert {word for _, told in play.told for word in told} <= {"alone", "recovered", "plateau"}


@pytest.mark.parametrize("rule", SHARP, ids=lambda rule: type(rule).__name__)
def test_a_discriminator_that_never_played_is_not_asked(rule):
    """It has not met its generator, and knows nothing."""
    play = Play(
        ruled(rule, adversarial_steps=1, k=2, discriminator_pretrain_steps=0), accuracy=lambda letters: 0.99
    ).run(2)
    assert play.letters == "DD"
    assert not play.read_at


# --- any script -------------------------------------------------------------------------------------------------------


def any_rule(draw):
    most, patience = draw.randint(1, 9), draw.randint(1, 4)
    low = draw.uniform(0.3, 0.6)
    return draw.choice(
        [
            Fixed(),
            Guard(patience),
            Plateau(patience, draw.choice([0.0, 0.1]), most),
            Staleness(patience, draw.choice([0.0, 0.1]), most),
            Band(low, low + draw.uniform(0.01, 0.2), draw.choice(["accuracy", "bce"]), most),
            Regret(draw.uniform(0.3, 0.6), most),
        ]
    )


def random_play(seed):
    """Any settings, any readings."""
    draw = random.Random(seed)
    rule = any_rule(draw)
    settings = {
        name: draw.randint(0, 6)
        for name in ("pretrain_steps", "discriminator_pretrain_steps", "adversarial_steps", "check_every")
    }
    settings["check_every"] += rule.reads and not settings["check_every"]
    settings |= {"k": draw.randint(1, 5), "patience": draw.randint(1, 3), "epoch": draw.randint(1, 3)}
    updates = [update for update in ("pretrain", "discriminator", "generator") if draw.random() < 0.8]

    def number(clock, low, high):  # a function of the clock, as readings are
        return random.Random(f"{seed} {clock.steps}").uniform(low, high)

    def script(name):  # a function of the letters, likewise
        return lambda letters: random.Random(f"{seed} {name} {letters}").uniform(0.2, 0.8)

    stages, others = Schedule(rule, updates=updates, **settings), {name: script(name) for name in READ}
    return Play(stages, lambda clock: number(clock, -0.1, 0.7), lambda clock: number(clock, 1, 2), **others), settings


@pytest.mark.parametrize("seed", range(200))
def test_in_any_game(seed):
    play, settings = random_play(seed)
    play.run()
    k, letters = settings["k"], play.letters
    game = letters.removeprefix("P" * play.clock.steps["pretrain"])
    if play.schedule.k:
        assert game.startswith("D" * settings["discriminator_pretrain_steps"])
        game = game[settings["discriminator_pretrain_steps"] :]
        leads = game.split("G")
        assert all(len(lead) % k == 0 for lead in leads)  # k, or k more for each refusal
        assert all(leads[:-1]) or play.schedule.rule.after_g_too
        most = getattr(play.schedule.rule, "most", float("inf"))
        assert all(len(lead) < max(most, k) + k for lead in leads)
        assert [len(lead) for lead in leads[:-1]] == [lead for lead, _ in play.told]
    assert "P" not in game
    assert play.clock.steps["pretrain"] <= settings["pretrain_steps"]
    assert play.clock.steps["generator"] <= settings["adversarial_steps"]
    if play.schedule.ended is None:
        assert play.clock.steps["generator"] == play.schedule.adversarial_steps
    assert play.clock.total == len(letters)
    assert play.next() is None


@pytest.mark.parametrize("seed", range(60))
def test_a_program_taken_up_again_goes_on_as_if_nothing_had_happened(seed):
    whole = random_play(seed)[0].run()
    for cut in range(0, len(whole.updates), 3):
        first, (second, _) = random_play(seed)[0].run(cut), random_play(seed)
        second.schedule.load_state_dict(copy.deepcopy(first.schedule.state_dict()))
        second.clock, second.reading, second.updates = first.clock, first.reading, first.updates
        assert second.run().updates == whole.updates
        assert second.schedule.ended == whole.schedule.ended


@pytest.mark.parametrize("rule", [Plateau(patience=3), Staleness(patience=3), Band(0.5, 0.55), Regret(limit=0.3)])
def test_a_rule_taken_up_after_any_step_goes_on_as_if_nothing_had_happened(rule):
    def play(steps=40):
        script = {name: lambda letters, name=name: random.Random(name + letters).uniform(0.2, 0.8) for name in READ}
        return Play(ruled(copy.deepcopy(rule), adversarial_steps=40, k=2), **script).run(steps)

    whole = play()
    for cut in range(1, 40):
        first, second = play(cut), play(0)
        second.schedule.load_state_dict(copy.deepcopy(first.schedule.state_dict()))
        second.clock, second.reading, second.updates, second.told = (
            first.clock,
            first.reading,
            first.updates,
            first.told,
        )
        second.run(40)
        assert (second.updates, second.told) == (whole.updates, whole.told)
        assert second.schedule.state_dict() == whole.schedule.state_dict()


@pytest.mark.parametrize("seed", range(20))
def test_equal_numbers_make_equal_updates(seed):
    random.seed(seed)  # whatever else happens in the process
    assert random_play(seed)[0].run().updates == random_play(seed)[0].run().updates


def test_looking_changes_nothing():
    play = Play(guarded(adversarial_steps=3, k=2)).run(4)
    state = copy.deepcopy(play.schedule.state_dict())
    for _ in range(3):
        play.schedule.phase(play.clock)
        play.schedule.wants_reading(play.clock)
        play.schedule.wants_validation(play.clock)
    assert play.schedule.state_dict() == state


def test_what_is_saved_is_plain_and_is_no_setting():
    play = Play(guarded(adversarial_steps=9, k=2, patience=1), bound=lambda clock: UNCLEAR).run(3)
    state = play.schedule.state_dict()
    assert state == {
        "best_nll": float("inf"),
        "bad": 0,
        "validated_at": 0,
        "d_steps_since_g": 3,
        "answers": {"unclear": 1},
        "rule": {"ended": None, "refused": 1},
    }
    longer = guarded(adversarial_steps=9, k=2, patience=50)
    longer.load_state_dict(state)
    assert longer.rule.patience == 50


def test_a_rule_that_acts_on_readings_must_get_some():
    with pytest.raises(UserError, match="Guard acts on readings and would never get one"):
        guarded(check_every=0)


def test_a_guard_that_looks_again_and_again_is_not_persuaded_by_chance():
    """With nothing to learn, a reading is noise of its own standard error: nobody may pass in a hundred looks."""
    passed = 0
    for seed in range(200):
        draw, rule = random.Random(seed), Guard(patience=100)
        looks = (rule.answer(reading(Clock(), draw.gauss(0, 0.1)), d_steps_since_g=3).allowed for _ in range(100))
        passed += any(looks)
    assert passed < 0.2 * 200  # with two standard errors at every look: nine in ten


def test_steps_that_share_samples_stand_in_a_row():
    play = Play(schedule(adversarial_steps=8, k=2, in_a_row=4)).run()
    assert play.updates == [*["discriminator"] * 2, *["generator"] * 4] * 2
    assert Play(schedule(adversarial_steps=6, k=1, in_a_row=4)).run().updates[-3:] == [
        "discriminator",
        "generator",
        "generator",
    ]


@pytest.mark.parametrize(("every", "read"), [(4, [0, 4, 8]), (1, [0, 4, 8]), (10, [0]), (6, [0, 8])])
def test_a_reading_waits_until_samples_are_used_up(every, read):
    play = Play(schedule(adversarial_steps=12, k=1, in_a_row=4, check_every=every)).run()
    assert [steps["generator"] for steps in play.read_at] == read


def test_a_rule_is_asked_once_for_steps_in_a_row():
    play = Play(
        schedule(Guard(patience=100), adversarial_steps=8, k=1, in_a_row=4, check_every=4), bound=lambda clock: CLEAR
    )
    play.run(3)
    play.bound = lambda clock: UNCLEAR
    assert play.run(9).updates == ["discriminator", *["generator"] * 4, *["discriminator"] * 4]
