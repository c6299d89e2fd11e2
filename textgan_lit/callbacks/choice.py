"""Which generator a run leaves where the truth is not known: likelihood's, unless the game's is clearly better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import pytorch_lightning as pl
import torch

from textgan_lit.callbacks.samples import SampleTable
from textgan_lit.metrics.base import SetMetric
from textgan_lit.metrics.fresh_critic import FEWEST, FreshCritic, compared
from textgan_lit.run import progress
from textgan_lit.run.distributed import gather, rank, world_size
from textgan_lit.system import TextGAN
from textgan_lit.types import TextBatch

CLEAR = 2.0  # standard errors


@final
class Choice(pl.Callback):
    """After the game a fresh critic is trained against likelihood's generator, and another against the game's, both on
    the validation sentences. ``system.choice`` says which generator the run leaves: the game's where its bound on the
    JSD is lower by two standard errors, else likelihood's. Checkpoints from then on open as that one.

    Too few validation sentences for a critic leave likelihood's. Nothing is chosen where one of the two is missing, the
    truth is known or nobody asked for the critic.
    """

    def __init__(self, closing: Mapping[str, SetMetric] | None = None):
        self.critic = next((proxy for proxy in (closing or {}).values() if isinstance(proxy, FreshCritic)), None)

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        system.choice = None  # of a run that was cut short and goes on: it was between other generators

    @torch.no_grad()
    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        before = system.pretraining.generator(system.generator)
        truth_is_known = getattr(trainer.datamodule, "oracle", None) is not None
        if before is None or truth_is_known or self.critic is None or not system.clock.steps["generator"]:
            return
        n = min(len(system.held_out.tokens), self.critic.max_sentences) // world_size() * world_size()
        system.eval()
        after = system.evaluated("choice")
        with system.stopwatch.during("networks"), progress.Progress() as line:
            if rank() == 0:
                line.doing("critics compare the generators of likelihood and the game …")
            real, noise = system.held_out.first(n), after.noise.uniform(n // world_size(), before.uniforms)
            mine = (one.eval().sample(noise, after.policy).batch for one in (before, after.generator))
            fakes = [TextBatch(*map(gather, batch)) for batch in mine]
            kept, difference, se = "likelihood", None, None
            if n >= FEWEST:
                difference, se = map(float, compared(*(self.critic.logits(real, fake) for fake in fakes)))
                kept = "game" if difference < -CLEAR * se else "likelihood"
        system.choice = {"kept": kept, "difference": difference, "se": se, "sentences": n}
        self._show(trainer, system, fakes[kept == "game"])

    def _show(self, trainer: pl.Trainer, system: TextGAN, fake: TextBatch) -> None:
        """The samples that the closing shows are those of the generator that is kept."""
        for callback in trainer.callbacks:
            if isinstance(callback, SampleTable):
                rows = fake.tokens[: callback.count].tolist()
                callback.latest = [system.generator.vocab.text(row) for row in rows]
