"""What W&B has to be told once: each group of keys has its own clock as x-axis."""

from __future__ import annotations

from typing import Any, final

import pytorch_lightning as pl

from textgan_lit.logger import WandB
from textgan_lit.system import TextGAN

AXES = {
    "truth/*": "turns/all",
    "bound/*": "turns/all",
    "faults/*": "turns/all",
    "health/*": "turns/all",
    "quality/*": "turns/all",
    "game/*": "turns/generator",
    "program/*": "turns/generator",
    "likelihood/*": "turns/likelihood",
    "discriminator/*": "turns/discriminator",
    "generator/*": "turns/generator",
}


@final
class Axes(pl.Callback):
    """Declares the x-axes and saves the resolved configuration. Does nothing without a W&B logger."""

    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        oracle = getattr(trainer.datamodule, "oracle", None)
        known = {} if oracle is None else {"oracle_fingerprint": oracle.fingerprint()}
        for logger in trainer.loggers:
            if isinstance(logger, WandB):
                logger.tell(lambda run: declare(run, system.settings | known))


def declare(run: Any, settings: dict[str, Any]) -> None:
    for keys, axis in AXES.items():
        run.define_metric(keys, step_metric=axis)
    run.define_metric("truth/jsd", step_metric="turns/all", summary="min,last")
    run.config.update(settings, allow_val_change=True)
