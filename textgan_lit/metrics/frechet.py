"""Fréchet embedding distance: how far samples lie from real sentences in what a reader of real text makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, final

from annotated_types import Interval
from torch import Tensor

from textgan_lit.functional.frechet import frechet
from textgan_lit.metrics import reader
from textgan_lit.metrics.base import SetMetric
from textgan_lit.types import MANY, TextBatch, Vocab

FEWEST = 20  # sentences: two halves are compared, and the reader learns from as many


@final
class Frechet(SetMetric):
    """As Cífka et al. 2018 (arXiv:1804.07972) and Semeniuta et al. 2018 (arXiv:1806.04936), but with features from a
    small language model of the validation sentences: mean hidden states, of the same recipe in every run.

    Between half of the real sentences and as many samples; ``_real`` is the floor, between that half and the other one.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        sentences: Callable[[str], TextBatch],
        most: Annotated[int, Interval(ge=FEWEST, le=MANY)] = 1000,
    ):
        super().__init__()
        self.vocab, self.max_length, self.sentences, self.most = vocab, max_length, sentences, most

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        n = min(len(real.tokens), len(fake.tokens), len(self.sentences("valid").tokens), self.most)
        if n < FEWEST:
            return {}
        model = reader.of_held_out(self.vocab, self.max_length, self.sentences, n, real.tokens.device)
        half = n // 2
        ours, theirs = reader.features(model, real.first(2 * half)), reader.features(model, fake.first(half))
        key = f"quality/frechet_{half}"
        return {key: frechet(ours[:half], theirs), f"{key}_real": frechet(ours[:half], ours[half:])}
