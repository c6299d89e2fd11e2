"""All tokens at once: one pass of a network from noise to every position."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.functional.linear import linear
from textgan_lit.model.generator.base import State
from textgan_lit.model.generator.gaussian import Gaussian
from textgan_lit.model.generator.latent import Proposals
from textgan_lit.model.generator.transformer import Block, share_width
from textgan_lit.types import Layers, Size, Token, Vocab


@final
class OneShot(Gaussian):
    r"""z → attention between positions → a distribution of each token, the tokens independent given z.

    .. math:: G(x) = E_z \prod_t G_t(x_t | z)

    Whatever the tokens owe to each other has to come from z: what two tokens agree on is decided before either is
    written. Where sentences may end, the first eos ends them. The encoder is a VAE's: without pretraining steps the
    bound is there, but loose.
    """

    accepts_soft = True  # and ignores them, like all tokens before

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        latent: Size = 32,
        width: Size = 64,
        layers: Layers = 2,
        heads: Size = 4,
        proposals: Proposals = 16,
    ):
        super().__init__(vocab, max_length, latent, proposals, embedding=width // 2, hidden=width // 2)
        share_width("one_shot", width, heads)
        self.lift = nn.Linear(latent, width)
        self.positions = nn.Embedding(max_length, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout=0.0) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocab.size)

    def start(self, n: int, latent: Float[Tensor, "n L"]) -> State:
        return self._planned(latent), torch.zeros(n, dtype=torch.long, device=latent.device)

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
        planned, position = state
        here = planned[torch.arange(len(planned), device=planned.device), position]
        return here, (planned, position + 1)

    def features(self, inputs: Int[Tensor, "B T"], latent: Float[Tensor, "B L"]) -> Float[Tensor, "B T H"]:
        return self._planned(latent)[:, : inputs.shape[1]]

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return linear(features, self.output)

    def _planned(self, latent: Float[Tensor, "B L"]) -> Float[Tensor, "B T H"]:
        hidden = self.lift(latent).unsqueeze(1) + self.positions.weight
        everyone = torch.ones(1, 1, 1, self.max_length, dtype=torch.bool, device=latent.device)
        for block in self.blocks:
            hidden = block.mix(hidden, *block.project(hidden), everyone)
        return self.norm(hidden)
