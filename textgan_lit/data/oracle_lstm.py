"""A random recurrent network as data: SeqGAN's kind of oracle, at any size."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Ge, Gt
from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import State
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.noise import stream
from textgan_lit.types import Length, Size, Vocab

LARGEST = 10**9  # weights


@final
class OracleLSTM(Oracle):
    """An LSTM with every weight drawn from N(0, std²) (Yu et al. 2017, section 4).

    Smaller vocabularies, lengths and ``std`` make easier worlds. A gate has one bias, as in SeqGAN's own code, so
    torch's second one is 0. Sentences have exactly ``length`` tokens, named by their number.
    """

    def __init__(
        self,
        vocab_size: Annotated[int, Ge(2)] = 5000,
        length: Length = 20,
        embedding: Size = 32,
        hidden: Size = 32,
        std: Annotated[float, Gt(0)] = 1.0,
        seed: int = 1,
    ):
        weights = vocab_size * (embedding + hidden) + 4 * hidden * (embedding + hidden)
        if weights > LARGEST:
            raise UserError(
                f"data=oracle_lstm with vocab_size={vocab_size}, embedding={embedding} and hidden={hidden} has "
                f"{weights:,} weights; at most {LARGEST:,} are allowed. Use fewer tokens or a smaller network."
            )
        super().__init__(Vocab(tuple(str(token) for token in range(vocab_size))), length)
        with torch.random.fork_rng(devices=[]):  # a module's own initialisation draws from torch's global stream
            self.network = LSTM(self.vocab, length, embedding, hidden)
        own = stream("oracle_lstm", seed)
        for parameter in self.network.requires_grad_(False).parameters():
            parameter.normal_(0.0, std, generator=own)
        self.network.cores[0].bias_hh_l0.zero_()

    def start(self, n: int) -> State:
        return self.network.start(n)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        return self.network.advance(prev, state)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self.network.features(inputs)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return self.network.head(features)
