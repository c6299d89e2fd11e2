"""The training log: what the updates say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, final

import pytorch_lightning as pl
import torch
from annotated_types import Ge, MinLen
from jaxtyping import Float
from pydantic import AfterValidator
from torch import Tensor

from textgan_lit.run.distributed import all_mean, of_every_rank, rank, world_size
from textgan_lit.run.schema import Count, Name, form
from textgan_lit.system import TextGAN
from textgan_lit.types import UPDATES


def _alike(kept: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """A number of every process by the same names every time, as one update's are."""
    shapes = {value.shape for logs in kept for value in logs.values()}
    alike = len(shapes) == 1 and all(logs.keys() == kept[0].keys() for logs in kept)
    if not alike or any(len(shape) != 1 or not shape[0] for shape in shapes):
        raise ValueError("the same numbers of every step, one a process")
    return kept


LOGS = Annotated[list[dict[Name, Tensor]], MinLen(1), AfterValidator(_alike)]


@final
class Steps(pl.Callback):
    """Writes the mean of each update's numbers every ``every`` steps *of that update*: none hides behind another.

    With the generator's go the schedule's: discriminator steps before it, and the rule's reasons. Validations of
    pretraining, held-out checks and the staleness after them are written when they are taken.
    """

    form = form(kept=dict[Literal[UPDATES], LOGS], d_steps=list[Count], answers=dict[Name, Count], read_at=Count | None)

    def __init__(self, every: Annotated[int, Ge(1)] = 10):
        self.every = every
        self.kept: dict[str, list[dict[str, Tensor]]] = {}
        self.d_steps: list[int] = []  # before each generator step that the rule was asked for
        self.answers: Counter[str] = Counter()
        self.read_at: int | None = None

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """What was loaded is on the CPU."""
        for logs in self.kept.values():
            logs[:] = [{name: value.to(system.device) for name, value in log.items()} for log in logs]

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if system.upcoming == "generator" and system.schedule.answers:  # not so for the later ones of steps in a row
            self.d_steps.append(system.schedule.d_steps_since_g)
            self.answers.update(system.schedule.answers)

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Any, *_: Any) -> None:
        update = outputs["update"]
        kept = self.kept.get(update, [])
        if system.fault is None:  # numbers that nobody learnt from would spoil the mean
            kept = self.kept.setdefault(update, kept)
            kept.append(outputs["logs"])
        first_or_due = system.clock.steps[update] == 1 or len(kept) >= self.every
        if kept and (first_or_due or system.upcoming is None):
            self._write(system, update)
        if update == "pretrain" and system.schedule.validated_at == system.clock.steps[update]:
            system.record({"pretrain/nll_held_out": system.schedule.nll})
        if system.staleness is not None:
            system.record({"game/staleness": system.staleness})
        self._write_reading(system)

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        for update in list(self.kept):
            self._write(system, update)
        if system.upcoming is None and system.schedule.answers:  # the refusals that ended the game
            self.answers.update(system.schedule.answers)
            system.record(self._schedule())

    def state_dict(self) -> dict[str, Any]:
        """With every rank's numbers since the last row, Float[W] by step and name: all ranks must ask."""
        kept = {name: _named(logs[0], of_every_rank(_table(logs)).movedim(0, 2)) for name, logs in self.kept.items()}
        return {"kept": kept, "d_steps": self.d_steps, "answers": dict(self.answers), "read_at": self.read_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Each rank takes its own numbers; where there are more or fewer than before, all take the mean."""
        self.kept = {}
        for update, logs in state["kept"].items():
            ranks = _table(logs)
            mine = ranks[..., rank()] if ranks.shape[-1] == world_size() else ranks.mean(-1)
            self.kept[update] = _named(logs[0], mine)
        self.d_steps, self.read_at = state["d_steps"], state["read_at"]
        self.answers = Counter(state["answers"])

    def _write(self, system: TextGAN, update: str) -> None:
        kept = self.kept.pop(update)
        values = all_mean(_table(kept).mean(0)).tolist()
        row = {f"{update}/{name}": value for name, value in zip(kept[0], values, strict=True)}
        system.record(row | (self._schedule() if update == "generator" else {}))

    def _schedule(self) -> dict[str, float]:
        """What the schedule did since the last row: the mean k, and how often the rule gave each of its reasons."""
        row = {"schedule/k": sum(self.d_steps) / len(self.d_steps)} if self.d_steps else {}
        row |= {f"schedule/why/{reason}": float(times) for reason, times in self.answers.items()}
        self.d_steps, self.answers = [], Counter()
        return row

    def _write_reading(self, system: TextGAN) -> None:
        reading = system.reading
        if reading is None or sum(reading.steps.values()) == self.read_at:
            return
        self.read_at = sum(reading.steps.values())
        row = {
            "game/bound": reading.bound,
            "game/bound_se": reading.bound_se,
            "game/bound_raw": reading.raw_bound,
            "game/accuracy": reading.accuracy,
            "game/allowed": system.upcoming == "generator",
        }
        if reading.regret is not None:
            row["game/regret"] = reading.regret
        system.record(row)


def _table(kept: list[dict[str, Tensor]]) -> Float[Tensor, "steps names *ranks"]:
    return torch.stack([torch.stack([logs[name].float() for name in kept[0]]) for logs in kept])


def _named(names: Iterable[str], table: Float[Tensor, "steps names *ranks"]) -> list[dict[str, Tensor]]:
    """Row by row, each number in memory of its own."""
    own = [[value.clone(memory_format=torch.contiguous_format) for value in row] for row in table]
    return [dict(zip(names, row, strict=True)) for row in own]
