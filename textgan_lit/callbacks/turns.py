"""The training log: what the moves say of themselves."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, final

import pytorch_lightning as pl
import torch
from annotated_types import Ge, MinLen
from pydantic import AfterValidator
from torch import Tensor

from textgan_lit.distributed import mean
from textgan_lit.schema import Count, Word, form
from textgan_lit.system import TextGAN
from textgan_lit.types import MOVES


def _alike(kept: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Single numbers by the same names every time, as one move's are."""
    if any(logs.keys() != kept[0].keys() or any(value.dim() for value in logs.values()) for logs in kept):
        raise ValueError("the same single numbers of every turn")
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
        return {"kept": self.kept, "leads": self.leads, "answers": dict(self.answers), "read_at": self.read_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kept, self.leads, self.read_at = state["kept"], state["leads"], state["read_at"]
        self.answers = Counter(state["answers"])

    def _write(self, system: TextGAN, move: str) -> None:
        kept = self.kept.pop(move)
        names = list(kept[0])
        values = mean(torch.stack([torch.stack([logs[name].float() for name in names]) for logs in kept]).mean(0))
        row = {f"{move}/{name}": value for name, value in zip(names, values.tolist(), strict=True)}
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
