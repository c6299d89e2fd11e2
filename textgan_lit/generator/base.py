"""What every generator promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.functional.likelihood import inputs_of, token_logp
from textgan_lit.policy import Policy
from textgan_lit.types import TextBatch, Vocab

State = tuple[Tensor, ...]


class Generator(nn.Module, ABC):
    """A distribution over sentences of at most ``max_length`` words.

    ::

        start(n)           -> state               n empty sentences; every leaf is batch first, [n …],
                                                  so that a state can be repeated for rollouts
        step(prev, state)  -> (logits, state)     prev Int[B], the word just written (bos at first);
                                                  logits Float[B V], unnormalised, of the next word
        logits(inputs)     -> Float[B T V]        teacher forcing; equals stepping

    ``step`` may reuse the memory of the state it was given, but never what that state stands for.
    """

    likelihood: ClassVar[Literal["exact", "bound", "none"]] = "exact"

    def __init__(self, vocab: Vocab, max_length: int):
        super().__init__()
        self.vocab = vocab
        self.max_length = max_length

    @abstractmethod
    def start(self, n: int) -> State: ...

    @abstractmethod
    def step(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]: ...

    @abstractmethod
    def logits(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]: ...

    def predict(self, batch: TextBatch, policy: Policy) -> Float[Tensor, "B T V"]:
        """Logits of every word of ``batch`` given the words before it, under ``policy``."""
        return policy(self.logits(inputs_of(batch.tokens, self.vocab.bos)).float())

    def logp(self, batch: TextBatch, policy: Policy) -> Float[Tensor, "B T"]:
        """log G(x_t | x<t) in nats; 0 on padding."""
        return token_logp(self.predict(batch, policy), batch.tokens, batch.mask)
