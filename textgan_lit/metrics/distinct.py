"""Variety: how many different n-grams a set of sentences holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from textgan_lit.functional.ngram import counts
from textgan_lit.metrics.base import Orders, Remembered, SetMetric
from textgan_lit.types import TextBatch


@final
class Distinct(SetMetric):
    """distinct-n (Li et al. 2016, arXiv:1510.03055): different n-grams / n-grams, of samples and of real sentences.

    It falls with the number of sentences, so it is comparable between sets of one size only.
    """

    def __init__(self, orders: Orders = (1, 2, 3)):
        super().__init__()
        self.orders = tuple(orders)
        self.real = Remembered(self._of)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        found = {}
        for side, shares, batch in (("", self._of(fake), fake), ("_real", self.real(real), real)):
            for n, share in zip(self.orders, shares, strict=True):
                if share is not None:
                    found[f"quality/distinct{n}_{len(batch.tokens)}{side}"] = share
        return found

    def _of(self, batch: TextBatch) -> list[Tensor | None]:
        return distinct(batch, self.orders)


def distinct(batch: TextBatch, orders: Sequence[int]) -> list[Tensor | None]:
    """One for each n of ``orders``; None where no sentence has n tokens."""
    counted = list(counts(batch.tokens[batch.mask], batch.mask.sum(1), max(orders)))
    grams = (counted[n - 1] for n in orders)
    return [(gram.max() + 1).double() / count.sum() if len(gram) else None for _, gram, count in grams]
