"""Variety by n-grams that samples have in common, as the field has published it."""

from __future__ import annotations

from typing import final

from torch import Tensor

from textgan_lit.functional.ngram import self_bleu
from textgan_lit.metrics.base import Orders, Remembered, SetMetric, Some, without_eos
from textgan_lit.metrics.bleu import Smoothing, epsilon, signature
from textgan_lit.types import TextBatch, Vocab


@final
class SelfBleu(SetMetric):
    """Mean BLEU-n of each sample against all others (Zhu et al. 2018, arXiv:1802.01886), and of as many real sentences.

    It rises with their number. Only beside real text's own number does it say anything.
    """

    def __init__(
        self, vocab: Vocab, orders: Orders = (2, 3, 4, 5), samples: Some = 1000, smoothing: Smoothing = "method1"
    ):
        super().__init__()
        self.vocab, self.orders, self.samples, self.smoothing = vocab, tuple(orders), samples, smoothing
        self.real = Remembered(self._of)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        found, size = {}, min(self.samples or len(fake.tokens), len(fake.tokens), len(real.tokens))
        if size < 2:
            return {}
        for side, scores in (("", self._of(fake.first(size))), ("_real", self.real(real.first(size)))):
            for n, score in zip(self.orders, scores, strict=True):
                found[f"quality/self_bleu{n}_{size}{signature(self.smoothing)}{side}"] = score
        return found

    def _of(self, batch: TextBatch) -> Tensor:
        return self_bleu(*without_eos(batch, self.vocab), self.orders, epsilon(self.smoothing)).mean(0)
