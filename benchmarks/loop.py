"""What Lightning's loop and this project's callbacks cost, beside a bare PyTorch loop that does the same steps.

Two games: the demo's (k = 3, batches of 256 and 512, a TextCNN and a bigram table) and SeqGAN's at the published
oracle's size (V = 5000, L = 20, 16 rollouts). Both loops play the same number of adversarial steps from the same
weights with the same noise; logging to CSV and to W&B (offline) is on, evaluation is not, since the bare loop has none.
Pairs are played alternately and the median of their ratios is given.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl

from benchmarks.measure import NONE, composed
from benchmarks.measure import Steps as Bare
from benchmarks.row import Row
from textgan_lit.build.trainer import FIXED
from textgan_lit.callbacks.steps import Steps
from textgan_lit.callbacks.weights_and_biases import WeightsAndBiases
from textgan_lit.logger import WandB
from textgan_lit.system import TextGAN

GAME = ("model/schedule=fixed", "model.schedule.pretrain_steps=0", "model.schedule.discriminator_pretrain_steps=0")
REST = ("model.schedule.check_every=0", "trainer.limit_val_batches=0", "data.valid=1000", "data.test=1000")
GAMES = (  # name, overrides, steps, pairs, largest ratio
    ("the demo", ("model.schedule.k=3",), 400, 5, 1.15),
    ("the published oracle's size", ("model=seqgan", "data=oracle_lstm", "model.schedule.k=3"), 16, 3, 1.1),
)


class Watch(pl.Callback):
    """The seconds between the first step's start and the last step's end."""

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.since = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.seconds = time.perf_counter() - self.since


def rows() -> Iterator[Row]:
    for name, overrides, steps, pairs, most in GAMES:
        overrides = (*overrides, *GAME, *REST, f"trainer.max_steps={steps}")
        taken = [(through_lightning(overrides), bare(overrides, steps)) for _ in range(pairs)]
        ours, reference = (statistics.median(seconds) / steps for seconds in zip(*taken, strict=True))
        ratio = statistics.median(a / b for a, b in taken)
        name = f"a step through Lightning, callbacks and W&B, over a bare loop: {name}"
        yield Row(name, ours, reference, NONE, ratio, f"≤ {most}", ratio <= most)


def through_lightning(overrides: tuple[str, ...]) -> float:
    system, data, config = composed(*overrides)
    with tempfile.TemporaryDirectory() as folder:
        watch, log = Watch(), WandB(folder, "benchmarks", "loop")
        csv = pl.loggers.CSVLogger(folder, name="", version="")
        callbacks = [Steps(), WeightsAndBiases(folder), watch]
        settings = {**config["trainer"], **FIXED, "enable_checkpointing": False}
        pl.Trainer(**settings, callbacks=callbacks, logger=[log, csv]).fit(system, datamodule=data)
        log.experiment.finish()
        assert Path(folder, "metrics.csv").exists()
    return watch.seconds


def bare(overrides: tuple[str, ...], steps: int) -> float:
    system, data, _ = composed(*overrides)
    players = {name: Bare(system, data, name) for name in ("discriminator", "generator")}
    batches = players["discriminator"].batches
    cycle = ["discriminator"] * system.schedule.k + ["generator"]
    since = time.perf_counter()
    for step in range(steps):
        player = players[cycle[step % len(cycle)]]
        player.batches, player.step = batches, step
        player()
    return time.perf_counter() - since
