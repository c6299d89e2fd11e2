"""Whose turn it is.

A run goes through three phases: ``warm_up`` (likelihood turns), ``discriminator_warm_up`` and ``duel``
(k discriminator turns, then one generator turn). A program sees counts and readings, never a network,
so every rank, given the same numbers, plays the same move.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, final

from annotated_types import Ge, Gt

from textgan_lit.errors import UserError
from textgan_lit.run.schema import Count, Form, Least, Word, form
from textgan_lit.types import MOVES, Clock, Reading


class Answer(NamedTuple):
    """Whether G moves now (else D does), and the word for it that the log counts."""

    allowed: bool
    why: str


class Rule(ABC):
    """Whether D is far enough ahead for a generator turn: asked after every k discriminator turns of the duel.

    A rule that ``reads`` is asked only where there is a reading; between readings k turns are enough.
    """

    memory: ClassVar[type[Form]] = form(ended=str | None)  # the attributes that are saved; settings are not
    reads: ClassVar[bool] = False  # whether it acts on readings
    at_once: ClassVar[bool] = False  # whether it is asked right after a generator turn, too: D may get no turn at all
    compares: ClassVar[bool] = False  # whether it compares readings: then all have the same sentences and noise
    needs_oracle: ClassVar[bool] = False  # whether it acts on Reading.regret
    ended: str | None = None  # why the duel should end before its time

    @abstractmethod
    def answer(self, reading: Reading | None, lead: int) -> Answer:
        """May G move? ``reading`` is of this very turn, and None only for a rule that does not read; D has had
        ``lead`` turns since G's last one: 0 where it has none to make."""

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.memory.model_fields}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@final
class Fixed(Rule):
    """Always: k discriminator turns, one generator turn, whatever the readings say."""

    def answer(self, reading: Reading | None, lead: int) -> Answer:
        return Answer(True, "fixed")


@final
class Guard(Rule):
    """Only while the held-out bound is clearly above 0 (bound − 2 SE > 0, and more SE after each refusal).

    Where it is not, D plays k more turns; not cleared ``patience`` times in a row, the duel ends early.
    """

    memory = form(Rule.memory, refused=Count)
    reads = True

    def __init__(self, patience: Annotated[int, Ge(1)] = 100):
        self.patience = patience
        self.refused = 0

    def answer(self, reading: Reading, lead: int) -> Answer:
        clear = 2 * math.sqrt(1 + math.log1p(self.refused))  # whoever looks again and again must see more
        if reading.bound > clear * reading.bound_se:
            self.refused = 0
            return Answer(True, "clear")
        self.refused += 1
        if self.refused > self.patience or not lead:  # or nobody whose turns could be waited for
            self.ended = (
                f"D cannot tell real from generated (bound {reading.bound:.4f} ± {reading.bound_se:.4f} nats), "
                f"so the duel ended after {reading.turns['generator']} generator turns."
            )
        return Answer(False, "unclear")


class Patient(Rule, ABC):
    """D plays while it learns: until ``patience`` looks in a row were no ``least`` nats below its best held-out BCE
    since the last generator turn, or it has had ``most`` turns (rounded up to full ks)."""

    memory = form(Rule.memory, best=Least, bad=Count)
    reads = compares = True

    def __init__(
        self,
        patience: Annotated[int, Ge(1)] = 2,
        least: Annotated[float, Ge(0)] = 0.002,
        most: Annotated[int, Ge(1)] = 60,
    ):
        self.patience, self.least, self.most = patience, least, most
        self.best = math.inf  # BCE since the last generator turn
        self.bad = 0  # looks since it was reached

    def enough(self, bce: float, lead: int) -> str | None:
        """Why D need not play on, this look counted; None while it should."""
        better = bce < self.best - self.least
        self.best, self.bad = (bce, 0) if better else (self.best, self.bad + 1)
        if self.bad >= self.patience:
            return "plateau"
        return "most" if lead >= self.most else None

    def forget(self) -> None:
        """G moves: what D can attain is another."""
        self.best, self.bad = math.inf, 0


@final
class Plateau(Patient):
    """Once D's held-out BCE has stopped falling: the critic trained until optimality.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, section 3; the stopping rule is that of early stopping.
    """

    def answer(self, reading: Reading, lead: int) -> Answer:
        why = self.enough(reading.bce, lead)
        if why is None:
            return Answer(False, "improving")
        self.forget()
        return Answer(True, why)


@final
class Staleness(Patient):
    """Once D has won back what the generator's last turn cost: its held-out BCE is where it was before that turn.

    What G gained for good D cannot win back (docs/theory.md): where D no longer improves, or has had ``most`` turns,
    the rest is written off, and the next turn's cost counts from where D then stands. A turn that cost nothing is
    followed by the next one at once; before the first one D has lost nothing.
    """

    memory = form(Patient.memory, before=Least)
    at_once = True
    before: float = math.inf  # BCE when G was last let move

    def answer(self, reading: Reading, lead: int) -> Answer:
        why = "recovered" if reading.bce <= self.before else self.enough(reading.bce, lead)
        if why is None:
            return Answer(False, "behind")
        self.before = reading.bce
        self.forget()
        return Answer(True, why)


