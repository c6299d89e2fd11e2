"""What W&B is told of a run beside its rows: how it was made, and what it has made."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
from pytorch_lightning.loggers.logger import Logger

from textgan_lit.logger import WandB
from textgan_lit.run import untrusted
from textgan_lit.run.checkpoint import kept
from textgan_lit.run.distributed import rank
from textgan_lit.run.files import replace
from textgan_lit.system import TextGAN

PACKAGE = Path(__file__).parents[1]
COMPOSED = ("config.yaml", "hydra.yaml", "overrides.yaml")


@final
class WeightsAndBiases(pl.Callback):
    """Saves the resolved configuration, the overrides it came from and the code; does nothing without a W&B logger.

    Where the logger wants ``artifacts``, the checkpoints of ``folder`` are versions of ``model-ID``: the newest as
    ``last``, the best as ``best``. Once in each life of the run, when it ends, since each of them is an upload.
    """

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.loggers: list[WandB] = []

    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.loggers = wandbs(trainer)
        oracle = getattr(trainer.datamodule, "oracle", None)
        known = {} if oracle is None else {"oracle_fingerprint": oracle.fingerprint()}
        for logger in self.loggers:
            logger.tell(lambda run: run.config.update(system.settings | known, allow_val_change=True))
            logger.tell(lambda run: save_overrides(run, self.folder))
            logger.tell(lambda run: save_code(run, system.settings))

    def on_fit_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self._keep()

    def on_exception(self, trainer: pl.Trainer, system: TextGAN, exception: BaseException) -> None:
        self._keep()

    def _keep(self) -> None:
        loggers, self.loggers = self.loggers, []  # once, whatever comes later
        for logger in loggers:
            if logger.artifacts:
                logger.tell(lambda run: save_checkpoints(run, self.folder / "checkpoints"))


def wandbs(trainer: pl.Trainer) -> list[WandB]:
    """The trainer's W&B loggers; of the first process alone, since there is one run whatever plays it."""
    loggers: list[Logger] = trainer.loggers
    return [logger for logger in loggers if isinstance(logger, WandB) and rank() == 0]


def save_overrides(run: Any, folder: Path) -> None:
    """What Hydra has composed the configuration from. The names stay as they are: ``.hydra/overrides.yaml``."""
    for name in COMPOSED:
        with suppress(FileNotFoundError):
            text = untrusted.text(folder, f".hydra/{name}", untrusted.JSON)
            copy = Path(run.dir, ".hydra", name)  # in W&B's own folder: from elsewhere it would make a link
            copy.parent.mkdir(exist_ok=True)
            replace(copy, text)
            run.save(str(copy), base_path=run.dir, policy="now")


def save_code(run: Any, settings: Any) -> None:
    """This package, and the files of those parts that are somebody's own."""
    import wandb

    code = wandb.Artifact(f"code-{run.project}", type="code")
    for path in sorted(PACKAGE.rglob("*.py")):
        code.add_file(str(path), name=f"textgan_lit/{path.relative_to(PACKAGE)}")
    for name, path in sorted(own_files(settings).items()):
        code.add_file(str(path), name=name)
    run.log_artifact(code)


def own_files(settings: Any) -> dict[str, Path]:
    """Name in the artifact → file, of every class that ``settings`` name and that is neither ours nor installed."""
    ours = PACKAGE, Path(sysconfig.get_path("stdlib")).resolve()
    found = {}
    for module in {target.rpartition(".")[0] for target in targets(settings)}:
        path = Path(inspect.getsourcefile(sys.modules[module]) or "") if module in sys.modules else Path()
        installed = {"site-packages", "dist-packages"} & set(path.resolve().parts)  # of this environment or one below
        if path.suffix == ".py" and not installed and not any(path.resolve().is_relative_to(one) for one in ours):
            found[f"{module.replace('.', '/')}.py"] = path
    return found


def targets(settings: Any) -> Iterator[str]:
    """The classes that nested settings name."""
    if isinstance(settings, dict):
        if isinstance(settings.get("_target_"), str):
            yield settings["_target_"]
        settings = list(settings.values())
    if isinstance(settings, list):
        for inner in settings:
            yield from targets(inner)


def save_checkpoints(run: Any, folder: Path) -> None:
    """Versions of one artifact, ``last`` and ``best``; each holds its vocabulary, and the tokenizer of data=text."""
    import wandb

    best = folder / "best.ckpt"
    for alias, path in [("last", path) for path in kept(folder)[:1]] + [("best", best)] * best.is_file():
        made = wandb.Artifact(f"model-{run.id}", type="model", metadata={"file": path.name})
        made.add_file(str(path), name=path.name)
        run.log_artifact(made, aliases=[alias])
