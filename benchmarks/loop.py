"""What Lightning's loop and this project's callbacks cost, beside a bare PyTorch loop that does the same turns.

The demo's game: k = 3, batches of 256 and 512, a TextCNN and a bigram table. Both play the same number of duel turns
from the same weights with the same noise; logging to CSV and to W&B (offline) is on, evaluation is not, since the bare
loop has none. Pairs are played in turn and the median of their ratios is given.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from benchmarks.row import Row
from textgan_lit import build
from textgan_lit.callbacks.turns import Turns
from textgan_lit.callbacks.weights_and_biases import Axes
from textgan_lit.cli import CONF
from textgan_lit.logger import WandB
from textgan_lit.system import TextGAN

TURNS, PAIRS = 400, 5


class Watch(pl.Callback):
    """The seconds between the first turn's start and the last turn's end."""

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.since = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.seconds = time.perf_counter() - self.since


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    pairs = []
    for _ in range(PAIRS):
        pairs.append((through_lightning(), bare()))
    ours, floor = (statistics.median(seconds) / TURNS for seconds in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    yield Row("a turn through Lightning, callbacks and W&B, over a bare loop", ours, floor, floor, ratio, "≤ 1.15")


def game() -> tuple[TextGAN, pl.LightningDataModule, dict]:
    """The demo, its warm-ups left out: nothing but the duel."""
    words = ["logger=none", "name=loop", "model.program.warm_up=0", "model.program.discriminator_warm_up=0"]
    words += ["model/program=fixed", "model.program.check_every=0", "data.valid=1000", "data.test=1000"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*words, f"trainer.max_steps={TURNS}", "trainer.limit_val_batches=0"])
    config.callbacks = {}
    config = OmegaConf.to_container(config, resolve=True)
    pl.seed_everything(config["seed"], verbose=False)
    data = build.data(config)
    return build.system(config, data), data, config


def through_lightning() -> float:
    system, data, config = game()
    with tempfile.TemporaryDirectory() as folder:
        watch, log = Watch(), WandB(folder, "benchmarks", "loop")
        csv = pl.loggers.CSVLogger(folder, name="", version="")
        callbacks = [Turns(), Axes(), watch]
        pl.Trainer(**config["trainer"], callbacks=callbacks, logger=[log, csv]).fit(system, datamodule=data)
        log.experiment.finish()
        assert Path(folder, "metrics.csv").exists()
    return watch.seconds


def bare() -> float:
    system, data, _ = game()
    data.setup("fit")
    optimizers = dict(zip(system.moves, system.configure_optimizers(), strict=True))
    batches = iter(data.train_dataloader())
    cycle = ["discriminator"] * system.program.k + ["generator"]
    since = time.perf_counter()
    for turn in range(TURNS):
        name = cycle[turn % len(cycle)]
        move = system.moves[name]
        players = {"generator": system.generator, "discriminator": system.discriminator}
        for player, network in players.items():
            network.train(player == move.player).requires_grad_(player == move.player)
        outcome = move.objective(system.game("turn", turn), next(batches).first(move.batch))
        optimizers[name].zero_grad()
        outcome.loss.backward()
        optimizers[name].step()
    return time.perf_counter() - since
