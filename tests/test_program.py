"""Whose turn it is: scripts of counts and readings in, moves out."""

import copy
import random

import pytest

from textgan_lit.errors import UserError
from textgan_lit.program import Fixed, Guard, Program
from textgan_lit.types import Clock, Reading

CLEAR, UNCLEAR = 0.5, 0.01  # bounds, each ± 0.1


def program(rule=None, **settings):
    """Without warm-ups and readings, unless asked for."""
    quiet = {"warm_up": 0, "discriminator_warm_up": 0, "check_every": 0}
    return Program(rule or Fixed(), **quiet | settings)


def reading(clock, bound):
    return Reading(bce=0.6, bound=bound, bound_se=0.1, raw_bound=bound, accuracy=0.5, turns=dict(clock.turns))


class Play:
    """Plays a program as the system does. ``bound(clock)`` is what a reading says, ``nll(clock)`` a validation."""

    def __init__(self, program, bound=lambda clock: CLEAR, nll=lambda clock: 0.0):
        self.program, self.bound, self.nll = program, bound, nll
        self.clock, self.reading = Clock(), None
        self.moves: list[str] = []
        self.read_at: list[dict[str, int]] = []  # the clock at each reading
        self.judged: list[tuple[int, bool]] = []  # likelihood turns at each validation, and whether it was the best

    def next(self):
        if self.program.wants_validation(self.clock):
            best = self.program.judge(self.clock, self.nll(self.clock))
            self.judged.append((self.clock.turns["likelihood"], best))
        if self.program.wants_reading(self.clock):
            self.reading = reading(self.clock, self.bound(self.clock))
            self.read_at.append(self.reading.turns)
        return self.program.move(self.clock, self.reading)

    def run(self, turns=10**4):
        while len(self.moves) < turns and (move := self.next()) is not None:
            self.clock.turns[move] += 1
            self.program.played(self.clock, move)
            self.moves.append(move)
        return self

    @property
    def letters(self):
        return "".join(move[0] for move in self.moves).replace("l", "L").replace("d", "D").replace("g", "G")


@pytest.mark.parametrize("k", range(1, 11))
def test_k_discriminator_turns_then_one_generator_turn(k):
    assert Play(program(k=k, duel=3)).run().letters == ("D" * k + "G") * 3


def test_phase_after_phase():
    play = Play(program(warm_up=3, patience=9, epoch=100, discriminator_warm_up=2, duel=2, k=2), nll=lambda clock: 1.0)
    assert play.run().letters == "LLL" + "DD" + "DDG" * 2
    assert play.next() is None  # over, and stays so


def test_where_a_run_stands():
    stages = program(warm_up=2, discriminator_warm_up=1, duel=1, k=1)
    seen, play = [], Play(stages, nll=lambda clock: 1.0)
    for turn in range(6):
        seen.append(stages.phase(play.clock))
        play.run(turn + 1)
    assert [phase and tuple(phase) for phase in seen] == [
        ("warm_up", "likelihood", 0, 2),
        ("warm_up", "likelihood", 1, 2),
        ("discriminator_warm_up", "discriminator", 0, 1),
        ("duel", "generator", 0, 1),
        ("duel", "generator", 0, 1),
        None,
    ]


@pytest.mark.parametrize(
    ("moves", "letters"),
    [
        (("likelihood", "discriminator", "generator"), "LLDDDGDG"),
        (("likelihood",), "LL"),
        (("likelihood", "generator"), "LLGG"),  # a discriminator without parameters
        (("discriminator", "generator"), "DDDGDG"),
        (("discriminator",), "DD"),
        ((), ""),
    ],
)
def test_a_player_without_moves_gets_none(moves, letters):
    settings = {"warm_up": 2, "discriminator_warm_up": 2, "duel": 2, "k": 1}
    assert Play(program(moves=moves, **settings), nll=lambda clock: 1.0).run().letters == letters


# --- the likelihood warm-up -------------------------------------------------------------------------------------------


def test_the_warm_up_ends_after_patience_bad_validations():
    # Every 2 turns; best at 4, then two worse ones.
    script = {2: 3.0, 4: 2.0, 6: 2.5, 8: 2.0}
    play = Play(program(warm_up=100, patience=2, epoch=2, duel=0), nll=lambda clock: script[clock.turns["likelihood"]])
    assert play.run().letters == "L" * 8
    assert play.judged == [(2, True), (4, True), (6, False), (8, False)]
    assert play.program.best_nll == 2.0


def test_patience_starts_anew_at_every_best():
    script = iter([3.0, 4.0, 2.0, 5.0, 1.0, 9.0, 9.0])
    play = Play(program(warm_up=100, patience=2, epoch=1, duel=0), nll=lambda clock: next(script)).run()
    assert [best for _, best in play.judged] == [True, False, True, False, True, False, False]
    assert len(play.moves) == 7


