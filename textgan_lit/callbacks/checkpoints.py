"""Checkpoints: the last few states of a run, and the best generator where the truth is known."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, final

import pytorch_lightning as pl
from annotated_types import Ge, Gt
from pytorch_lightning.trainer.states import TrainerFn

from textgan_lit.run.checkpoint import kept, named
from textgan_lit.run.distributed import greatest_of, rank
from textgan_lit.run.schema import Least, form
from textgan_lit.system import TextGAN


@final
class Checkpoints(pl.Callback):
    """``step-….ckpt`` after every evaluation, every ``minutes`` and at the end, the last ``keep`` of them;
    ``best.ckpt`` at the lowest true JSD of an evaluation.

    A state is saved between two steps, when all that belongs to the first is written and nothing of the second has
    happened: so this callback stands before those that look at steps. Without a known truth there is no best: a run's
    own bound never selects a checkpoint, since a low bound may only mean a bad discriminator.
    """

    form = form(best=Least)

    def __init__(self, folder: str, keep: Annotated[int, Ge(1)] = 3, minutes: Annotated[float, Gt(0)] = 10.0):
        self.folder, self.keep, self.minutes = Path(folder, "checkpoints"), keep, minutes
        self.best = float("inf")
        self.due = False
        self.saved_at = 0.0  # by the clock of this life of the run

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if rank() == 0:
            self.folder.mkdir(exist_ok=True)
        self.saved_at = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        jsd = trainer.callback_metrics.get("truth/jsd")
        if jsd is not None and float(jsd) < self.best:
            self.best = float(jsd)
            trainer.save_checkpoint(self.folder / "best.ckpt")
        self.due = True

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        late = time.monotonic() - self.saved_at > 60 * self.minutes
        if self.due or greatest_of(late, system.device):  # clocks differ between ranks, and all must save together
            self.save(trainer, system)

    def on_fit_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.save(trainer, system)

    def save(self, trainer: pl.Trainer, system: TextGAN) -> Path:
        """Saves the state as it is, and lets go of the oldest."""
        path = named(self.folder, system.clock.total)
        self.due, self.saved_at = False, time.monotonic()
        trainer.save_checkpoint(path)
        if rank() == 0:
            for old in kept(self.folder)[self.keep :]:
                old.unlink()
        return path

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
