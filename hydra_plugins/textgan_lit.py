"""The sweeper of ``sweep=optuna``, where Hydra looks for plugins. What it does is in :mod:`textgan_lit.sweep`.

Hydra imports this at every start: nothing heavy may be imported here.
"""

from __future__ import annotations

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from textgan_lit.errors import UserError


class OptunaSweeper(Sweeper):
    """Its settings are those of :class:`textgan_lit.sweep.sweeper.Sweep`."""

    def __init__(self, **settings: Any):
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        try:
            from textgan_lit.sweep.sweeper import Sweep
        except ModuleNotFoundError as error:
            raise UserError(
                f"sweep=optuna needs {error.name}, which is not installed: pip install 'textgan_lit[sweep]', or "
                "pip install -e '.[sweep]' in a clone."
            ) from error
        settings = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in self.settings.items()
        }
        Sweep.of(settings, hydra=self, folder=self.config.hydra.sweep.dir).play(arguments)