def test_a_warm_up_that_is_cut_is_judged_at_its_end():
    play = Play(program(warm_up=5, patience=9, epoch=2, duel=0), nll=lambda clock: 1.0).run()
    assert [turns for turns, _ in play.judged] == [2, 4, 5]


def test_a_loss_that_is_not_a_number_is_never_the_best():
    play = Play(program(warm_up=100, patience=2, epoch=1, duel=0), nll=lambda clock: float("nan")).run()
    assert play.judged == [(1, False), (2, False)]


def test_after_the_warm_up_nothing_is_validated():
    play = Play(program(warm_up=2, patience=9, epoch=1, discriminator_warm_up=3, duel=3, k=2), nll=lambda clock: 1.0)
    play.run()
    assert [turns for turns, _ in play.judged] == [1, 2]
    assert Play(program(duel=2)).run().judged == []


# --- readings and the guard -------------------------------------------------------------------------------------------


def test_readings_come_before_every_so_many_generator_turns():
    play = Play(program(discriminator_warm_up=4, duel=6, k=2, check_every=3)).run()
    assert [(at["discriminator"], at["generator"]) for at in play.read_at] == [(6, 0), (12, 3)]
    assert play.letters == "DDDD" + "DDG" * 6


def test_fixed_does_not_listen():
    assert Play(program(duel=3, k=2, check_every=1), bound=lambda clock: -1.0).run().letters == "DDG" * 3


def guarded(**settings):
    return program(Guard(patience=settings.pop("patience", 100)), **{"check_every": 1} | settings)


def test_the_guard_lets_play_while_the_bound_is_clear():
    play = Play(guarded(duel=3, k=2)).run()
    assert play.letters == "DDG" * 3
    assert play.program.ended is None


@pytest.mark.parametrize(("bound", "clear"), [(0.2001, True), (0.2, False), (0.0, False), (float("nan"), False)])
def test_clear_is_two_standard_errors_above_zero(bound, clear):
    now = reading(Clock(), bound)
    assert Guard().allows(now, can_wait=True) is clear


def test_refused_the_discriminator_plays_k_more_and_is_read_again():
    script = iter([UNCLEAR, UNCLEAR, CLEAR, CLEAR])
    play = Play(guarded(duel=2, k=3), bound=lambda clock: next(script)).run()
    assert play.letters == "DDD" + "DDD" + "DDDG" + "DDDG"
    assert [at["discriminator"] for at in play.read_at] == [3, 6, 9, 12]


def test_between_readings_the_guard_is_blind():
    script = iter([CLEAR, UNCLEAR, CLEAR])
    play = Play(guarded(duel=6, k=1, check_every=3), bound=lambda clock: next(script)).run()
    assert play.letters == "DG" * 3 + "D" + "DG" * 3


def test_not_cleared_for_patience_refusals_the_duel_ends_and_says_why():
    play = Play(
        guarded(duel=9, k=2, patience=3), bound=lambda clock: CLEAR if clock.turns["generator"] < 1 else UNCLEAR
    )
    # one generator turn, then four refusals: D has had 3 × k turns beyond its k, and none is left
    assert play.run().letters == "DDG" + "DD" * 4
    assert play.program.ended == (
        "D cannot tell real from generated (bound 0.0100 ± 0.1000 nats), so the duel ended after 1 generator turns."
    )
    assert play.program.phase(play.clock) is None


def test_a_clear_reading_forgives_all_refusals():
    script = iter([UNCLEAR, UNCLEAR, CLEAR] * 3)
    play = Play(guarded(duel=3, k=1, patience=2), bound=lambda clock: next(script)).run()
    assert play.letters == "DDDG" * 3
    assert play.program.ended is None


def test_where_nothing_can_be_waited_for_a_refusal_is_the_end():
    stages = guarded(duel=9, k=2, moves=("generator",))
    play = Play(stages, bound=lambda clock: CLEAR if clock.turns["generator"] < 2 else UNCLEAR).run()
    assert play.letters == "GG"
    assert "after 2 generator turns" in stages.ended


def test_a_reading_of_another_turn_is_not_listened_to():
    stages, clock = guarded(duel=1, k=1), Clock()
    old = reading(clock, UNCLEAR)
    clock.turns["discriminator"] += 1
    stages.played(clock, "discriminator")
    assert stages.move(clock, old) == "generator"


# --- any script -------------------------------------------------------------------------------------------------------


