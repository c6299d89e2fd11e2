"""How far samples are from real text by how often they say what."""

from __future__ import annotations

from typing import final

from torch import Tensor

from textgan_lit.functional.frequency import ngram_jsd
from textgan_lit.metrics.base import Orders, Remembered, SetMetric, halves
from textgan_lit.types import TextBatch


@final
class NgramJSD(SetMetric):
    """JSD between the empirical distributions of n-grams, in nats, beside that of two halves of the real sentences.

    Too high, the more so the fewer sentences there are and the larger n: what counts is the distance from the floor.
    eos is a token here, so that n-grams say how sentences end.
    """

    def __init__(self, orders: Orders = (1, 2, 3)):
        super().__init__()
        self.orders = tuple(orders)
        self.real = Remembered(self._of)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        found = {}
        for side, one, other in halves(real, fake):
            seen = (self.real if side else self._of)(one, other)
            for n, jsd in zip(self.orders, seen, strict=True):
                found[f"quality/ngram_jsd{n}_{len(one.tokens)}{side}"] = jsd
        return {key: value for key, value in found.items() if not value.isnan()}

    def _of(self, one: TextBatch, other: TextBatch) -> Tensor:
        return ngram_jsd(*one, *other, self.orders)
