"""The training log: what the moves say of themselves."""

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

from textgan_lit.run.distributed import each, mean, rank, world
from textgan_lit.run.schema import Count, Word, form
from textgan_lit.system import TextGAN
from textgan_lit.types import MOVES


def _alike(kept: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """A number of every process by the same names every time, as one move's are."""
    shapes = {value.shape for logs in kept for value in logs.values()}
    alike = len(shapes) == 1 and all(logs.keys() == kept[0].keys() for logs in kept)
    if not alike or any(len(shape) != 1 or not shape[0] for shape in shapes):
        raise ValueError("the same numbers of every turn, one a process")
    return kept


LOGS = Annotated[list[dict[Word, Tensor]], MinLen(1), AfterValidator(_alike)]


@final
class Turns(pl.Callback):
    """Writes the mean of each move's numbers every ``every`` turns *of that move*: none hides behind another.

    With the generator's go the program's: discriminator turns before it, and the rule's words. Readings and the
    staleness after them are written when they are taken, as ``game/…``.
    """

    form = form(kept=dict[Literal[MOVES], LOGS], leads=list[Count], answers=dict[Word, Count], read_at=Count | None)

    def __init__(self, every: Annotated[int, Ge(1)] = 10):
        self.every = every
        self.kept: dict[str, list[dict[str, Tensor]]] = {}
        self.leads: list[int] = []  # before each generator turn that the rule was asked for
        self.answers: Counter[str] = Counter()
        self.read_at: int | None = None

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """What was loaded is on the CPU."""
        for logs in self.kept.values():
            logs[:] = [{name: value.to(system.device) for name, value in log.items()} for log in logs]

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if system.upcoming == "generator" and system.program.answers:  # not so for the later ones of turns in a row
            self.leads.append(system.program.lead)
            self.answers.update(system.program.answers)

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Any, *_: Any) -> None:
        move = outputs["move"]
        kept = self.kept.get(move, [])
        if system.fault is None:  # numbers that nobody learnt from would spoil the mean
            kept = self.kept.setdefault(move, kept)
            kept.append(outputs["logs"])
        first_or_due = system.clock.turns[move] == 1 or len(kept) >= self.every
        if kept and (first_or_due or system.upcoming is None):
            self._write(system, move)
        if system.staleness is not None:
            system.record({"game/staleness": system.staleness})
        self._write_reading(system)

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        for move in list(self.kept):
            self._write(system, move)
        if system.upcoming is None and system.program.answers:  # the refusals that ended the duel
            self.answers.update(system.program.answers)
            system.record(self._program())

    def state_dict(self) -> dict[str, Any]:
        """With every rank's numbers since the last row, Float[W] by turn and name: all ranks must ask."""
        kept = {move: _named(logs[0], each(_table(logs)).movedim(0, 2)) for move, logs in self.kept.items()}
        return {"kept": kept, "leads": self.leads, "answers": dict(self.answers), "read_at": self.read_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Each rank takes its own numbers; where there are more or fewer than before, all take the mean."""
        self.kept = {}
        for move, logs in state["kept"].items():
            ranks = _table(logs)
            mine = ranks[..., rank()] if ranks.shape[-1] == world() else ranks.mean(-1)
            self.kept[move] = _named(logs[0], mine)
        self.leads, self.read_at = state["leads"], state["read_at"]
        self.answers = Counter(state["answers"])

    def _write(self, system: TextGAN, move: str) -> None:
        kept = self.kept.pop(move)
        values = mean(_table(kept).mean(0)).tolist()
        row = {f"{move}/{name}": value for name, value in zip(kept[0], values, strict=True)}
        system.record(row | (self._program() if move == "generator" else {}))

    def _program(self) -> dict[str, float]:
        """What the program did since the last row: the mean k, and how often the rule gave each of its words."""
        row = {"program/k": sum(self.leads) / len(self.leads)} if self.leads else {}
        row |= {f"program/why/{word}": float(times) for word, times in self.answers.items()}
        self.leads, self.answers = [], Counter()
        return row

    def _write_reading(self, system: TextGAN) -> None:
        reading = system.reading
        if reading is None or sum(reading.turns.values()) == self.read_at:
            return
        self.read_at = sum(reading.turns.values())
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