@final
class Band(Rule):
    """While D's held-out accuracy (or BCE) lies between ``low`` and ``high``, k turns to one.

    Where D is too weak it plays on, k turns at a time and up to ``most`` (the best possible D may be no better); where
    it is too strong G does not wait for D's k turns. A *low* BCE is a strong D.
    """

    reads = at_once = compares = True

    def __init__(
        self,
        low: Annotated[float, Ge(0)] = 0.7,
        high: Annotated[float, Ge(0)] = 0.85,
        of: Literal["accuracy", "bce"] = "accuracy",
        most: Annotated[int, Ge(1)] = 60,
    ):
        if low >= high:
            raise UserError(f"model.program.rule: a band from low={low} to high={high} is empty. Give low < high.")
        self.low, self.high, self.of, self.most = low, high, of, most

    def answer(self, reading: Reading, lead: int) -> Answer:
        value = getattr(reading, self.of)
        below, above = value < self.low, value > self.high
        weak, strong = (below, above) if self.of == "accuracy" else (above, below)
        if strong:
            return Answer(True, "strong")
        if lead and not weak:
            return Answer(True, "within")
        if lead >= self.most:
            return Answer(True, "most")
        return Answer(False, "weak" if weak else "due")


@final
class Regret(Rule):
    """While D's regret, the mean of KL(D*‖D) over both halves of held-out sentences, is at most ``limit`` nats.

    The reference for rules that cannot know D*: it needs data whose P is known. D plays ``most`` turns at most.
    """

    reads = at_once = compares = needs_oracle = True

    def __init__(self, limit: Annotated[float, Gt(0)] = 0.05, most: Annotated[int, Ge(1)] = 60):
        self.limit, self.most = limit, most

    def answer(self, reading: Reading, lead: int) -> Answer:
        if reading.regret <= self.limit:
            return Answer(True, "near")
        return Answer(True, "most") if lead >= self.most else Answer(False, "far")


class Phase(NamedTuple):
    """Where a run stands: turns of ``move`` done, of ``total``."""

    name: str
    move: str
    done: int
    total: int


MEMORY = form(best_nll=Least, bad=Count, validated_at=Count, lead=Count, answers=dict[Word, Count])


@final
class Program:
    """clock, reading → the next move, or None when the run is over.

    ``warm_up`` likelihood turns at most, fewer once ``patience`` validations (one every ``epoch`` turns) were no
    better than the best before them; ``discriminator_warm_up`` turns; ``duel`` generator turns, ``in_a_row`` of them at
    a time (those that share their samples), with the ``rule``'s consent, asked for after every ``k`` discriminator
    turns; a reading before every ``check_every``-th generator turn (0: none, and a guard is blind). ``moves`` are those
    that somebody can make: a player without parameters gets none, and nobody waits for it.
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
        self.answers: dict[str, int] = {}  # the rule's words since then, and how often it gave each

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
        current = reading if reading and reading.turns == clock.turns else None
        if not self._looks(clock) or (current is None and self.lead < self.k):
            return "discriminator"
        allowed, why = self._answer(current)
        self.answers = {**self.answers, why: self.answers.get(why, 0) + 1}
        if allowed:
            return "generator"
        return None if self.ended else "discriminator"

    def _looks(self, clock: Clock) -> bool:
        """Whether D has just had its k turns, or k more; or G its own, under a rule that is asked then, too."""
        if self.k and not self.lead:
            return self.rule.at_once and clock.turns["discriminator"] > 0
        return not self.k or self.lead % self.k == 0

    def _answer(self, reading: Reading | None) -> Answer:
        if self.rule.reads and reading is None:
            return Answer(True, "unread")
        answer = self.rule.answer(reading, self.lead)
        return answer if answer.allowed or self.k or self.ended else Answer(True, "alone")  # D would never move

    def played(self, clock: Clock, move: str) -> None:
        """``move`` was made; ``clock`` already counts it."""
        if move == "generator":
            self.lead, self.answers = 0, {}
        elif move == "discriminator" and clock.turns["discriminator"] > self.discriminator_warm_up:
            self.lead += 1

    def wants_reading(self, clock: Clock) -> bool:
        """Whether to read the discriminator before the next move. A generator turn put off is read for again."""
        phase = self.phase(clock)
        if phase is None or phase.name != "duel" or not self._looks(clock):
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

    @property
    def form(self) -> type[Form]:
        """Of what :meth:`state_dict` gives."""
        return form(MEMORY, rule=self.rule.memory)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in MEMORY.model_fields} | {"rule": self.rule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        state = dict(state)
        self.rule.load_state_dict(state.pop("rule"))
        vars(self).update(state)
