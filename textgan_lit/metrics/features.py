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
from textgan_lit.metrics import reader
from textgan_lit.metrics.base import SetMetric
from textgan_lit.types import MANY, TextBatch, Vocab

FEWEST = 20  # sentences: two halves are compared, and the reader learns from as many


class FeatureMetric(SetMetric, ABC):
    """A number about two clouds of features: mean hidden states of a small language model of the validation sentences,
    of the same recipe in every run.

    Between half of the real sentences and as many samples; ``_real`` is between that half and the other one.
    """

    name: ClassVar[str]
    takes: ClassVar[str | None] = None  # a library, which the extra of the metric's name brings

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        sentences: Callable[[str], TextBatch],
        most: Annotated[int, Interval(ge=FEWEST, le=MANY)] = 1000,
    ):
        super().__init__()
        if self.takes is not None and find_spec(self.takes) is None:
            raise UserError(
                f'The metric {self.name} takes {self.takes}, which is not installed: pip install "textgan_lit'
                f'[{self.name}]", or leave it out with metrics=text.'
            )
        self.vocab, self.max_length, self.sentences, self.most = vocab, max_length, sentences, most

    @abstractmethod
    def between(self, real: Float[Tensor, "N H"], other: Float[Tensor, "N H"]) -> Float[Tensor, ""]:
        """The number, of as many points on either side."""

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        n = min(len(real.tokens), len(fake.tokens), len(self.sentences("valid").tokens), self.most)
        if n < FEWEST:
            return {}
        model = reader.of_held_out(self.vocab, self.max_length, self.sentences, n, real.tokens.device)
        half = n // 2
        ours, theirs = reader.features(model, real.first(2 * half)), reader.features(model, fake.first(half))
        key = f"quality/{self.name}_{half}"
        return {key: self.between(ours[:half], theirs), f"{key}_real": self.between(ours[:half], ours[half:])}
