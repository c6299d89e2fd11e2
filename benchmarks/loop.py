"""What Lightning's loop and this project's callbacks cost, beside a bare PyTorch loop that does the same turns.

Two games: the demo's (k = 3, batches of 256 and 512, a TextCNN and a bigram table) and SeqGAN's at the published
oracle's size (V = 5000, L = 20, 16 rollouts). Both loops play the same number of duel turns from the same weights with
the same noise; logging to CSV and to W&B (offline) is on, evaluation is not, since the bare loop has none. Pairs are
played in turn and the median of their ratios is given.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl

from benchmarks.measure import NONE, composed
from benchmarks.measure import Turns as Bare
from benchmarks.row import Row
from textgan_lit.build.trainer import FIXED
from textgan_lit.callbacks.turns import Turns
from textgan_lit.callbacks.weights_and_biases import WeightsAndBiases
from textgan_lit.logger import WandB
from textgan_lit.system import TextGAN

DUEL = ("model/program=fixed", "model.program.warm_up=0", "model.program.discriminator_warm_up=0")
REST = ("model.program.check_every=0", "trainer.limit_val_batches=0", "data.valid=1000", "data.test=1000")
GAMES = (  # name, words, turns, pairs, largest ratio
    ("the demo", ("model.program.k=3",), 400, 5, 1.15),
    ("the published oracle's size", ("model=seqgan", "data=oracle_lstm", "model.program.k=3"), 16, 3, 1.1),
)


class Watch(pl.Callback):
    """The seconds between the first turn's start and the last turn's end."""

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.since = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.seconds = time.perf_counter() - self.since


def rows() -> Iterator[Row]:
    for name, words, turns, pairs, most in GAMES:
        words = (*words, *DUEL, *REST, f"trainer.max_steps={turns}")
        taken = [(through_lightning(words), bare(words, turns)) for _ in range(pairs)]
        ours, reference = (statistics.median(seconds) / turns for seconds in zip(*taken, strict=True))
        ratio = statistics.median(a / b for a, b in taken)
        name = f"a turn through Lightning, callbacks and W&B, over a bare loop: {name}"
        yield Row(name, ours, reference, NONE, ratio, f"≤ {most}", ratio <= most)


def through_lightning(words: tuple[str, ...]) -> float:
    system, data, config = composed(*words)
    with tempfile.TemporaryDirectory() as folder:
        watch, log = Watch(), WandB(folder, "benchmarks", "loop")
        csv = pl.loggers.CSVLogger(folder, name="", version="")
        callbacks = [Turns(), WeightsAndBiases(folder), watch]
        settings = {**config["trainer"], **FIXED, "enable_checkpointing": False}
        pl.Trainer(**settings, callbacks=callbacks, logger=[log, csv]).fit(system, datamodule=data)
        log.experiment.finish()
        assert Path(folder, "metrics.csv").exists()
    return watch.seconds


def bare(words: tuple[str, ...], turns: int) -> float:
    system, data, _ = composed(*words)
    players = {name: Bare(system, data, name) for name in ("discriminator", "generator")}
    batches = players["discriminator"].batches
    cycle = ["discriminator"] * system.program.k + ["generator"]
    since = time.perf_counter()
    for turn in range(turns):
        player = players[cycle[turn % len(cycle)]]
        player.batches, player.turn = batches, turn
        player()
    return time.perf_counter() - since
