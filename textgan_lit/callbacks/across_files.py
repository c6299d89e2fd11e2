"""Where test sentences have a file of their own: what is due to the generator, and what to the other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl

from textgan_lit.callbacks.truth import models
from textgan_lit.metrics.base import SetMetric
from textgan_lit.metrics.fresh_critic import KEY
from textgan_lit.model.policy import Categorical
from textgan_lit.run import terminal
from textgan_lit.run.closing_table import estimate, numbers, print_table, titled
from textgan_lit.run.distributed import gather, rank, shard, world_size
from textgan_lit.run.files import replace
from textgan_lit.system import TextGAN
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth
from textgan_lit.types import TextBatch


@final
class AcrossFiles(pl.Callback):
    """At the end of a run whose test sentences have a file of their own: the proxies on held-out sentences of the
    *training* file. Judged are the generators (``likelihood``, ``game``) and, in place of samples, real sentences of
    either file (``training_file``, ``test_file``).

    Two files that were not drawn from one source differ by themselves: a generator that has learnt the first to
    perfection is as far from the second as ``test_file`` says. Printed, and kept in ``across_files.json`` in
    ``folder``. Held out is the second half of the validation sentences, the first half teaches proxies their language
    model; early stopping has looked at both.
    """

    def __init__(
        self,
        folder: str,
        evaluation: Mapping[str, SetMetric] | None = None,
        closing: Mapping[str, SetMetric] | None = None,
    ):
        self.folder = Path(folder)
        self.proxies = [*(evaluation or {}).values(), *closing.values()] if closing else []

    def on_test_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        data = trainer.datamodule
        if not self.proxies or not getattr(data, "test_is_elsewhere", False):
            return
        n = min(data.sizes["valid"] // 2, data.sizes["train"], data.sizes["test"]) // world_size() * world_size()
        valid, train, test = (
            TextBatch(*(part.to(system.device) for part in data.sentences(split, most)))
            for split, most in (("valid", None), ("train", n), ("test", n))
        )
        held_out = TextBatch(*(part[len(part) - n :] for part in valid))
        rows = {name: self._generated(model, system, held_out) for name, model in _players(trainer, system).items()}
        rows |= {"training_file": self._said(held_out, train), "test_file": self._said(held_out, test)}
        if rank() == 0:
            plain = {name: numbers(row) for name, row in rows.items()}
            replace(self.folder / "across_files.json", json.dumps(plain, indent=2) + "\n")
            title = f"On {n:,} held-out sentences of the training file"
            print_table(title, {titled(*column): column[1] for column in plain.items()})
            tell_apart(plain["test_file"])

    def _generated(self, model: Models, system: TextGAN, held_out: TextBatch) -> dict[str, Any]:
        """NLL of the held-out sentences, and the proxies of as many samples."""
        mine = TextBatch(*(shard(part) for part in held_out))
        noise = system.game("across files").noise.uniform(len(mine.tokens), model.generator.uniforms)
        fake = model.generator.sample(noise, model.policy).batch
        truth = Truth(model.generator.max_length).to(system.device)
        model.add_to(truth, mine, fake)
        return truth.compute() | self._said(held_out, TextBatch(*(gather(part) for part in fake)))

    def _said(self, real: TextBatch, other: TextBatch) -> dict[str, Any]:
        return {key: value for proxy in self.proxies for key, value in proxy.measure(real, other).items()}


def _players(trainer: pl.Trainer, system: TextGAN) -> dict[str, Models]:
    """The generator as likelihood left it, and as the game did, where there were such."""
    found, now = {}, models(trainer, system)._replace(score=None, noise=None)
    if (best := system.pretraining.generator(system.generator)) is not None:
        found["likelihood"] = now._replace(generator=best, policy=Categorical())
    if system.clock.steps["generator"] or not found:
        found["game"] = now
    return found


def tell_apart(told: Mapping[str, float]) -> None:
    """Says so where a fresh critic can tell the two files apart."""
    bound = next((key for key in told if key.startswith(KEY)), None)
    if bound is not None and told[bound] > 2 * told[f"{bound}_se"]:
        least = estimate(told[bound], told[f"{bound}_se"])
        terminal.console().print(
            f"A critic tells real sentences of the two files apart: JSD ≥ {least}. "
            "What is measured on the test sentences measures that, too.",
            highlight=False,
        )
