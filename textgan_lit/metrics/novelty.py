"""Novelty: how much of what is said stands in the training sentences word for word."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import final

from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.functional.copying import Copied, Corpus
from textgan_lit.metrics.base import Remembered, SetMetric, Some, without_eos
from textgan_lit.types import TextBatch, Vocab

MOST = 300_000  # training sentences to look others up in


@final
class Novelty(SetMetric):
    """The share of samples that are training sentences, and the mean longest span that one of these has, too.

    Real sentences that were held out stand beside: they, too, say again what was said. Absent where training sentences
    are written as they are needed, and where there are more than ``MOST`` of them.
    """

    def __init__(
        self,
        vocab: Vocab,
        sentences: Callable[[str], TextBatch],
        samples: Some = 500,
    ):
        super().__init__()
        self.vocab, self.sentences, self.samples = vocab, sentences, samples
        self.real = Remembered(self._of)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        if self._corpus is None:
            return {}
        found, size = {}, len(self._corpus.text)
        few = (batch.first(self.samples or len(batch.tokens)) for batch in (fake, real))
        for side, work, batch in zip(("", "_real"), (self._of, self.real), few, strict=True):
            copied = work(batch)
            found[f"quality/copied_{size}{side}"] = copied.whole.double().mean()
            found[f"quality/copied_span_{size}{side}"] = copied.span.double().mean()
        return found

    def _of(self, batch: TextBatch) -> Copied:
        return self._corpus.copied(*without_eos(batch, self.vocab))

    @functools.cached_property
    def _corpus(self) -> Corpus | None:
        return training(self.sentences, self.vocab, str(self.device))


@functools.lru_cache(maxsize=1)  # of the run that is being played
def training(sentences: Callable[[str], TextBatch], vocab: Vocab, device: str) -> Corpus | None:
    """The training sentences to look others up in; none where they are written as they are needed, or are more than
    ``MOST``. Written and sorted when first needed, once for all who ask alike."""
    try:
        train = sentences("train")
    except UserError:
        return None
    if not 0 < len(train.tokens) <= MOST:
        return None
    tokens, mask = without_eos(train, vocab)
    return Corpus(tokens.to(device), mask.to(device))
