"""The discriminator that cannot be beaten: D* of whatever generator it judges, from a known P."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.model.discriminator.base import Discriminator, sentence_density
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch, Vocab

LIMIT = 1e4  # nats; finite scores stay far below it


@final
class Optimal(Discriminator):
    r"""The log-odds of D*, from the oracle's probabilities and the density it is given; nothing to train.

    .. math:: \log P(x) - \log G(x), \qquad D^*(x) = \sigma(\log P(x) - \log G(x)) = \frac{P(x)}{P(x) + G(x)}

    A sentence that only one of the two can write scores ±10⁴ rather than ±∞, one that neither can write 0, so
    that losses and rewards stay finite. Source: Goodfellow et al. 2014, arXiv:1406.2661, proposition 1.
    """

    needs_density: ClassVar[bool] = True

    def __init__(self, vocab: Vocab, max_length: int, oracle: Generator):
        super().__init__(vocab, max_length)
        self._held = (oracle.eval(),)  # in a tuple torch does not see it: P is no part of this player or its checkpoint

    @torch.no_grad()
    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        generated = sentence_density(self, density, mask)
        oracle = self._held[0].on(tokens.device)
        real = oracle.logp(TextBatch(tokens, mask), Categorical()).sum(1)
        return (real - generated).nan_to_num(nan=0.0).clamp(-LIMIT, LIMIT)
