"""Oracle, generator and discriminator look at sentences: the evidence for the truth panel."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from textgan_lit.data.oracle import Oracle
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.latent import Latent
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.noise import Noise
from textgan_lit.truth.evidence import Evidence
from textgan_lit.truth.panel import Truth
from textgan_lit.types import TextBatch

NUMBERS_AT_ONCE = 4_000_000  # of a [B T V] of logits: 16 MB each of P's and G's

Score = Callable[..., Float[Tensor, " B"]]  # of a batch, and of log G of its tokens where that is known


class Models(NamedTuple):
    """Who looks at sentences: the oracle where P is known, the generator under its policy, a discriminator's score.

    Where the generator has a bound on log G(x) in place of it, that is measured if there is ``noise`` for it.
    """

    oracle: Oracle | None
    generator: Generator
    policy: Policy
    score: Score | None = None
    noise: Noise | None = None

    def examine(
        self, batch: TextBatch, uniform: Float[Tensor, "B K L"] | None = None, is_real: bool = True
    ) -> Evidence:
        """What they say about these sentences; ``uniform`` is the noise of a bound. Where P is unknown, nothing needs
        the logits of G's own sentences."""
        written = self.generator.to_generation_order
        asked = self.generator.likelihood == "exact" and (is_real or self.oracle is not None)
        return Evidence(
            batch=TextBatch(*map(written, batch)),
            g_logits=written(self.generator.predict(batch, self.policy)) if asked else None,
            score=None if self.score is None else self.score(batch),
            valid={} if self.oracle is None else self.oracle.validity(batch),
            g_bound=None if uniform is None else self.generator.bound(batch, self.policy, uniform),
            characters=self.generator.vocab.characters(batch),
            **self._of_oracle(batch),
        )

    def _of_oracle(self, batch: TextBatch) -> dict[str, Tensor | None]:
        if self.oracle is None or self.generator.is_left_to_right:
            return {"p_logits": None if self.oracle is None else self.oracle.predict(batch, Categorical())}
        logits = self.oracle.predict_in(
            self.generator.order_of_writing, self.generator.to_generation_order(batch.tokens)
        )
        return {"p_logits": logits, "p_logp": self.oracle.logp(batch, Categorical()) if logits is None else None}

    @torch.no_grad()
    def add_to(self, truth: Truth, real: TextBatch | None, fake: TextBatch | None) -> None:
        """Adds both sets of sentences to ``truth``, a few at a time: [B T V] of logits are large. A generator of fewer
        bits is judged in float32."""
        with in_float32(self.generator):
            for side, batch in enumerate((real, fake)):
                if batch is None:
                    continue
                rows = NUMBERS_AT_ONCE // (self.generator.vocab.size * batch.tokens.shape[1]) + 1
                for few, uniform in zip(_parts(batch, rows), self._of_bound(batch, rows, side == 0), strict=False):
                    seen = self.examine(few, uniform, is_real=side == 0)
                    truth.update(*((seen, None) if side == 0 else (None, seen)))

    def _of_bound(self, batch: TextBatch, rows: int, is_real: bool) -> Iterator[Tensor | None]:
        """The noise of a bound on log G of real sentences, drawn for all of them at once: whoever has which rows."""
        if not (is_real and self.noise and isinstance(self.generator, Latent)):
            return itertools.repeat(None)
        uniform = self.noise.uniform(len(batch.tokens), self.generator.proposals, self.generator.latent)
        return iter(uniform.split(rows))


@torch.no_grad()
def measure(models: Models, real: TextBatch, noise: Float[Tensor, "B uniforms"], batch: int = 500) -> Truth:
    """The truth about a generator under a policy: all real sentences, and one generated sentence a row of noise.

    A score gives a discriminator's raw logit of every sentence of a batch (it should be in eval mode). The
    generator is in eval mode meanwhile; no random number is drawn. Memory: a few logits of at most ``batch`` rows.
    """
    truth = Truth(max(real.tokens.shape[1], models.generator.max_length)).to(noise.device)
    with _evaluating(models.generator):
        for real_part, noise_part in zip_longest(_parts(real, batch), noise.split(batch)):
            fake_part = None
            if noise_part is not None:
                fake_part = models.generator.sample(noise_part, models.policy).batch
            models.add_to(truth, real_part, fake_part)
    return truth


def _parts(batch: TextBatch, rows: int) -> Iterator[TextBatch]:
    return (TextBatch(*part) for part in zip(batch.tokens.split(rows), batch.mask.split(rows), strict=True))


@contextmanager
def in_float32(player: nn.Module) -> Iterator[None]:
    """Weights of fewer bits are float32 meanwhile; then they are what and where they were."""
    kept = [(weight, weight.data) for weight in player.parameters() if weight.dtype in (torch.bfloat16, torch.float16)]
    for weight, few in kept:
        weight.data = few.float()
    try:
        yield
    finally:
        for weight, few in kept:
            weight.data = few


@contextmanager
def _evaluating(player: nn.Module) -> Iterator[None]:
    """Eval mode; then every module is back in the mode it was in."""
    modes = [(module, module.training) for module in player.modules()]
    player.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
