"""RelGAN's generator: a memory of several slots whose contents look at each other."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from textgan_lit.errors import UserError
from textgan_lit.functional.linear import linear
from textgan_lit.functional.relaxation import embed
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.types import Size, Token, Vocab


@final
class RelationalMemory(Generator):
    """Embedding → relational memory core → linear (Santoro et al. 2018, arXiv:1806.01822; Nie et al. 2019).

    The state is the memory, Float[B slots width]; at first slot i is the i-th unit vector, so that no two are alike.
    It has no dropout.
    """

    accepts_soft = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        embedding: Size = 32,
        slots: Size = 1,
        width: Size = 64,
        heads: Size = 2,
    ):
        super().__init__(vocab, max_length)
        if width % heads:
            raise UserError(
                f"generator=relational_memory has width={width} and heads={heads}, but every head takes an equal share "
                f"of the width. Give a width that {heads} divides, for example {heads * max(1, round(width / heads))}."
            )
        self.slots, self.width = slots, width
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.enter = nn.Linear(embedding, width)
        self.core = Core(width, heads)
        self.output = nn.Linear(slots * width, vocab.size)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def start(self, n: int) -> State:
        memory = torch.eye(self.slots, self.width, device=self.output.weight.device, dtype=self.output.weight.dtype)
        return (memory.repeat(n, 1, 1),)

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
        memory = self.core(self.enter(embed(self.embedding, prev)), *state)
        return memory.flatten(1), (memory,)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        (memory,), seen = self.start(len(inputs)), []
        for token in self.enter(self.embedding(inputs)).unbind(1):
            memory = self.core(token, memory)
            seen.append(memory.flatten(1))
        return torch.stack(seen, 1)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return linear(features, self.output)


class Core(nn.Module):
    r"""One step of the memory M (Santoro et al. 2018, section 3).

    .. math::
        \tilde M = \mathrm{MLP}(\mathrm{attention}(M, [M; x])), \qquad
        M' = \sigma(i) \tanh \tilde M + \sigma(f + 1)\, M, \qquad (i, f) = U x + W \tanh M

    Attention and MLP are each added to their input and normalised. The bias of 1 keeps what is remembered at first.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.keys_values = nn.Linear(width, 2 * width, bias=False)
        self.attended_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.gate_token = nn.Linear(width, 2 * width)
        self.gate_memory = nn.Linear(width, 2 * width, bias=False)
        with torch.no_grad():
            self.gate_token.bias.copy_(torch.tensor([0.0, 1.0]).repeat_interleave(width))

    def forward(self, token: Float[Tensor, "B W"], memory: Float[Tensor, "B slots W"]) -> Float[Tensor, "B slots W"]:
        seen = torch.cat([memory, token.unsqueeze(1)], 1)
        query = self.query(memory).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = self.keys_values(seen).unflatten(2, (2, self.heads, -1)).transpose(1, 3).unbind(2)
        found = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        attended = self.attended_norm(memory + found)
        candidate = self.norm(attended + self.mlp(attended))
        enter, keep = (self.gate_token(token).unsqueeze(1) + self.gate_memory(memory.tanh())).sigmoid().chunk(2, 2)
        return enter * candidate.tanh() + keep * memory
