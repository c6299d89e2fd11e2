"""The loop of a sweep: ask for trials, have them played, tell what came out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import yaml
from annotated_types import Ge
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from textgan_lit.build.parts import setting
from textgan_lit.cli import explain
from textgan_lit.errors import Busy, Pruned, UserError
from textgan_lit.run import credentials, files, terminal
from textgan_lit.run import folder as folders
from textgan_lit.sweep.objective import objectives, values
from textgan_lit.sweep.space import space
from textgan_lit.sweep.study import JOURNAL, Study, built

RESULTS = "optimization_results.yaml"  # Hydra's own sweepers call it so
SHOWN = 10  # trials of the closing table


class Sweep:
    """``n_trials`` trials in all, ``n_jobs`` side by side (-1: one a CPU); failed ones count.

    ``params`` are overrides of the search space, those of the command line come on top. ``objectives`` are keys of the
    closing table (none: what a run returns), or ``likelihood_gap``, ``against`` a run. ``sampler`` and ``pruner`` are
    Optuna's, by their ``_target_``. ``storage`` is a file or a database's URL (none: a journal in the sweep's folder),
    ``seed`` the sampler's.
    """

    def __init__(
        self,
        hydra: Sweeper,
        folder: str,
        n_trials: Annotated[int, Ge(1)],
        n_jobs: Annotated[int, Ge(-1)],
        params: dict[str, str],
        objectives: list[str],
        against: str | None,
        sampler: dict[str, Any],
        pruner: dict[str, Any] | None,
        storage: str | None,
        study_name: str,
        seed: Annotated[int, Ge(0)],
    ):
        self.hydra, self.folder = hydra, Path(folder)
        self.n_trials, self.params, self.keys = n_trials, params, objectives
        self.against = against
        self.n_jobs = n_jobs if n_jobs > 0 else os.cpu_count() or 1
        self.settings, self.pruner = {"sampler": sampler, "seed": seed}, pruner
        self.storage, self.name = storage or str(self.folder.resolve() / JOURNAL), study_name

    @classmethod
    def of(cls, settings: Mapping[str, Any], **known: Any) -> Sweep:
        """With each of its settings as its signature wants it, or a UserError that names it."""
        credentials.refuse({f"hydra.sweeper.{key}": given for key, given in settings.items()})
        hints = get_type_hints(cls.__init__, include_extras=True)
        return cls(
            **known, **{key: setting(given, hints[key], f"hydra.sweeper.{key}") for key, given in settings.items()}
        )

    def play(self, arguments: Sequence[str]) -> None:
        """Plays what is missing, and says what came out.

        Raises:
            UserError: before any trial, where the overrides cannot be played; at the end, where a trial has failed.
        """
        parser = OverridesParser.create(config_loader=self.hydra.hydra_context.config_loader)
        asked = space(parser.parse_overrides([*(f"{key}={value}" for key, value in self.params.items()), *arguments]))
        wanted = objectives(self.keys, self.against)
        built(self.pruner)
        self._compose(asked.trial(asked.some()))
        self.folder.mkdir(parents=True, exist_ok=True)
        files.replace(self.folder / "multirun.yaml", OmegaConf.to_yaml(self.hydra.config))
        self.study = Study(self.name, self.storage, self.folder, asked, wanted, **self.settings)
        while batch := self.study.batch(self.n_jobs, self.n_trials):
            self._play(batch)
        self._report()

    def _compose(self, overrides: list[str]) -> None:
        self.hydra.hydra_context.config_loader.load_sweep_config(self.hydra.config, overrides)

    def _play(self, batch: list[FrozenTrial]) -> None:
        jobs = {}
        for trial in batch:
            overrides = [*self.study.space.trial(trial.params), f"hydra.sweep.subdir={trial.number}", "resume=true"]
            try:
                self._compose(overrides)
                jobs[trial.number] = overrides
            except Exception as error:  # whatever a combination of overrides may raise
                self._fail(trial.number, error)
                terminal.say(f"Trial {trial.number} failed: {explain(error)}")
        if not jobs:
            return
        for number in jobs:
            self._describe(number)
        returned = self.hydra.launcher.launch(list(jobs.values()), initial_job_idx=min(jobs))
        for number, result in zip(jobs, returned, strict=True):
            self._hear(number, result)

    def _describe(self, number: int) -> None:
        """What the trial's own process needs to know to say how it goes."""
        place = self.folder / str(number)
        place.mkdir(exist_ok=True)
        told = {"storage": self.storage, "study": self.name, "number": number, "pruner": self.pruner}
        files.replace(place / folders.TRIAL, yaml.safe_dump(told))

    def _hear(self, number: int, result: JobReturn) -> None:
        try:
            if result.status is not JobStatus.COMPLETED:
                raise result._return_value
            reached = values(self.folder / str(number), self.study.objectives, result.return_value)
            self.study.tell(number, reached, TrialState.COMPLETE)
        except Busy:
            raise  # it is no failure of the trial, which somebody plays
        except Pruned:
            self.study.tell(number, None, TrialState.PRUNED)
        except Exception as error:
            self._fail(number, error)

    def _fail(self, number: int, error: Exception) -> None:
        folders.end(self.folder / str(number), "failed", explain(error))
        self.study.tell(number, None, TrialState.FAIL)

    def _report(self) -> None:
        best, failed = self.study.best(), self.study.of(TrialState.FAIL)
        found = [
            {
                "trial": trial.number,
                "params": trial.params,
                "values": trial.values,
                "folder": str(self.study.place(trial)),
            }
            for trial in best
        ]
        files.replace(self.folder / RESULTS, yaml.safe_dump({"name": "textgan_lit", "best": found}, sort_keys=False))
        terminal.console().print(self._table())
        pruned = len(self.study.of(TrialState.PRUNED))
        done = len(self.study.of(TrialState.COMPLETE))
        print(f"{done} trials finished, {pruned} were pruned, {len(failed)} failed. {self.folder / RESULTS}")
        if failed:
            places = ", ".join(str(self.study.place(trial)) for trial in failed[:5])
            raise UserError(f"{len(failed)} of {self.n_trials} trials failed; run.json says why in each of {places}.")

    def _table(self) -> Table:
        names = [objective.key or "objective" for objective in self.study.objectives]
        table = Table("trial", *names, *self.study.space.searched, title="The best trials", title_justify="left")
        sign = -1 if self.study.objectives[0].direction == "maximize" else 1
        for trial in sorted(self.study.of(TrialState.COMPLETE), key=lambda trial: sign * trial.values[0])[:SHOWN]:
            shown = (trial.params[key] for key in self.study.space.searched)
            cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in (*trial.values, *shown))
            table.add_row(str(trial.number), *cells)
        return table
