"""What W&B has to be told once: each group of keys has its own clock as x-axis."""

from __future__ import annotations

from typing import final

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from textgan_lit.system import TextGAN

AXES = {
    "truth/*": "turns/all",
    "bound/*": "turns/all",
    "game/*": "turns/generator",
    "program/*": "turns/generator",
    "likelihood/*": "turns/likelihood",
    "discriminator/*": "turns/discriminator",
    "generator/*": "turns/generator",
}


@final
class Axes(pl.Callback):
    """Declares the x-axes and saves the resolved configuration. Does nothing without a W&B logger."""

    @rank_zero_only
    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for keys, axis in AXES.items():
                    logger.experiment.define_metric(keys, step_metric=axis)
                logger.experiment.define_metric("truth/jsd", step_metric="turns/all", summary="min,last")
                logger.experiment.config.update(system.settings, allow_val_change=True)
                oracle = getattr(trainer.datamodule, "oracle", None)
                if oracle is not None:
                    logger.experiment.config.update({"oracle_fingerprint": oracle.fingerprint()}, allow_val_change=True)
