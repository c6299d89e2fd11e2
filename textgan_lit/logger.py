"""The rows of a run: in metrics.csv, and in Weights & Biases (offline unless asked, and never a prompt for a login)."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from textgan_lit import folder as folders


@final
class CSV(Logger):
    """Rows of ``metrics.csv``, each on the disk when it was logged; those of a run that is taken up stay.

    Lightning's own logger deletes what it finds, and a kill while it adds a column loses all rows.
    """

    def __init__(self, folder: str):
        super().__init__()
        self.path = Path(folder, "metrics.csv")
        self.columns: list[str] | None = None

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the configuration is in the folder already."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {**metrics, "step": step}
        if self.columns is None:
            self.columns = self._head()
        if new := sorted(row.keys() - set(self.columns)):
            self._widen(new)
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)

    def _head(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return next(csv.reader(file), [])

    def _widen(self, new: list[str]) -> None:
        """New columns at the end: the rows so far are what they were."""
        old = self.path.read_text().splitlines()[1:] if self.columns else []
        self.columns = [*self.columns, *new]
        folders.replace(self.path, "".join(f"{line}\n" for line in [",".join(self.columns), *old]))


@final
class WandB(WandbLogger):
    """Lightning's logger, writing into the run's folder; a kill loses at most half a second of log."""

    def __init__(
        self, folder: str, project: str, name: str, mode: Literal["offline", "online", "disabled"] = "offline"
    ):
        Path(folder, "wandb").mkdir(parents=True, exist_ok=True)
        known = Path(folder, "wandb", "run-id")  # one run in all its lives
        if folders.first() and not known.exists():
            folders.replace(known, secrets.token_hex(4))
        settings = wandb.Settings(x_transaction_log_flush_interval=0.5)
        super().__init__(
            name=name,
            id=known.read_text() if known.exists() else None,  # other processes need none
            resume="allow",
            save_dir=folder,
            project=project,
            mode=mode,
            settings=settings,
        )
        self._wandb_init.pop("anonymous")  # Lightning always passes it, and W&B warns of it whatever it says
