"""A discriminator that has seen the training sentences and nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.model.discriminator.base import Discriminator, sentence_density
from textgan_lit.types import TextBatch, Vocab

LIMIT = 1e4  # nats; finite scores stay far below it


@final
class Empirical(Discriminator):
    r"""D* of the training sentences themselves: :math:`\log P_n(x) - \log G(x)`, with P_n their frequencies.

    Nothing to train: JSDGAN's closed form (Li et al. 2019, arXiv:1909.09268). What is not among them scores
    −10⁴. Made for ``estimator=data_side``: a score function is paid nothing where G never writes one of them.
    """

    needs_density: ClassVar[bool] = True

    def __init__(self, vocab: Vocab, max_length: int, sentences: Callable[[str], TextBatch]):
        super().__init__(vocab, max_length)
        tokens, mask = sentences("train")
        self._counts = Counter(_keys(tokens, mask))
        self._log_n = math.log(len(tokens))

    @torch.no_grad()
    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        seen = torch.tensor([self._counts[key] for key in _keys(tokens, mask)], device=tokens.device)
        odds = seen.log() - self._log_n - sentence_density(self, density, mask)
        return odds.nan_to_num(nan=-LIMIT).clamp(-LIMIT, LIMIT)


def _keys(tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> list[tuple[int, ...]]:
    rows = tokens.masked_fill(~mask, -1).tolist()
    return [tuple(token for token in row if token >= 0) for row in rows]
