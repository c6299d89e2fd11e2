"""Novelty: how much of what is said stands in the training sentences word for word."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, final

from annotated_types import Ge
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.functional.copying import Corpus
from textgan_lit.metrics.base import SetMetric, Some, words
from textgan_lit.types import TextBatch, Vocab


@final
class Novelty(SetMetric):
    """The share of samples that are training sentences, and the mean longest span that one of these has, too.

    Real sentences that were held out stand beside: they, too, say again what was said. Absent where training sentences
    are written as they are needed, and where there are more than ``most`` of them.
    """

    def __init__(
        self,
        vocab: Vocab,
        sentences: Callable[[str], TextBatch],
        samples: Some = 500,
        most: Annotated[int, Ge(1)] = 300_000,
    ):
        super().__init__()
        self.vocab, self.sentences, self.samples, self.most = vocab, sentences, samples, most

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        if self._corpus is None:
            return {}
        found, size = {}, len(self._corpus.text)
        for side, batch in (("", fake), ("_real", real)):
            copied = self._corpus.copied(*words(batch.first(self.samples or len(batch.tokens)), self.vocab))
            found[f"quality/copied_{size}{side}"] = copied.whole.double().mean()
            found[f"quality/copied_span_{size}{side}"] = copied.span.double().mean()
        return found

    @functools.cached_property
    def _corpus(self) -> Corpus | None:
        """Written and sorted when first needed, once."""
        try:
            train = self.sentences("train")
        except UserError:
            return None
        if len(train.tokens) > self.most:
            return None
        tokens, mask = words(train, self.vocab)
        return Corpus(tokens.to(self.device), mask.to(self.device))
