"""Whose step it is: scripts of counts and readings in, updates out."""

import random

import pytest

from tests.helpers.scripted import CLEAR, UNCLEAR, Play, guarded, reading, schedule
from textgan_lit.errors import UserError
from textgan_lit.model.schedule import Guard
from textgan_lit.types import Clock


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


def test_steps_and_tokens_both_bound_pretraining():
    bounds = [schedule(step_tokens=50.0, pretrain_steps=35, pretrain_tokens=tokens) for tokens in (None, 1010.0, 1e6)]
    assert [both.pretrain_steps for both in bounds] == [35, 21, 35]


def test_patience_starts_anew_at_every_best():
    script = iter([3.0, 4.0, 2.0, 5.0, 1.0, 9.0, 9.0])
    play = Play(
        schedule(pretrain_steps=100, patience=2, epoch=1, adversarial_steps=0), nll=lambda clock: next(script)
    ).run()
    assert [best for _, best in play.judged] == [True, False, True, False, True, False, False]
    assert len(play.updates) == 7


def test_without_patience_pretraining_takes_all_its_steps_and_keeps_the_last_weights():
    script = iter([3.0, 2.0, 4.0, 5.0, 6.0])
    play = Play(
        schedule(pretrain_steps=5, patience=None, epoch=1, adversarial_steps=0), nll=lambda clock: next(script)
    ).run()
    assert play.letters == "P" * 5
    assert all(kept for _, kept in play.judged)
    assert play.schedule.best_nll == 2.0  # what is told, not what is kept


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


def test_readings_come_before_every_so_many_generator_steps():
    play = Play(schedule(discriminator_pretrain_steps=4, adversarial_steps=6, k=2, check_every=3)).run()
    assert [(at["discriminator"], at["generator"]) for at in play.read_at] == [(6, 0), (12, 3)]
    assert play.letters == "DDDD" + "DDG" * 6


def test_fixed_does_not_listen():
    assert Play(schedule(adversarial_steps=3, k=2, check_every=1), bound=lambda clock: -1.0).run().letters == "DDG" * 3


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


def test_a_rule_that_acts_on_readings_must_get_some():
    with pytest.raises(UserError, match="Guard acts on held-out checks and would never get one"):
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
