"""Weights & Biases as this project uses it: offline unless asked, and never a prompt for a login."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, final

import wandb
from pytorch_lightning.loggers import WandbLogger


@final
class WandB(WandbLogger):
    """Lightning's logger, writing into the run's folder; a kill loses at most half a second of log."""

    def __init__(
        self, folder: str, project: str, name: str, mode: Literal["offline", "online", "disabled"] = "offline"
    ):
        Path(folder, "wandb").mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(x_transaction_log_flush_interval=0.5)
        super().__init__(name=name, save_dir=folder, project=project, mode=mode, settings=settings)
        self._wandb_init.pop("anonymous")  # Lightning always passes it, and W&B warns of it whatever it says
