"""What a trial says while it is played, and whether it may go on."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from optuna.trial import Trial
from pytorch_lightning import LightningModule, Trainer

from textgan_lit.errors import Pruned
from textgan_lit.run import untrusted
from textgan_lit.run.folder import TRIAL
from textgan_lit.sweep.study import built, opened


class Pruning(pl.Callback):
    """Tells the sweep ``key`` at every evaluation, by the steps played, and ends the run where its pruner says so.

    A run that is no trial, or one of two objectives (which Optuna cannot prune), is left alone. Without a known truth
    nothing is said before the end, for a run's own bound would reward a bad discriminator.
    """

    def __init__(self, folder: str, key: str = "truth/jsd"):
        self.folder, self.key = Path(folder), key
        self.trial: Trial | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Of a job of the sweep alone: the file of one that is played by itself may be somebody else's."""
        if stage != "fit" or not trainer.is_global_zero or not _is_ours() or not (self.folder / TRIAL).exists():
            return
        told = untrusted.yaml(self.folder, TRIAL)
        pruner = built(told["pruner"])
        study = optuna.load_study(study_name=told["study"], storage=opened(told["storage"]), pruner=pruner)
        if len(study.directions) == 1:
            self.trial = Trial(study, study.trials[told["number"]]._trial_id)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        enough = False
        if self.trial is not None and self.key in trainer.callback_metrics:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a resumed run says again what it said
                self.trial.report(float(trainer.callback_metrics[self.key]), trainer.global_step)
            enough = self.trial.should_prune()
        if trainer.strategy.broadcast(enough):
            raise Pruned(f"worse than other trials after {trainer.global_step:,} steps")


def _is_ours() -> bool:
    """Whether this is a job of ``sweep=optuna``, which has written the file that is read."""
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return False
    return HydraConfig.get().sweeper._target_.startswith("hydra_plugins.textgan_lit.")
