"""The folder of a run: nothing that is there may be lost by mistake."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from textgan_lit.errors import UserError

WRITTEN = (
    ".claimed",
    ".hydra",
    "checkpoints",
    "wandb",
    "metrics.csv",
    "hparams.yaml",
    "evaluations.jsonl",
    "closing.json",
    "frontier.json",
    "train.log",
)


class Claim(Callback):
    """Before Hydra writes anything: is the folder free, and can it be written?"""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        for name in ("overwrite", "resume"):
            if not isinstance(config.get(name), bool):
                _refuse(f"{name}={config.get(name)}: wanted true or false.")
        if config.get("resume"):
            _refuse("resume=true is not available yet. Start anew with another hydra.run.dir or overwrite=true.")
        if os.environ.get("LOCAL_RANK", "0") == "0":
            self._claim(config, config.hydra.run.dir, ".hydra", "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        self._claim(config, config.hydra.sweep.dir, "multirun.yaml", "hydra.sweep.dir")

    def _claim(self, config: DictConfig, folder: str, mark: str, key: str) -> None:
        try:
            claim(Path(folder), config.overwrite is True, mark, key)
        except UserError as error:
            _refuse(str(error))


def _refuse(reason: str) -> NoReturn:
    sys.exit(f"textgan_lit: {reason}")  # Hydra turns a callback's exceptions into warnings, but not this one


def release(folder: Path) -> None:
    """Frees a folder in which nothing was played, so that the corrected command can have it."""
    if not any((folder / name).exists() for name in ("checkpoints", "metrics.csv", "evaluations.jsonl")):
        shutil.rmtree(folder / ".hydra", ignore_errors=True)
        (folder / ".claimed").unlink(missing_ok=True)


def claim(folder: Path, overwrite: bool, mark: str, key: str) -> None:
    """Makes the folder, or says why it cannot be used."""
    if (folder / mark).exists():
        if not overwrite:
            raise UserError(
                f"{key}={folder} already holds a run. Choose another folder, or overwrite=true to replace that run."
            )
        for name in WRITTEN:
            target = folder / name
            shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink(missing_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".claimed").touch(exist_ok=overwrite)  # of two runs that start at once, one gets the folder
    except FileExistsError as error:
        raise UserError(f"{key}={folder} was just taken by another run. Choose another folder.") from error
    except OSError as error:
        raise UserError(
            f"{key}={folder} cannot be written ({error.strerror}). "
            f"Give a folder that can, for example {key}=outputs/mine."
        ) from error
