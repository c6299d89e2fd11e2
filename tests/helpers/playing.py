"""Runs that are composed, built and played in this process, without a command line or a console."""

import copy
import functools
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from pytorch_lightning.loggers.logger import DummyLogger

from textgan_lit.build import experiment
from textgan_lit.build.trainer import FIXED
from textgan_lit.run.checkpoint import CheckpointFiles
from textgan_lit.system import TextGAN

CONF = Path(__file__).parents[2] / "conf"
EVERY_MODEL = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
# Those whose player is opened from somebody's folder: tests/system/test_language_models.py plays them on tiny ones.
OF_A_FOLDER = [name for name in EVERY_MODEL if ": pretrained\n" in (CONF / "model" / f"{name}.yaml").read_text()]
MODELS = [name for name in EVERY_MODEL if name not in OF_A_FOLDER]
TINY = (
    *("debug=smoke", "data=tiny", "data.train=256", "data.valid=64", "data.test=64"),
    *(
        "model.optim.pretrain.batch_size=16",
        "model.optim.discriminator.batch_size=8",
        "model.optim.generator.batch_size=8",
    ),
)


class Rows(DummyLogger):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def log_metrics(self, metrics, step=None):
        self.rows.append(dict(metrics, step=step))


class Run(NamedTuple):
    system: TextGAN
    data: Any
    trainer: pl.Trainer
    rows: list[dict[str, float]]

    def fit(self, checkpoint: Path | None = None) -> "Run":
        self.trainer.fit(self.system, datamodule=self.data, ckpt_path=checkpoint)
        return self


def config(*overrides: str) -> dict[str, Any]:
    """conf/train.yaml with ``overrides``, resolved; without callbacks, loggers or a folder."""
    return copy.deepcopy(_composed(*overrides))


@functools.cache
def _composed(*overrides: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", ["logger=none", "name=test", *overrides])
    composed.callbacks = {}
    return OmegaConf.to_container(composed, resolve=True)


def built(*overrides: str, callbacks: tuple[pl.Callback, ...] = (), **system: Any) -> Run:
    """A run that is ready to be fitted. ``system`` replaces attributes of the system."""
    settings, logger = config(*overrides), Rows()
    pl.seed_everything(settings["seed"], verbose=False)
    data = experiment.data(settings)
    module = experiment.system(settings, data)
    for name, value in system.items():
        setattr(module, name, value)
    fixed = FIXED | {"enable_checkpointing": False}
    own = {"callbacks": list(callbacks), "logger": logger, "plugins": [CheckpointFiles()]}
    trainer = pl.Trainer(**settings["trainer"], **fixed, **own)
    return Run(module, data, trainer, logger.rows)


def saved(*overrides):
    """What a run saves, without its having been played."""
    settings, state = config(*TINY, *overrides), {}
    game = experiment.system(settings, experiment.data(settings))
    game.on_save_checkpoint(state)
    return copy.deepcopy({**state, "state_dict": game.state_dict()})
