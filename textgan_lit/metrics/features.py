"""What distances between features of sentences share: whose features, and which sentences are compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, ClassVar

from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.metrics import embedding, reference_lm
from textgan_lit.metrics.base import SetMetric
from textgan_lit.types import MANY, TextBatch, Vocab

FEWEST = 20  # sentences: two halves are compared, and the reference LM learns from as many


class FeatureMetric(SetMetric, ABC):
    """A number about two clouds of features: mean hidden states of a small language model of the validation sentences,
    of the same recipe in every run; or those of ``features``, the name or folder of a sentence-transformers model.

    Between half of the real sentences and as many samples; ``_real`` is between that half and the other one.
    """

    name: ClassVar[str]
    takes: ClassVar[str | None] = None  # a library, which the extra of the metric's name brings

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        sentences: Callable[[str], TextBatch],
        max_sentences: Annotated[int, Interval(ge=FEWEST, le=MANY)] = 1000,
        features: str | None = None,
    ):
        super().__init__()
        if self.takes is not None and find_spec(self.takes) is None:
            raise UserError(
                f'The metric {self.name} takes {self.takes}, which is not installed: pip install "textgan_lit'
                f'[{self.name}]", or leave it out with metrics=text.'
            )
        self.vocab, self.max_length, self.sentences, self.max_sentences = vocab, max_length, sentences, max_sentences
        self.embedding = None if features is None else embedding.opened(features, vocab)
        self.key = f"quality/{self.name}" + ("" if features is None else f"-{embedding.called(features)}")

    @abstractmethod
    def between(self, real: Float[Tensor, "N H"], other: Float[Tensor, "N H"]) -> dict[str, Float[Tensor, ""]]:
        """The number, of as many points on either side, and ``_se`` where its error is known."""

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        n = min(len(real.tokens), len(fake.tokens), len(self.sentences("valid").tokens), self.max_sentences)
        if n < FEWEST:
            return {}
        half = n // 2
        ours, theirs = self._read(real.first(2 * half), fake.first(half), n)
        pairs = {"": (ours[:half], theirs), "_real": (ours[:half], ours[half:])}
        return {
            f"{self.key}_{half}{side}{end}": value
            for side, pair in pairs.items()
            for end, value in self.between(*pair).items()
        }

    def _read(self, real: TextBatch, fake: TextBatch, n: int) -> tuple[Float[Tensor, "N H"], Float[Tensor, "M H"]]:
        if self.embedding is not None:
            return self.embedding.real(real), self.embedding.fake(fake)
        model = reference_lm.of_held_out(self.vocab, self.max_length, self.sentences, n, real.tokens.device)
        return reference_lm.features(model, real), reference_lm.features(model, fake)
