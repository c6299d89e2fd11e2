"""Whose step it is.

A run goes through three phases: ``pretrain`` (likelihood), ``discriminator_pretrain`` and ``adversarial`` (k
discriminator steps, then one generator step). A schedule sees counts and held-out checks, never a network, so every
rank, given the same numbers, plays the same update.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, final

from annotated_types import Ge, Gt

from textgan_lit.errors import UserError
from textgan_lit.run.schema import Count, Form, Least, Name, form
from textgan_lit.types import UPDATES, Clock, HeldOutCheck


class Answer(NamedTuple):
    """Whether G steps now (else D does), and the reason that the log counts."""

    allowed: bool
    why: str


class Rule(ABC):
    """Says whether D is far enough ahead for a generator step: asked after every k discriminator steps of the game.

    A rule that ``reads`` is asked only where there is a held-out check; between two of them k steps are enough.
    """

    memory: ClassVar[type[Form]] = form(ended=str | None)  # the attributes that are saved; settings are not
    reads: ClassVar[bool] = False  # whether it acts on held-out checks
    after_g_too: ClassVar[bool] = False  # whether it is asked after a generator step, too: D may get no step at all
    compares: ClassVar[bool] = False  # whether it compares the checks: then all have the same sentences and noise
    needs_oracle: ClassVar[bool] = False  # whether it acts on HeldOutCheck.regret
    ended: str | None = None  # why the game should end before its time

    @abstractmethod
    def answer(self, reading: HeldOutCheck | None, d_steps_since_g: int) -> Answer:
        """May G step? ``reading`` is of this very step, and None only for a rule that does not read; D has had
        ``d_steps_since_g`` steps since G's last one: 0 where it has none to make."""

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.memory.model_fields}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@final
class Fixed(Rule):
    """Always: k discriminator steps, one generator step, whatever the checks say."""

    def answer(self, reading: HeldOutCheck | None, d_steps_since_g: int) -> Answer:
        return Answer(True, "fixed")


@final
class Guard(Rule):
    """Only while the held-out bound is clearly above 0 (bound − 2 SE > 0, and more SE after each refusal).

    Where it is not, D plays k more steps; not cleared ``patience`` times in a row, the game ends early.
    """

    memory = form(Rule.memory, refused=Count)
    reads = True

    def __init__(self, patience: Annotated[int, Ge(1)] = 100):
        self.patience = patience
        self.refused = 0

    def answer(self, reading: HeldOutCheck, d_steps_since_g: int) -> Answer:
        clear = 2 * math.sqrt(1 + math.log1p(self.refused))  # whoever looks again and again must see more
        if reading.bound > clear * reading.bound_se:
            self.refused = 0
            return Answer(True, "clear")
        self.refused += 1
        if self.refused > self.patience or not d_steps_since_g:  # or nobody whose steps could be waited for
            self.ended = (
                f"D cannot tell real from generated (bound {reading.bound:.4f} ± {reading.bound_se:.4f} nats), "
                f"so the game ended after {reading.steps['generator']} generator steps."
            )
        return Answer(False, "unclear")


class Patient(Rule, ABC):
    """D plays while it learns: until ``patience`` looks in a row were no ``min_improvement`` nats below its best
    held-out BCE since the last generator step, or it has had ``max_steps`` steps (rounded up to full ks)."""

    memory = form(Rule.memory, best=Least, bad=Count)
    reads = compares = True

    def __init__(
        self,
        patience: Annotated[int, Ge(1)] = 2,
        min_improvement: Annotated[float, Ge(0)] = 0.002,
        max_steps: Annotated[int, Ge(1)] = 60,
    ):
        self.patience, self.min_improvement, self.max_steps = patience, min_improvement, max_steps
        self.best = math.inf  # BCE since the last generator step
        self.bad = 0  # looks since it was reached

    def enough(self, bce: float, d_steps_since_g: int) -> str | None:
        """Why D need not play on, this look counted; None while it should."""
        better = bce < self.best - self.min_improvement
        self.best, self.bad = (bce, 0) if better else (self.best, self.bad + 1)
        if self.bad >= self.patience:
            return "plateau"
        return "most" if d_steps_since_g >= self.max_steps else None

    def forget(self) -> None:
        """G steps: what D can attain is another."""
        self.best, self.bad = math.inf, 0


@final
class Plateau(Patient):
    """Once D's held-out BCE has stopped falling: the critic trained until optimality.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, section 3; the stopping rule is that of early stopping.
    """

    def answer(self, reading: HeldOutCheck, d_steps_since_g: int) -> Answer:
        why = self.enough(reading.bce, d_steps_since_g)
        if why is None:
            return Answer(False, "improving")
        self.forget()
        return Answer(True, why)


