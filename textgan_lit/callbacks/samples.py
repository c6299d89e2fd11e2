"""Sentences to look at: the same noise at every evaluation, so that one follows the same sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, final

import pytorch_lightning as pl
from annotated_types import Ge

from textgan_lit.distributed import rank
from textgan_lit.logger import WandB
from textgan_lit.system import Evaluation, TextGAN

COLUMNS = ["turn", "sentence", "text", "log G", "D says real"]


@final
class Samples(pl.Callback):
    """The first ``count`` samples of each evaluation.

    A line of ``samples.jsonl`` in ``folder``, a growing W&B table, and ``latest`` for the closing report.
    """

    def __init__(self, folder: str, count: Annotated[int, Ge(1)] = 10):
        self.folder, self.count = Path(folder), count
        self.latest: list[str] = []
        self.table: Any = None

    def on_validation_batch_end(
        self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if batch_idx > 0:
            return
        axes = system.axes()  # which ask every rank
        if rank() > 0:
            return
        tokens = outputs.fake.tokens[: self.count]
        self.latest = [system.generator.vocab.text(row) for row in tokens.tolist()]
        words = [
            row[mask].tolist()
            for row, mask in zip(outputs.fake.logp[: self.count], outputs.fake.mask[: self.count], strict=True)
        ]
        logp = outputs.fake.logp[: self.count].sum(1).tolist()
        real = [None] * len(logp)
        if system.discriminator is not None:
            verdict = system.evaluated("evidence").verdict(outputs.fake.batch.first(self.count))
            real = verdict.sigmoid().tolist()
        self._keep(axes, zip(self.latest, logp, real, words, strict=True))
        for logger in trainer.loggers:
            if isinstance(logger, WandB):
                self._log(logger, system.clock.total, logp, real)

    def state_dict(self) -> dict[str, Any]:
        return {"latest": self.latest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.latest = state["latest"]

    def _keep(self, axes: dict[str, int | float], rows: Iterable[tuple[str, float, float | None, list[float]]]) -> None:
        keys = ("text", "log G", "D says real", "log G by word")
        samples = [dict(zip(keys, row, strict=True)) for row in rows]
        with (self.folder / "samples.jsonl").open("a") as file:
            file.write(json.dumps({**axes, "samples": samples}) + "\n")

    def _log(self, logger: WandB, turn: int, logp: list[float], real: list[float | None]) -> None:
        import wandb

        if self.table is None:
            self.table = wandb.Table(columns=COLUMNS, log_mode="INCREMENTAL")
        for number, row in enumerate(zip(self.latest, logp, real, strict=True)):
            self.table.add_data(turn, number, *row)
        logger.tell(lambda run: run.log({"samples/table": self.table}))
