"""Whose turn it is.

A run goes through three phases: ``warm_up`` (likelihood turns), ``discriminator_warm_up`` and ``duel``
(k discriminator turns, then one generator turn). A program sees counts and readings, never a network,
so every rank, given the same numbers, plays the same move.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, NamedTuple, final

from annotated_types import Ge

from textgan_lit.errors import UserError
from textgan_lit.types import MOVES, Clock, Reading


class Rule(ABC):
    """Whether D is far enough ahead for a generator turn: asked after every k discriminator turns of the duel."""

    memory: ClassVar[tuple[str, ...]] = ("ended",)  # the attributes that are saved; settings are not
    reads: ClassVar[bool] = False  # whether it acts on readings
    ended: str | None = None  # why the duel should end before its time

    @abstractmethod
    def allows(self, reading: Reading | None, can_wait: bool) -> bool:
        """May G move? ``reading`` was taken at this very turn, or is None; ``can_wait``: D has moves to make."""

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@final
class Fixed(Rule):
    """Always: k discriminator turns, one generator turn, whatever the readings say."""

    def allows(self, reading: Reading | None, can_wait: bool) -> bool:
        return True


@final
class Guard(Rule):
    """Only while the held-out bound is clearly above 0 (bound − 2 SE > 0, and more SE after each refusal).

    Where it is not, D plays k more turns; not cleared ``patience`` times in a row, the duel ends early.
    """

    memory = ("ended", "refused")
    reads = True

    def __init__(self, patience: Annotated[int, Ge(1)] = 100):
        self.patience = patience
        self.refused = 0

    def allows(self, reading: Reading | None, can_wait: bool) -> bool:
        clear = 2 * math.sqrt(1 + math.log1p(self.refused))  # whoever looks again and again must see more
        if reading is None or reading.bound > clear * reading.bound_se:
            self.refused = 0
            return True
        self.refused += 1
        if self.refused > self.patience or not can_wait:
            self.ended = (
                f"D cannot tell real from generated (bound {reading.bound:.4f} ± {reading.bound_se:.4f} nats), "
                f"so the duel ended after {reading.turns['generator']} generator turns."
            )
        return False


class Phase(NamedTuple):
    """Where a run stands: turns of ``move`` done, of ``total``."""

    name: str
    move: str
    done: int
    total: int


@final
class Program:
    """clock, reading → the next move, or None when the run is over.

    ``warm_up`` likelihood turns at most, fewer once ``patience`` validations (one every ``epoch`` turns) were no
    better than the best before them; ``discriminator_warm_up`` turns; ``duel`` generator turns, ``in_a_row`` of them at
    a time (those that share their samples), with at least ``k`` discriminator turns before and the ``rule``'s consent;
    a reading before every ``check_every``-th generator turn (0: none, and a guard is blind). ``moves`` are those that
    somebody can make: a player without parameters gets none.
    """

    def __init__(
        self,
        rule: Rule,
        warm_up: Annotated[int, Ge(0)] = 10_000,
        patience: Annotated[int, Ge(1)] = 3,
        discriminator_warm_up: Annotated[int, Ge(0)] = 500,
        duel: Annotated[int, Ge(0)] = 500,
        k: Annotated[int, Ge(1)] = 3,
        check_every: Annotated[int, Ge(0)] = 10,
        epoch: Annotated[int, Ge(1)] = 100,
        in_a_row: Annotated[int, Ge(1)] = 1,
        moves: Collection[str] = MOVES,
    ):
        if rule.reads and not check_every:
            raise UserError(
                f"model.program.check_every=0: {type(rule).__name__} acts on readings and would never get one. "
                "Give a number of generator turns, such as 10, or use model/program=fixed."
            )
        taught = "discriminator" in moves
        self.rule = rule
        self.warm_up = warm_up if "likelihood" in moves else 0
        self.patience, self.epoch, self.check_every, self.in_a_row = patience, epoch, check_every, in_a_row
        self.discriminator_warm_up = discriminator_warm_up if taught else 0
        self.duel = duel if "generator" in moves else 0
        self.k = k if taught else 0
        self.best_nll = float("inf")
        self.bad = 0  # validations since the best one
        self.validated_at = 0  # likelihood turns at the last validation
        self.lead = 0  # discriminator turns since the last generator turn of the duel

    @property
    def ended(self) -> str | None:
        """Why the duel ended before its time, if it did."""
        return self.rule.ended

    def phase(self, clock: Clock) -> Phase | None:
        """The phase that the next move belongs to; None when the run is over."""
        turns = clock.turns
        if turns["likelihood"] < self.warm_up and self.bad < self.patience:
            return Phase("warm_up", "likelihood", turns["likelihood"], self.warm_up)
        if turns["discriminator"] < self.discriminator_warm_up:
            return Phase("discriminator_warm_up", "discriminator", turns["discriminator"], self.discriminator_warm_up)
        if turns["generator"] < self.duel and self.ended is None:
            return Phase("duel", "generator", turns["generator"], self.duel)
        return None

    def move(self, clock: Clock, reading: Reading | None) -> str | None:
        """The next move. Asked once a turn: a rule's refusal starts k more discriminator turns."""
        phase = self.phase(clock)
        if phase is None or phase.name != "duel":
            return phase and phase.move
        if clock.turns["generator"] % self.in_a_row:
            return "generator"
        if self.lead < self.k:
            return "discriminator"
        current = reading if reading and reading.turns == clock.turns else None
        if self.rule.allows(current, can_wait=self.k > 0):
            return "generator"
        self.lead = 0
        return None if self.ended else "discriminator"

    def played(self, clock: Clock, move: str) -> None:
        """``move`` was made; ``clock`` already counts it."""
        if move == "generator":
            self.lead = 0
        elif move == "discriminator" and clock.turns["discriminator"] > self.discriminator_warm_up:
            self.lead += 1

    def wants_reading(self, clock: Clock) -> bool:
        """Whether to read the discriminator before the next move. A generator turn put off is read for again."""
        phase = self.phase(clock)
        if phase is None or phase.name != "duel" or self.lead < self.k:
            return False
        done = clock.turns["generator"]
        return self.check_every > 0 and done % self.in_a_row == 0 and done % self.check_every < self.in_a_row

    def wants_validation(self, clock: Clock) -> bool:
        """Whether to judge the held-out likelihood before the next move."""
        turns = clock.turns["likelihood"]
        if turns == self.validated_at or self.bad >= self.patience:
            return False
        return turns % self.epoch == 0 or turns == self.warm_up

    def judge(self, clock: Clock, nll: float) -> bool:
        """Takes a held-out NLL (nats per word) and says whether it is the best so far."""
        self.validated_at = clock.turns["likelihood"]
        better = nll < self.best_nll
        self.best_nll, self.bad = (nll, 0) if better else (self.best_nll, self.bad + 1)
        return better

    def state_dict(self) -> dict[str, Any]:
        names = ("best_nll", "bad", "validated_at", "lead")
        return {name: getattr(self, name) for name in names} | {"rule": self.rule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        state = dict(state)
        self.rule.load_state_dict(state.pop("rule"))
        vars(self).update(state)