@final
class Staleness(Patient):
    """Once D has won back what the generator's last step cost: its held-out BCE is where it was before that step.

    What G gained for good D cannot win back (docs/theory.md): where D no longer improves, or has had ``max_steps``
    steps, the rest is written off, and the next step's cost counts from where D then stands.
    """

    memory = form(Patient.memory, before=Least)
    after_g_too = True
    before: float = math.inf  # BCE when G was last let step

    def answer(self, reading: HeldOutCheck, d_steps_since_g: int) -> Answer:
        why = "recovered" if reading.bce <= self.before else self.enough(reading.bce, d_steps_since_g)
        if why is None:
            return Answer(False, "behind")
        self.before = reading.bce
        self.forget()
        return Answer(True, why)


@final
class Band(Rule):
    """While D's held-out accuracy (or BCE) lies between ``low`` and ``high``, k steps to one.

    Where D is too weak it plays on, k steps at a time and up to ``max_steps`` (the best possible D may be no better);
    where it is too strong G does not wait for D's k steps. A *low* BCE is a strong D.
    """

    reads = after_g_too = compares = True

    def __init__(
        self,
        low: Annotated[float, Ge(0)] = 0.7,
        high: Annotated[float, Ge(0)] = 0.85,
        of: Literal["accuracy", "bce"] = "accuracy",
        max_steps: Annotated[int, Ge(1)] = 60,
    ):
        if low >= high:
            raise UserError(f"model.schedule.rule: a band from low={low} to high={high} is empty. Give low < high.")
        self.low, self.high, self.of, self.max_steps = low, high, of, max_steps

    def answer(self, reading: HeldOutCheck, d_steps_since_g: int) -> Answer:
        value = getattr(reading, self.of)
        below, above = value < self.low, value > self.high
        weak, strong = (below, above) if self.of == "accuracy" else (above, below)
        if strong:
            return Answer(True, "strong")
        if d_steps_since_g and not weak:
            return Answer(True, "within")
        if d_steps_since_g >= self.max_steps:
            return Answer(True, "most")
        return Answer(False, "weak" if weak else "due")


@final
class Regret(Rule):
    """While D's regret, the mean of KL(D*‖D) over both halves of held-out sentences, is at most ``limit`` nats.

    The reference for rules that cannot know D*: it needs data whose P is known. D plays ``max_steps`` steps at most.
    """

    reads = after_g_too = compares = needs_oracle = True

    def __init__(self, limit: Annotated[float, Gt(0)] = 0.05, max_steps: Annotated[int, Ge(1)] = 60):
        self.limit, self.max_steps = limit, max_steps

    def answer(self, reading: HeldOutCheck, d_steps_since_g: int) -> Answer:
        if reading.regret <= self.limit:
            return Answer(True, "near")
        return Answer(True, "most") if d_steps_since_g >= self.max_steps else Answer(False, "far")


class Phase(NamedTuple):
    """Where a run stands: steps of ``update`` done, of ``total``."""

    name: str
    update: str
    done: int
    total: int


MEMORY = form(best_nll=Least, bad=Count, validated_at=Count, d_steps_since_g=Count, answers=dict[Name, Count])


