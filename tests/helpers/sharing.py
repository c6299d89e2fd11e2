"""Plays games as one process of several, whose rank its environment says.

``python -m tests.helpers.sharing FOLDER 'WORDS'…``
"""

import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from tests.helpers.playing import config
from textgan_lit.build import experiment
from textgan_lit.callbacks.recovery import Recovery

SMALL = {"dropout": 0.0, "embedding": 4, "hidden": 8, "rollouts": 2}
WORDS = ("debug=smoke", "data=tiny", "data.train=256", "data.valid=64", "data.test=64", "data.oracle.variable=true")
WORDS += (
    "check_size=32",
    "model.schedule.pretrain_steps=2",
    "model.schedule.adversarial_steps=2",
    "trainer.max_steps=14",
)


def shrunk(value: Any) -> Any:
    """The same configuration with small networks, and without dropout, which is drawn by rank."""
    if not isinstance(value, dict):
        return value
    return {key: SMALL[key] if key in SMALL else shrunk(inner) for key, inner in value.items()}


class State(pl.Callback):
    """Keeps what each process would save after the last step but one, the time it took aside."""

    def __init__(self, folder: str):
        self.folder = Path(folder)

    def on_train_batch_end(self, trainer, system, *_):
        if system.upcoming is not None:
            state = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            state["textgan_lit"].pop("spent")
            torch.save(state, self.folder / f"{system.global_rank}.pt")


def share(folder: Path, overrides: str, processes: int) -> None:
    """Plays a few steps of the game that ``overrides`` choose; the first process leaves its numbers in metrics.csv, and
    each the state that it would save after the last but one."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = shrunk(config(*WORDS, *overrides.split(), f"trainer.devices={processes}"))
    for update in settings["model"]["optim"].values():
        update["batch_size"] = 16
    target = "textgan_lit.callbacks"
    settings["callbacks"] = {
        "evaluation": {"_target_": f"{target}.evaluation.Evaluations", "every": {"generator": 1}},
        "truth": {"_target_": f"{target}.truth.TruthPanel"},
        "health": {"_target_": f"{target}.health.Health"},
        "steps": {"_target_": f"{target}.steps.Steps"},
        "state": {"_target_": "tests.helpers.sharing.State"},
    }
    settings["logger"] = {"csv": {"_target_": "textgan_lit.logger.CSV"}}
    pl.seed_everything(settings["seed"], verbose=False)
    data = experiment.data(settings)
    system = experiment.system(settings, data)
    callbacks = [Recovery(), *experiment.callbacks(settings, data, folder)]
    experiment.trainer(settings, callbacks, folder).fit(system, datamodule=data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    processes = int(os.environ["WORLD_SIZE"])  # which Lightning takes away
    for number, overrides in enumerate(sys.argv[2:]):
        share(Path(sys.argv[1], str(number)), overrides, processes)
