"""Where Hydra looks for plugins: conf/ of installed packages, and the sweeper of ``sweep=optuna``, which
:mod:`textgan_lit.sweep` is behind.

Hydra imports this at every start: nothing heavy may be imported here.
"""

from __future__ import annotations

from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from textgan_lit.errors import UserError


class AnnouncedConf(SearchPathPlugin):
    """Options of packages that announce them, behind the project's own; other programs of Hydra's are left alone."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from textgan_lit.build import announced
        from textgan_lit.build.trust import CONF

        if any(part.path.removeprefix("file://") == str(CONF) for part in search_path.get_path()):
            for folder in announced.folders():
                search_path.append(announced.GROUP, f"file://{folder}")


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
