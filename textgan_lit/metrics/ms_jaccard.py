"""How much samples have in common with real text by how often they say what."""

from __future__ import annotations

from typing import final

from torch import Tensor

from textgan_lit.functional.frequency import ms_jaccard
from textgan_lit.metrics.base import Orders, Remembered, SetMetric, halves, without_eos
from textgan_lit.types import TextBatch, Vocab


@final
class MSJaccard(SetMetric):
    """MS-Jaccard-N (Montahaei et al. 2019, arXiv:1904.03971): 1 where both sets have all n-grams up to N equally often.

    The other way round than a distance; two halves of the real sentences stand beside it as its ceiling.
    """

    def __init__(self, vocab: Vocab, orders: Orders = (2, 3, 4, 5)):
        super().__init__()
        self.vocab, self.orders = vocab, tuple(orders)
        self.real = Remembered(self._of)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        found = {}
        for side, one, other in halves(without_eos(real, self.vocab), without_eos(fake, self.vocab)):
            seen = (self.real if side else self._of)(one, other)
            for n, score in zip(self.orders, seen, strict=True):
                found[f"quality/ms_jaccard{n}_{len(one.tokens)}{side}"] = score
        return {key: value for key, value in found.items() if not value.isnan()}

    def _of(self, one: TextBatch, other: TextBatch) -> Tensor:
        return ms_jaccard(*one, *other, self.orders)