def random_play(seed):
    """Any settings, any readings."""
    draw = random.Random(seed)
    rule = draw.choice([Fixed(), Guard(patience=draw.randint(1, 4))])
    settings = {name: draw.randint(0, 6) for name in ("warm_up", "discriminator_warm_up", "duel", "check_every")}
    settings["check_every"] += rule.reads and not settings["check_every"]
    settings |= {"k": draw.randint(1, 5), "patience": draw.randint(1, 3), "epoch": draw.randint(1, 3)}
    moves = [move for move in ("likelihood", "discriminator", "generator") if draw.random() < 0.8]

    def number(clock, low, high):  # a function of the clock, as readings are
        return random.Random(f"{seed} {clock.turns}").uniform(low, high)

    stages = Program(rule, moves=moves, **settings)
    return Play(stages, lambda clock: number(clock, -0.1, 0.7), lambda clock: number(clock, 1, 2)), settings


@pytest.mark.parametrize("seed", range(100))
def test_in_any_game(seed):
    play, settings = random_play(seed)
    play.run()
    k, letters = settings["k"], play.letters
    duel = letters.removeprefix("L" * play.clock.turns["likelihood"])
    if play.program.k:
        assert duel.startswith("D" * settings["discriminator_warm_up"])
        duel = duel[settings["discriminator_warm_up"] :]
        leads = duel.split("G")
        assert all(lead and len(lead) % k == 0 for lead in leads[:-1])  # k, or k more for each refusal
        assert len(leads[-1]) % k == 0
    assert "L" not in duel
    assert play.clock.turns["likelihood"] <= settings["warm_up"]
    assert play.clock.turns["generator"] <= settings["duel"]
    if play.program.ended is None:
        assert play.clock.turns["generator"] == play.program.duel
    assert play.clock.total == len(letters)
    assert play.next() is None


@pytest.mark.parametrize("seed", range(30))
def test_a_program_taken_up_again_goes_on_as_if_nothing_had_happened(seed):
    whole = random_play(seed)[0].run()
    for cut in range(0, len(whole.moves), 3):
        first, (second, _) = random_play(seed)[0].run(cut), random_play(seed)
        second.program.load_state_dict(copy.deepcopy(first.program.state_dict()))
        second.clock, second.reading, second.moves = first.clock, first.reading, first.moves
        assert second.run().moves == whole.moves
        assert second.program.ended == whole.program.ended


@pytest.mark.parametrize("seed", range(20))
def test_equal_numbers_make_equal_moves(seed):
    random.seed(seed)  # whatever else happens in the process
    assert random_play(seed)[0].run().moves == random_play(seed)[0].run().moves


def test_looking_changes_nothing():
    play = Play(guarded(duel=3, k=2)).run(4)
    state = copy.deepcopy(play.program.state_dict())
    for _ in range(3):
        play.program.phase(play.clock)
        play.program.wants_reading(play.clock)
        play.program.wants_validation(play.clock)
    assert play.program.state_dict() == state


def test_what_is_saved_is_plain_and_is_no_setting():
    play = Play(guarded(duel=9, k=2, patience=1), bound=lambda clock: UNCLEAR).run(3)
    state = play.program.state_dict()
    assert state == {
        "best_nll": float("inf"),
        "bad": 0,
        "validated_at": 0,
        "lead": 1,
        "rule": {"ended": None, "refused": 1},
    }
    longer = guarded(duel=9, k=2, patience=50)
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
        looks = (rule.allows(reading(Clock(), draw.gauss(0, 0.1)), True) for _ in range(100))
        passed += any(looks)
    assert passed < 0.2 * 200  # with two standard errors at every look: nine in ten


def test_turns_that_share_samples_stand_in_a_row():
    play = Play(program(duel=8, k=2, in_a_row=4)).run()
    assert play.moves == [*["discriminator"] * 2, *["generator"] * 4] * 2
    assert Play(program(duel=6, k=1, in_a_row=4)).run().moves[-3:] == ["discriminator", "generator", "generator"]


@pytest.mark.parametrize(("every", "read"), [(4, [0, 4, 8]), (1, [0, 4, 8]), (10, [0]), (6, [0, 8])])
def test_a_reading_waits_until_samples_are_used_up(every, read):
    play = Play(program(duel=12, k=1, in_a_row=4, check_every=every)).run()
    assert [turns["generator"] for turns in play.read_at] == read


def test_a_rule_is_asked_once_for_turns_in_a_row():
    play = Play(program(Guard(patience=100), duel=8, k=1, in_a_row=4, check_every=4), bound=lambda clock: CLEAR)
    play.run(3)
    play.bound = lambda clock: UNCLEAR
    assert play.run(9).moves == ["discriminator", *["generator"] * 4, *["discriminator"] * 4]
