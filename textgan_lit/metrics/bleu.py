"""Quality by n-grams in common with real text, as the field has published it."""

from __future__ import annotations

from typing import Literal, final

from torch import Tensor

from textgan_lit.functional.ngram import EPSILON, bleu
from textgan_lit.metrics.base import Orders, SetMetric, Some, without_eos
from textgan_lit.types import TextBatch, Vocab

Smoothing = Literal["method1", "none"]


@final
class Bleu(SetMetric):
    """Mean BLEU-n of the samples, each against the same real sentences (Papineni et al. 2002; Yu et al. 2017).

    It rises with the number of ``references``, which its name has; ``samples`` only make it surer. Null: all there are.
    ``smoothing``: NLTK's method1, or none, which the name says.
    """

    def __init__(
        self,
        vocab: Vocab,
        orders: Orders = (2, 3, 4, 5),
        references: Some = None,
        samples: Some = 1000,
        smoothing: Smoothing = "method1",
    ):
        super().__init__()
        self.vocab, self.orders, self.smoothing = vocab, tuple(orders), smoothing
        self.references, self.samples = references, samples

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        real, fake = (
            without_eos(batch.first(most or len(batch.tokens)), self.vocab)
            for batch, most in ((real, self.references), (fake, self.samples))
        )
        scores = bleu(*fake, *real, self.orders, epsilon(self.smoothing)).mean(0)
        size = f"{len(real.tokens)}{signature(self.smoothing)}"
        return {f"quality/bleu{n}_{size}": score for n, score in zip(self.orders, scores, strict=True)}


def epsilon(smoothing: Smoothing) -> float:
    return {"method1": EPSILON, "none": 0.0}[smoothing]


def signature(smoothing: Smoothing) -> str:
    return {"method1": "", "none": "_unsmoothed"}[smoothing]
