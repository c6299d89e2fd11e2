"""The rows of a run: in metrics.csv, and in Weights & Biases: offline unless asked, never a prompt for a login, and
never in the way.

W&B is a guest of the run. Where it cannot be reached, its rows are kept on this disk instead; where it fails in
mid-run, that is said once, and the run goes on without it.
"""

from __future__ import annotations

import csv
import io
import math
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, final

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import DummyExperiment, Logger, rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from textgan_lit.run import credentials, files, terminal, untrusted, wandb_account
from textgan_lit.run.distributed import rank
from textgan_lit.run.keys import SUMMARY, best, clock
from textgan_lit.run.naming import called
from textgan_lit.run.process import first

STEP = "trainer/global_step"  # Lightning's axis, of what has none of its own
WAIT = 30.0  # seconds at most, for W&B's server at the start and for the last upload at the end


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
        line = io.StringIO()
        csv.DictWriter(line, self.columns, lineterminator="\n").writerow(row)
        files.append(self.path, line.getvalue())

    def _head(self) -> list[str]:
        try:
            return next(untrusted.table(self.path.parent, self.path.name), [])
        except FileNotFoundError:
            return []

    def _widen(self, new: list[str]) -> None:
        """New columns at the end: the rows so far are what they were."""
        old = list(untrusted.table(self.path.parent, self.path.name))[1:] if self.columns else []
        self.columns = [*self.columns, *new]
        files.replace(self.path, "".join(",".join(row) + "\n" for row in [self.columns, *old]))


@final
class WandB(WandbLogger):
    """Lightning's logger, writing into the run's folder; a kill loses at most half a second of log.

    The overrides that the run was started with complete its ``name`` and say its group, job type and tags. Every key
    has its own clock as x-axis; of ``keys.SUMMARY`` alone the summary holds the best value and the last. With
    ``artifacts``, what the callback WeightsAndBiases keeps as such is uploaded, too: the best checkpoint and the last.
    """

    def __init__(
        self,
        folder: str,
        project: str,
        name: str,
        mode: Literal["offline", "online", "disabled"] = "offline",
        artifacts: bool = False,
    ):
        import wandb  # takes a second, and the callbacks that know this class are there without W&B, too

        Path(folder, "wandb").mkdir(parents=True, exist_ok=True)
        known = Path(folder, "wandb", "run-id")  # one run in all its lives
        if first() and not known.exists():
            files.replace(known, secrets.token_hex(4))
        names = called(name, Path(folder))
        settings = wandb.Settings(
            x_transaction_log_flush_interval=0.5,
            init_timeout=WAIT,
            disable_git=True,  # git obeys the .git/config of the folder it is started in, and that may be anybody's
            use_dot_wandb=False,
            symlink=False,
        )
        super().__init__(
            name=names.name,
            group=names.group,
            job_type=names.kind,
            tags=names.tags,
            id=untrusted.text(Path(folder), "wandb/run-id", 64)
            if known.exists()
            else None,  # other processes need none
            resume="allow" if mode == "online" else None,  # offline each life is a segment of its own, which sync joins
            save_dir=folder,
            project=project,
            mode=mode,
            settings=settings,
        )
        self._wandb_init.pop("anonymous")  # Lightning always passes it, and W&B warns of it whatever it says
        self.artifacts, self.gone = artifacts, False
        self.defined: set[str] = set()
        self.before = extremes(Path(folder, "metrics.csv"))  # of the run's earlier lives

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
                terminal.say(
                    f"W&B online is not available ({reason}); its rows are kept here instead. "
                    "`wandb login` and `wandb sync` send them later."
                )
                finish(dead=True)  # its service holds the run's name, and would not give it to a second try
                self._wandb_init["settings"].finish_timeout = 0.0
                self._wandb_init |= {"mode": "offline", "resume": None}
        try:
            wandb_account.set_up()
            super().experiment  # noqa: B018 (the first look begins it)
        except Exception as error:
            self._leave(error)

    def _online(self) -> None:
        import wandb

        wandb_account.set_up()
        if not wandb.login(prompt=False, verify=False):  # wandb.init would ask for a key, and wait
            raise PermissionError("no login on this machine")
        self._wandb_init["settings"].finish_timeout = WAIT  # offline it would let go of a file half written
        super().experiment  # noqa: B018

    def _leave(self, error: Exception) -> None:
        self.gone = True
        terminal.say(
            f"W&B failed ({_line(error)}): the run goes on without it. What it was told until now is in wandb/."
        )
        finish(dead=True)

    # --- what Lightning calls ---

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        def log(run: Any) -> None:
            self._define(run, {*metrics, STEP} - self.defined)
            super(WandB, self).log_metrics(metrics, step)

        self.tell(log)

    def _define(self, run: Any, new: Set[str]) -> None:
        """One by one: of the patterns that match a key W&B may take any, and Lightning has given it ``*``."""
        for key in sorted(new):
            kept = f"{best(key)},last" if best(key) else None
            axis = None if key == STEP else clock(key) or STEP
            run.define_metric(key, step_metric=axis, summary=kept if key in SUMMARY else "none")
        self.defined |= new

    def log_hyperparams(self, params: Any) -> None:
        self.tell(lambda run: super(WandB, self).log_hyperparams(params))

    def finalize(self, status: str) -> None:
        self.tell(self._remember)
        self.tell(lambda run: super(WandB, self).finalize(status))

    def _remember(self, run: Any) -> None:
        """W&B takes the best value of this life alone for the run's."""
        for key in self.before.keys() & self.defined & set(SUMMARY):
            extreme, now = best(key), run.summary[key]
            if (self.before[key] < now[extreme]) == (extreme == "min") and self.before[key] != now[extreme]:
                run.summary[key] = {extreme: self.before[key], "last": now["last"]}


def extremes(path: Path) -> dict[str, float]:
    """The best value of every key in a table of rows that has one; nothing where there is no table."""
    found: dict[str, float] = {}
    with suppress(FileNotFoundError):
        rows = untrusted.table(path.parent, path.name)
        columns = [(place, key, best(key)) for place, key in enumerate(next(rows, []))]
        columns = [(place, key, {"min": min, "max": max}[extreme]) for place, key, extreme in columns if extreme]
        for row in rows:
            for place, key, better in columns:
                if place < len(row) and not math.isnan(value := _number(row[place])):
                    found[key] = better(value, found.get(key, value))
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # nothing, or somebody else's
        return math.nan


def alert(loggers: Iterable[Logger], title: str, text: str) -> None:
    """Asks W&B to tell people, by mail or wherever they want to be told; those that do not log there need nothing."""
    for logger in loggers:
        if isinstance(logger, WandB):
            logger.tell(lambda run: run.alert(title, text, level="WARN"))


def finish(dead: bool = False, failed: bool = False) -> None:
    """Ends W&B's run, if there is one, so that the next job of a multirun has its own. Waits ``WAIT`` seconds at most.

    W&B shows one that has ``failed``, or was told to stop, as such. A ``dead`` service is dismissed, too: it would
    complain when Python ends, and the next job could not have another.
    """
    wandb = sys.modules.get("wandb")
    if wandb is None:
        return
    with suppress(Exception):  # of a service that is no longer there
        if not dead:
            return wandb.finish(exit_code=int(failed))
    with suppress(Exception, SystemExit):  # where its service ended badly, W&B would end the run
        wandb.teardown()
    wandb.run = None  # else the next logger would write into what is left of it


def _line(error: Exception) -> str:
    line = credentials.masked(" ".join(str(error).split()))
    return line.partition(" Consider ")[0].rstrip(".") or type(error).__name__
