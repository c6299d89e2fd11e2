"""The text VAE: an LSTM that begins with a latent, and an encoder that guesses it back."""

from __future__ import annotations

from typing import Annotated, final

from annotated_types import Interval
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.model.generator.base import State
from textgan_lit.model.generator.gaussian import Gaussian
from textgan_lit.model.generator.latent import Proposals
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.types import Layers, Size, Token, Vocab


@final
class VAE(Gaussian):
    """z → the LSTM's first state → tokens, left to right (Bowman et al. 2016, arXiv:1511.06349).

    ``latent`` is how many numbers z has; log G(x) is bounded with ``proposals`` draws from the encoder, K in
    :meth:`~textgan_lit.model.generator.latent.Latent.bound`.
    """

    accepts_soft = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        latent: Size = 16,
        embedding: Size = 32,
        hidden: Size = 32,
        layers: Layers = 1,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
        proposals: Proposals = 16,
    ):
        super().__init__(vocab, max_length, latent, proposals, embedding, hidden)
        self.decoder = LSTM(vocab, max_length, embedding, hidden, layers, dropout)
        self.first = nn.Linear(latent, 2 * layers * hidden)

    def start(self, n: int, latent: Float[Tensor, "n L"]) -> State:
        parts = self.first(latent).tanh().chunk(2 * len(self.decoder.cores), 1)
        return tuple(part.contiguous() for part in parts)  # as cuDNN wants them

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
        return self.decoder.advance(prev, state)

    def features(self, inputs: Int[Tensor, "B T"], latent: Float[Tensor, "B L"]) -> Float[Tensor, "B T H"]:
        return self.decoder.run(inputs, self.start(len(inputs), latent))[0]

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return self.decoder.head(features)
