"""How a run goes on: a line for each phase, and a look at what G writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, final

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from textgan_lit.callbacks.samples import SampleTable
from textgan_lit.clock import duration, pace
from textgan_lit.model.schedule import Phase, Schedule
from textgan_lit.run import progress, terminal
from textgan_lit.system import TextGAN

LABELS = {"pretrain": "pretraining", "discriminator_pretrain": "D pretraining", "adversarial": "game"}
PLAYERS = {"pretrain": "", "discriminator": "D's ", "generator": "G's "}  # whose losses are said
LOOK = 30.0  # seconds at least between two looks at samples within pretraining
SAMPLES = 3  # of a look, a line each
BAR = 24  # columns at most


@final
class Progress(pl.Callback):
    """A line for each phase: steps, their rate, time left, the last losses and what held-out sentences said.

    It is repainted where somebody watches a terminal, else said now and then; what the phase came to stays. Where
    tokens are words to people, every evaluation shows ``SAMPLES`` samples, and so does, every ``LOOK`` seconds, a
    validation of pretraining. Without this callback (``~callbacks.progress``) none of it is shown.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.monotonic
        self.line = progress.Progress(self.now)
        self.began: Standing | None = None  # where the phase that is played stood when this life began with it
        self.losses: dict[str, tuple[str, torch.Tensor]] = {}  # the first number of each update's last step
        self.jsd = math.inf  # the lowest of the evaluations in this life
        self.samples: list[str] = []  # that were shown last

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.line, self.began = progress.Progress(self.now), None
        self.looked = self.now()

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        now = self._standing(system)
        if now is not None and (self.began is None or now.phase.name != self.began.phase.name):
            self.began = now

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Any, *_: Any) -> None:
        if not trainer.is_global_zero:
            return
        self.losses[outputs["update"]] = next(iter(outputs["logs"].items()))
        now = self._standing(system)
        if now is None or now.phase.name != self.began.phase.name:
            self._end(system)
            return
        said = lambda: (now.since(self.began, trainer.max_steps), self._heard(trainer, system, now))  # noqa: E731
        self.line.show(lambda: drawn(now.phase, *said()), lambda: written(now.phase, *said()))
        validated = outputs["update"] == "pretrain" and system.schedule.validated_at == now.phase.done
        if validated and system.generator.vocab.is_readable and self.now() - self.looked >= LOOK:
            self._look(system, written(now.phase, *said()))

    def _standing(self, system: TextGAN) -> Standing | None:
        phase = system.schedule.phase(system.clock)
        return None if phase is None else Standing(phase, system.clock.total, self.now())

    def _heard(self, trainer: pl.Trainer, system: TextGAN, now: Standing) -> str:
        """The last losses, and what held-out sentences said."""
        players = ("generator", "discriminator") if now.phase.name == "adversarial" else (now.phase.update,)
        last = {player: self.losses[player] for player in players if player in self.losses}
        told = [f"{PLAYERS[player]}{name} {float(value):.3f}" for player, (name, value) in last.items()]
        if now.phase.name == "pretrain":
            return ", ".join(told + held_out(system.schedule, now, self.began))
        if now.phase.name != "adversarial":
            return ", ".join(told)
        if system.reading is not None:
            told.append(f"held out, D says ≥ {system.reading.bound:.4f}")
        if self.jsd < math.inf:
            told.append(f"true JSD {float(trainer.callback_metrics['truth/jsd']):.4f} (best {self.jsd:.4f})")
        return ", ".join(told)

    def _end(self, system: TextGAN) -> None:
        """Says what the phase came to, where one was played."""
        self.line.clear()
        if self.began is not None:
            told = came_to(self.began, self.now(), system.clock.steps[self.began.phase.update], system.schedule)
            terminal.console().print(told, highlight=False, soft_wrap=not terminal.watched())
            self.began = None

    @torch.no_grad()
    def _look(self, system: TextGAN, line: str) -> None:
        """A line that stays, and samples, at a validation of pretraining."""
        self.looked = self.line.shown_at = self.now()
        terminal.console().print(line, highlight=False, soft_wrap=not terminal.watched())
        system.eval()
        show_samples(map(system.generator.vocab.text, system.evaluated("look").sample(SAMPLES).tokens.tolist()))

    def on_validation_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if trainer.is_global_zero and trainer.state.fn is TrainerFn.FITTING:
            self.line.doing(f"evaluating after step {system.clock.total:,} …")

    def on_validation_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """Here, where the truth panel has said its row of the same evaluation."""
        if not trainer.is_global_zero or trainer.state.fn is not TrainerFn.FITTING:
            return
        self.line.clear()
        self.jsd = min(self.jsd, float(trainer.callback_metrics.get("truth/jsd", math.inf)))
        table = next((one for one in trainer.callbacks if isinstance(one, SampleTable)), None)
        if table is not None and system.generator.vocab.is_readable and table.latest != self.samples:
            self.samples = list(table.latest)
            show_samples(self.samples)

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if trainer.is_global_zero:
            self._end(system)

    def on_exception(self, trainer: pl.Trainer, system: TextGAN, exception: BaseException) -> None:
        self.on_train_end(trainer, system)


