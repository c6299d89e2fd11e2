"""A data distribution P that is known exactly."""

from __future__ import annotations

import hashlib
from abc import ABC

from jaxtyping import Bool
from torch import Tensor

from textgan_lit.generator.base import Generator
from textgan_lit.types import TextBatch, Vocab


class Oracle(Generator, ABC):
    """A frozen generator that plays the data: it writes sentences and knows the probability of each.

    Nothing of an oracle can be trained, and what is drawn at random is drawn from its ``seed`` alone.
    A word that P cannot emit has logit −∞.
    """

    def __init__(self, vocab: Vocab, max_length: int):
        super().__init__(vocab, max_length)
        self.requires_grad_(False)

    def validity(self, batch: TextBatch) -> dict[str, Bool[Tensor, " B"]]:
        """Which sentences keep the rules of this world, by the name of the rule; none where it has no rules."""
        return {}

    def fingerprint(self) -> str:
        """Names these very weights: two runs with one fingerprint had the same data distribution."""
        digest = hashlib.sha256(repr((type(self).__name__, self.vocab, self.max_length)).encode())
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]
