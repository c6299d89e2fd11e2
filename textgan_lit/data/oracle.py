"""A data distribution P that is known exactly."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC
from contextlib import AbstractContextManager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.functional.order import Marginals
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.types import TextBatch, Vocab

LISTED = 10**6  # sentences of a world: as many are summed over for P's tokens in another order than its own
AT_ONCE = 20_000


class Oracle(Generator, ABC):
    """A frozen generator that plays the data: it writes sentences and knows the probability of each.

    Nothing of an oracle can be trained, and what is drawn at random is drawn from its ``seed`` alone.
    A token that P cannot emit has logit −∞.
    """

    def __init__(self, vocab: Vocab, max_length: int):
        super().__init__(vocab, max_length)
        self.requires_grad_(False)

    def validity(self, batch: TextBatch) -> dict[str, Bool[Tensor, " B"]]:
        """Which sentences keep the rules of this world, by the name of the rule; none where it has no rules."""
        return {}

    @torch.no_grad()
    def predict_in(self, order: Int[Tensor, "1 T"], written: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"] | None:
        """log P of every token after those written before it, all of them in the order of writing.

        Summed over all sentences; None in a world of more than LISTED, or of sentences that vary in length.
        """
        if self.vocab.has_eos or len(self.vocab.tokens) ** self.max_length > LISTED:
            return None
        return self._marginals(tuple(order[0].tolist()), written.device).predict(written).float()

    @functools.lru_cache(maxsize=2)  # noqa: B019  (an oracle lives as long as its run)
    def _marginals(self, order: tuple[int, ...], device: torch.device) -> Marginals:
        size, length = len(self.vocab.tokens), self.max_length
        place = size ** torch.arange(length - 1, -1, -1, device=device)
        parts = []
        for numbers in torch.arange(size**length, device=device).split(AT_ONCE):
            tokens = numbers.unsqueeze(1) // place % size
            batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
            parts.append(self.logp(batch, Categorical()).double().nan_to_num(nan=-torch.inf).sum(1))
        return Marginals(torch.cat(parts).view((size,) * length), order)

    def fingerprint(self) -> str:
        """Names these very weights: two runs with one fingerprint had the same data distribution."""
        digest = hashlib.sha256(repr((type(self).__name__, self.vocab, self.max_length)).encode())
        digest.update((self.base or "").encode())
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


class FrozenGenerator(Oracle, ABC):
    """A generator as P: what it writes under a policy.

    It computes in float32, whatever it was kept in, and never drops anything out: P is one distribution to the digit.
    """

    def __init__(self, writer: Generator, policy: Policy):
        super().__init__(writer.vocab, writer.max_length)
        self.writer, self.policy = writer.float().requires_grad_(False).eval(), policy
        self.base, self.fewest_rows = writer.base, writer.fewest_rows

    def start(self, n: int) -> State:
        return self.writer.start(n)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        return self.writer.advance(prev, state)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self.writer.features(inputs)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return self.policy(self.writer.head(features))

    def decoding(self) -> AbstractContextManager[None]:
        return self.writer.decoding()

    def train(self, mode: bool = True) -> FrozenGenerator:
        return super().train(False)
