"""What every benchmark is measured with: seconds, this machine's arithmetic, and another library's figures.

The library is TextGAN-PyTorch, the most used one for text GANs. Its seconds were measured once, on one thread of a
machine whose fp32 rate at the projection below was 54.6 GFLOP/s; here they are scaled to the rate of this machine.
"""

from __future__ import annotations

import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from textgan_lit.build import experiment
from textgan_lit.cli import CONF
from textgan_lit.functional.linear import linear
from textgan_lit.system import OF_STEP, TextGAN

LIBRARYS_GFLOPS = 54.6
PROJECTION = 1024, 32, 5000  # hidden states to logits
ALWAYS = ("logger=none", "name=benchmark")  # overrides of every composition
SMALL = ("data.train=1000", "data.valid=100", "data.test=100")  # where sentences are not what is measured


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    """Of the processor, the median of some runs after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        since = time.process_time()
        work()
        taken.append(time.process_time() - since)
    return statistics.median(taken)


NONE = float("nan")


class Beside:
    """Seconds of some work with this machine's rate just before and after it: the rate of ``torch.mm`` in fp32 at
    1024 × 32 × 5000, hidden states to logits, by which the library's seconds are scaled."""

    def __init__(self, work: Callable[[], Any], times: int = 3):
        before = _projection_gflops()
        self.seconds = seconds(work, times)
        self.gflops = (before + _projection_gflops()) / 2

    def against(self, library: float) -> float:
        """How many times as quick as the library, which took so many seconds."""
        return library * LIBRARYS_GFLOPS / self.gflops / self.seconds


def _projection_gflops() -> float:
    rows, inner, outer = PROJECTION
    a, b = torch.randn(rows, inner), torch.randn(inner, outer)
    return 2e-9 * rows * inner * outer / seconds(lambda: a @ b, times=151)


@functools.cache
def best_gflops(rows: int, inner: int, outer: int) -> float:
    """fp32 rate of the quickest product that torch has on this machine: what floors are made of."""
    layer, features = torch.nn.Linear(inner, outer), torch.randn(rows, inner)
    with torch.no_grad():
        products = (lambda: layer(features)), (lambda: linear(features, layer))
        taken = min(seconds(product, times=31) for product in products)
    return 2e-9 * rows * inner * outer / taken


def played(*overrides: str) -> None:
    """``python train.py OVERRIDES``, in a process of its own."""
    subprocess.run([sys.executable, "-m", "textgan_lit.cli", *overrides], check=True, stdout=subprocess.DEVNULL)


def composed(*overrides: str, always: tuple[str, ...] | None = None) -> tuple[TextGAN, pl.LightningDataModule, dict]:
    """The players, the data and the configuration of ``python train.py OVERRIDES``, callbacks left out."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*overrides, *(ALWAYS if always is None else always)])
    config.callbacks = {}
    config = OmegaConf.to_container(config, resolve=True)
    pl.seed_everything(config["seed"], verbose=False)
    data = experiment.data(config)
    return experiment.system(config, data), data, config


class Steps:
    """An update's steps outside of Lightning: objective, backward, clip, optimizer step."""

    def __init__(self, system: TextGAN, data: pl.LightningDataModule, name: str):
        self.system, self.name, self.update = system, name, system.updates[name]
        data.setup("fit")
        self.batches, self.step = iter(data.train_dataloader()), 0
        self.player = getattr(system, self.update.player)
        self.optimizer = self.update.optimizer(system.learning(self.update))
        players = filter(None, (system.generator, system.discriminator))
        self.learning = {
            player: [weight for weight in player.parameters() if weight.requires_grad] for player in players
        }

    def __call__(self) -> None:
        for player, weights in self.learning.items():
            player.train(player is self.player)
            for weight in weights:
                weight.requires_grad_(player is self.player)
        batch = next(self.batches).first(self.update.batch_size)
        outcome = self.update.loss(self.system.game(OF_STEP, self.step), batch)
        self.step += 1
        self.optimizer.zero_grad()
        outcome.loss.backward()
        if self.update.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self.player.parameters(), self.update.max_grad_norm)
        self.optimizer.step()
