"""Weights & Biases as this project uses it: offline unless asked, never a prompt for a login, and never in the way.

W&B is a guest of the run. Where it cannot be reached, its rows are kept on this disk instead; where it fails in
mid-run, that is said once, and the run goes on without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, final

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import DummyExperiment, rank_zero_experiment
from rich import get_console

from textgan_lit.distributed import rank

WAIT = 30.0  # seconds at most, for W&B's server at the start and for the last upload at the end


@final
class WandB(WandbLogger):
    """Lightning's logger, writing into the run's folder; a kill loses at most half a second of log."""

    def __init__(
        self, folder: str, project: str, name: str, mode: Literal["offline", "online", "disabled"] = "offline"
    ):
        import wandb  # takes a second, and the callbacks that know this class are there without W&B, too

        Path(folder, "wandb").mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(x_transaction_log_flush_interval=0.5, init_timeout=WAIT)
        super().__init__(name=name, save_dir=folder, project=project, mode=mode, settings=settings)
        self._wandb_init.pop("anonymous")  # Lightning always passes it, and W&B warns of it whatever it says
        self.gone = False

    def tell(self, what: Callable[[Any], Any]) -> None:
        """Hands W&B's run to ``what``. Everything that is told to W&B is told through here: the first failure is
        said, and nothing is told from then on."""
        if self.gone or rank() > 0:
            return
        try:
            what(self.experiment)
        except Exception as error:  # whatever a service, a server or a disk may raise
            self._leave(error)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """W&B's run, which is begun when it is first asked for; something that does nothing where there is none."""
        if self._experiment is None and not self.gone:
            self._begin()
        return DummyExperiment() if self.gone else self._experiment

    def _begin(self) -> None:
        if self._wandb_init["mode"] == "online":
            try:
                return self._online()
            except Exception as error:
                reason = _line(error)
                _say(
                    f"W&B online is not available ({reason}); its rows are kept here instead. "
                    "`wandb login` and `wandb sync` send them later."
                )
                self._wandb_init["mode"], self._wandb_init["settings"].finish_timeout = "offline", 0.0
        try:
            super().experiment  # noqa: B018 (the first look begins it)
        except Exception as error:
            self._leave(error)

    def _online(self) -> None:
        import wandb

        if not wandb.login(prompt=False, verify=False):  # wandb.init would ask for a key, and wait
            raise PermissionError("no login on this machine")
        self._wandb_init["settings"].finish_timeout = WAIT  # offline it would let go of a file half written
        super().experiment  # noqa: B018

    def _leave(self, error: Exception) -> None:
        self.gone = True
        _say(f"W&B failed ({_line(error)}): the run goes on without it. What it was told until now is in wandb/.")
        finish(dead=True)

    # --- what Lightning calls ---

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.tell(lambda run: super(WandB, self).log_metrics(metrics, step))

    def log_hyperparams(self, params: Any) -> None:
        self.tell(lambda run: super(WandB, self).log_hyperparams(params))

    def finalize(self, status: str) -> None:
        self.tell(lambda run: super(WandB, self).finalize(status))


def finish(dead: bool = False) -> None:
    """Ends W&B's run, if there is one, so that the next job of a multirun has its own. Waits ``WAIT`` seconds at most.

    A ``dead`` service is dismissed, too: it would complain when Python ends, and the next job could not have another.
    """
    wandb = sys.modules.get("wandb")
    if wandb is None:
        return
    with suppress(Exception):  # of a service that is no longer there
        if not dead:
            return wandb.finish()
    with suppress(Exception):
        wandb.teardown()
    wandb.run = None  # else the next logger would write into what is left of it


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).partition(" Consider ")[0].rstrip(".") or type(error).__name__


def _say(line: str) -> None:
    get_console().print(line, highlight=False, markup=False, soft_wrap=True)