class Standing(NamedTuple):
    """Where a phase stands: ``total`` steps of all updates were made, and it is so late."""

    phase: Phase
    total: int
    seconds: float

    def since(self, began: Standing, max_steps: int = -1) -> str:
        """Its steps, their rate since it ``began``, and the time left by its cap, or the trainer's ``max_steps``.

        >>> began = Standing(Phase("adversarial", "generator", 0, 500), 1000, 0.0)
        >>> Standing(Phase("adversarial", "generator", 40, 500), 1160, 20.0).since(began)
        '40/500, 2.0 steps/s, 3:50 left'
        """
        done, seconds = self.phase.done - began.phase.done, self.seconds - began.seconds
        told = f"{self.phase.done:,}/{self.phase.total:,}"
        if not done:
            return told
        left = seconds / done * (self.phase.total - self.phase.done)
        if max_steps > 0:
            left = min(left, seconds / (self.total - began.total) * (max_steps - self.total))
        return f"{told}, {pace(done, seconds)}, {duration(left)} left"


def held_out(schedule: Schedule, now: Standing, began: Standing) -> list[str]:
    """What validations have said within pretraining, and how soon it ends if they say nothing better."""
    told = [] if schedule.nll is None else [f"held out {schedule.nll:.3f} (best {schedule.best_nll:.3f})"]
    first = schedule.best_nll == math.inf  # which always is the best so far
    ends = schedule.validated_at + (schedule.patience - schedule.bad + first) * schedule.epoch
    done = now.phase.done - began.phase.done
    if done and ends < now.phase.total:
        left = (now.seconds - began.seconds) / done * (ends - now.phase.done)
        told.append(f"early stop in {duration(left)} if no better")
    return told


def written(phase: Phase, steps: str, heard: str) -> str:
    return f"{LABELS[phase.name]} {steps}; {heard}"


def drawn(phase: Phase, steps: str, heard: str) -> Group:
    """A phase with a bar; what was heard has a row of its own where one is too short for all."""
    label, width = LABELS[phase.name], terminal.console().width
    free = width - len(label) - len(steps) - 4
    beside = free - len(heard) >= BAR
    row = Table.grid(*(Column(no_wrap=True) for _ in range(4)), padding=(0, 1, 0, 0))
    row.add_row(
        label, ProgressBar(phase.total, phase.done, width=max(1, min(BAR, free))), steps, heard if beside else ""
    )
    more = [] if beside else [Text(f"  {heard}", no_wrap=True, overflow="ellipsis")]
    return Group(row, *more)


def came_to(began: Standing, now: float, done: int, schedule: Schedule) -> str:
    """A phase that is over, or was stopped."""
    phase, seconds = began.phase, now - began.seconds
    of = "" if done >= phase.total else f" of {phase.total:,}"
    rate = f" ({pace(done - phase.done, seconds)})" if done > phase.done else ""
    told = f"{LABELS[phase.name]}: {done:,}{of} steps in {duration(seconds)}{rate}"
    if phase.name == "pretrain" and schedule.best_nll < math.inf:
        told += ", ended by early stopping" * (schedule.bad >= schedule.patience)
        told += f", held out {schedule.best_nll:.3f} nats a token at best"
    return told


def show_samples(texts: Iterable[str]) -> None:
    """Shows the first few, a line each."""
    for text, _ in zip(texts, range(SAMPLES), strict=False):
        line = f"    {' '.join(text.split())}"
        terminal.console().print(line, style="dim", highlight=False, no_wrap=True, overflow="ellipsis")
