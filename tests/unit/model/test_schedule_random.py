"""What holds of a schedule in any game, and of one that is taken up again."""

import copy
import random

import pytest

from tests.helpers.scripted import READ, UNCLEAR, Play, guarded, ruled
from textgan_lit.model.schedule import Band, Fixed, Guard, Plateau, Regret, Schedule, Staleness


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
        most = getattr(play.schedule.rule, "max_steps", float("inf"))
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
