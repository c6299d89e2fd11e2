"""Checkpoints: the last state of a run, and the best generator where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from textgan_lit.system import TextGAN


@final
class Checkpoints(pl.Callback):
    """``last.ckpt`` after every evaluation and at the end; ``best.ckpt`` at the lowest true JSD of an evaluation.

    Without a known truth there is no best: a run's own bound never selects a checkpoint, since a low bound may
    only mean a bad discriminator.
    """

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.best = float("inf")

    def on_validation_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        jsd = trainer.callback_metrics.get("truth/jsd")
        if jsd is not None and float(jsd) < self.best:
            self.best = float(jsd)
            trainer.save_checkpoint(self.folder / "best.ckpt")
        trainer.save_checkpoint(self.folder / "last.ckpt")

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        trainer.save_checkpoint(self.folder / "last.ckpt")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
