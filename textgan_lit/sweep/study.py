"""What is known of a sweep's trials, where it outlives every process: in a file, or a database for many machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from optuna.pruners import BasePruner, NopPruner
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from textgan_lit.errors import UserError
from textgan_lit.run.files import lock
from textgan_lit.sweep.objective import Objective
from textgan_lit.sweep.space import Space

JOURNAL = "trials.journal"
OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Lock:
    """Of a journal: the system drops it with the process that held it, however that ended. Optuna's own would stay."""

    def __init__(self, path: str):
        self.lock = lock(Path(path))

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def opened(storage: str) -> BaseStorage | str:
    """``storage`` is a file's path or a database's URL."""
    return storage if "://" in storage else JournalStorage(JournalFileBackend(storage, Lock(f"{storage}.lock")))


def built(settings: dict[str, Any] | None) -> BasePruner:
    """Which trials it ends is not kept in the storage: whoever asks builds it anew."""
    return instantiate(settings) if settings else NopPruner()


class Study:
    """The trials of one question.

    ``folder`` is that of the sweep: trials that were begun in it and are not over are its own to finish, those begun
    elsewhere are another machine's.
    """

    def __init__(
        self,
        name: str,
        storage: str,
        folder: Path,
        space: Space,
        objectives: list[Objective],
        sampler: dict[str, Any],
        seed: int,
    ):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.space, self.objectives = folder, space, objectives
        try:
            self.study = optuna.create_study(
                study_name=name,
                storage=opened(storage),
                directions=[objective.direction for objective in objectives],
                load_if_exists=True,
            )
        except Exception as error:  # whatever the database's driver raises
            raise UserError(
                f"hydra.sweeper.storage={storage} cannot be opened ({error}). Give a file or a URL."
            ) from error
        self._hold_to_one_question()
        # A sampler that draws anew what it drew before would propose the same trials after an interruption.
        begun = {} if "seed" in sampler else {"seed": seed + len(self.study.trials)}
        self.study.sampler = instantiate(sampler, **begun)

    def _hold_to_one_question(self) -> None:
        asked = {
            "search space": sorted(f"{key}: {values}" for key, values in self.space.searched.items()),
            "overrides": sorted(self.space.overrides),
            "objectives": [" against ".join(filter(None, (one.key, one.against))) for one in self.objectives],
        }
        before = self.study.user_attrs.get("question")
        if before is None:
            self.study.set_user_attr("question", asked)
            return
        if before.keys() != asked.keys():
            raise UserError(
                f"{self.folder} holds the trials of a sweep that another version began. Give another hydra.sweep.dir."
            )
        for part in asked:
            if before[part] != asked[part]:
                was, now = (
                    ", ".join(one for one in some if one not in other) or "nothing else"
                    for some, other in ((before[part], asked[part]), (asked[part], before[part]))
                )
                raise UserError(
                    f"{self.folder} holds the trials of another sweep: its {part} had {was}, now it has {now}. Give "
                    "the overrides that it began with, or another hydra.sweep.dir."
                )

    def batch(self, most: int, n_trials: int) -> list[FrozenTrial]:
        """At most so many trials to play next: first those that were cut off, then new ones, ``n_trials`` in all."""
        trials = self.study.get_trials(deepcopy=False)
        ours = [trial for trial in trials if trial.state == TrialState.RUNNING and self._is_ours(trial)]
        begun = sum(trial.state in OVER or "folder" in trial.user_attrs for trial in trials)
        return [*ours, *(self._new() for _ in range(min(most - len(ours), n_trials - begun)))][:most]

    def _is_ours(self, trial: FrozenTrial) -> bool:
        return "folder" in trial.user_attrs and self.place(trial).parent == self.folder.resolve()

    def place(self, trial: FrozenTrial) -> Path:
        """The trial's run: where it was begun, or where the sweep's folder was moved to since."""
        begun, here = (Path(at) / str(trial.number) for at in (trial.user_attrs["folder"], self.folder.resolve()))
        return here if here.exists() and not begun.exists() else begun

    def _new(self) -> FrozenTrial:
        trial = self.study.ask(self.space.searched)
        trial.set_user_attr("folder", str(self.folder.resolve()))
        return self.study.trials[trial.number]

    def tell(self, number: int, values: list[float] | None, state: TrialState) -> None:
        self.study.tell(number, values, state)

    def of(self, state: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(state,))

    def best(self) -> list[FrozenTrial]:
        """The best trial; with two objectives all that no other beats in both."""
        return self.study.best_trials if self.of(TrialState.COMPLETE) else []
