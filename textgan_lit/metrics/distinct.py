"""Variety: how many different n-grams a set of sentences holds."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Ge, Len
from torch import Tensor

from textgan_lit.metrics.base import SetMetric
from textgan_lit.types import TextBatch


@final
class Distinct(SetMetric):
    """distinct-n (Li et al. 2016, arXiv:1510.03055): different n-grams / n-grams, of samples and of real sentences.

    It falls with the number of sentences, so it is comparable between sets of one size only.
    """

    def __init__(self, orders: Annotated[list[Annotated[int, Ge(1)]], Len(1)] = (1, 2, 3)):
        super().__init__()
        self.orders = tuple(orders)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        found = {}
        for side, batch in (("", fake), ("_real", real)):
            for n in self.orders:
                share = distinct(batch, n)
                if share is not None:
                    found[f"quality/distinct{n}_{len(batch.tokens)}{side}"] = share
        return found


def distinct(batch: TextBatch, n: int) -> Tensor | None:
    """None where no sentence has n words."""
    grams = batch.tokens.unfold(1, n, 1)[batch.mask.unfold(1, n, 1).all(2)] if n <= batch.tokens.shape[1] else []
    if not len(grams):
        return None
    return torch.tensor(len(grams.unique(dim=0)) / len(grams), dtype=torch.double, device=grams.device)