@final
class Schedule:
    """clock, held-out check → the next update, or None when the run is over.

    ``pretrain_steps`` pretraining steps at most, ``pretrain_tokens`` where a step takes ``step_tokens``, and fewer
    once ``patience`` validations (one every ``epoch`` steps) were no better than the best before them (None: no fewer,
    and the last weights are kept); ``discriminator_pretrain_steps`` steps; ``adversarial_steps`` generator steps,
    ``in_a_row`` of them at a time (those that share their samples), with the ``rule``'s consent, asked for after every
    ``k`` discriminator steps; a held-out check before every ``check_every``-th generator step (0: none, and a guard is
    blind). ``updates`` are those that somebody can make: a player without parameters gets none, nobody waits for it.
    """

    def __init__(
        self,
        rule: Rule,
        pretrain_steps: Annotated[int, Ge(0)] = 10_000,
        pretrain_tokens: Annotated[float, Gt(0)] | None = None,
        patience: Annotated[int, Ge(1)] | None = 3,
        discriminator_pretrain_steps: Annotated[int, Ge(0)] = 500,
        adversarial_steps: Annotated[int, Ge(0)] = 500,
        k: Annotated[int, Ge(1)] = 3,
        check_every: Annotated[int, Ge(0)] = 10,
        epoch: Annotated[int, Ge(1)] = 100,
        step_tokens: Annotated[float, Gt(0)] = 1.0,
        in_a_row: Annotated[int, Ge(1)] = 1,
        updates: Collection[str] = UPDATES,
    ):
        if rule.reads and not check_every:
            raise UserError(
                f"model.schedule.check_every=0: {type(rule).__name__} acts on held-out checks and would never get one. "
                "Give a number of generator steps, such as 10, or use model/schedule=fixed."
            )
        self.rule, taught = rule, "discriminator" in updates
        enough = math.ceil(min(pretrain_steps, (pretrain_tokens or math.inf) / step_tokens))
        self.pretrain_steps = enough if "pretrain" in updates else 0
        self.patience = math.inf if patience is None else patience
        self.epoch, self.check_every, self.in_a_row = epoch, check_every, in_a_row
        self.discriminator_pretrain_steps = discriminator_pretrain_steps if taught else 0
        self.adversarial_steps = adversarial_steps if "generator" in updates else 0
        self.k = k if taught else 0
        self.nll: float | None = None  # of the last validation, in this life
        self.best_nll, self.bad = math.inf, 0  # and validations since the best one
        self.validated_at = 0  # pretraining steps at the last validation
        self.d_steps_since_g = 0  # discriminator steps since the last generator step of the game
        self.answers: dict[str, int] = {}  # the rule's reasons since then, and how often it gave each

    @property
    def ended(self) -> str | None:
        """Why the game ended before its time, if it did."""
        return self.rule.ended

    def phase(self, clock: Clock) -> Phase | None:
        """The phase that the next update belongs to; None when the run is over."""
        steps = clock.steps
        if steps["pretrain"] < self.pretrain_steps and self.bad < self.patience:
            return Phase("pretrain", "pretrain", steps["pretrain"], self.pretrain_steps)
        if (taught := steps["discriminator"]) < self.discriminator_pretrain_steps:
            return Phase("discriminator_pretrain", "discriminator", taught, self.discriminator_pretrain_steps)
        if steps["generator"] < self.adversarial_steps and self.ended is None:
            return Phase("adversarial", "generator", steps["generator"], self.adversarial_steps)
        return None

    def next_update(self, clock: Clock, reading: HeldOutCheck | None) -> str | None:
        """The next update. Asked once a step: a rule's refusal starts k more discriminator steps."""
        phase = self.phase(clock)
        if phase is None or phase.name != "adversarial":
            return phase and phase.update
        if clock.steps["generator"] % self.in_a_row:
            return "generator"
        current = reading if reading and reading.steps == clock.steps else None
        if not self._looks(clock) or (current is None and self.d_steps_since_g < self.k):
            return "discriminator"
        allowed, why = self._answer(current)
        self.answers = {**self.answers, why: self.answers.get(why, 0) + 1}
        if allowed:
            return "generator"
        return None if self.ended else "discriminator"

    def _looks(self, clock: Clock) -> bool:
        """Whether D has just had its k steps, or k more; or G its own, under a rule that is asked then, too."""
        if self.k and not self.d_steps_since_g:
            return self.rule.after_g_too and clock.steps["discriminator"] > 0
        return not self.k or self.d_steps_since_g % self.k == 0

    def _answer(self, reading: HeldOutCheck | None) -> Answer:
        if self.rule.reads and reading is None:
            return Answer(True, "unread")
        answer = self.rule.answer(reading, self.d_steps_since_g)
        return answer if answer.allowed or self.k or self.ended else Answer(True, "alone")  # D would never step

    def played(self, clock: Clock, update: str) -> None:
        """``update`` was made; ``clock`` already counts it."""
        if update == "generator":
            self.d_steps_since_g, self.answers = 0, {}
        elif update == "discriminator" and clock.steps["discriminator"] > self.discriminator_pretrain_steps:
            self.d_steps_since_g += 1

    def wants_reading(self, clock: Clock) -> bool:
        """Whether to check the discriminator before the next update; anew for a generator step that was put off."""
        phase = self.phase(clock)
        if phase is None or phase.name != "adversarial" or not self._looks(clock):
            return False
        done = clock.steps["generator"]
        return self.check_every > 0 and done % self.in_a_row == 0 and done % self.check_every < self.in_a_row

    def wants_validation(self, clock: Clock) -> bool:
        """Whether to judge the held-out likelihood before the next update."""
        steps = clock.steps["pretrain"]
        if steps == self.validated_at or self.bad >= self.patience:
            return False
        return steps % self.epoch == 0 or steps == self.pretrain_steps

    def report_validation(self, clock: Clock, nll: float) -> bool:
        """Takes a held-out NLL (nats per token) and says whether the weights now are those to keep."""
        self.validated_at, self.nll = clock.steps["pretrain"], nll
        better = nll < self.best_nll
        self.best_nll, self.bad = (nll, 0) if better else (self.best_nll, self.bad + 1)
        return better or self.patience == math.inf

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
