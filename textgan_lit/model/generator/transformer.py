"""A small decoder-only transformer that writes with a key-value cache."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from textgan_lit.errors import UserError
from textgan_lit.functional.linear import linear
from textgan_lit.functional.relaxation import embed
from textgan_lit.model.generator.base import Generator, Order, State
from textgan_lit.model.generator.places import Places
from textgan_lit.types import Layers, Size, Token, Vocab


@final
class Transformer(Generator):
    """Tokens and learned positions → pre-norm decoder layers → linear (Radford et al. 2019).

    ::

        state   (keys, values) of every layer, then position
          keys, values   Float[B heads max_length d]   what lies at or after a row's own position is never read
          position       Int[B]                        how many tokens each row has read; rows may differ
        with any_order, then also the state of Places

    ``order`` is the order of writing (:func:`textgan_lit.functional.order.positions`; ``order_seed`` is that of
    ``random``); its positions are those of writing, so any one order takes the same network. With ``any_order`` the
    network is also told places, as :class:`Places` says.

    Without autograd ``advance`` writes into the caches it was given, always at the rows' own positions. So a state
    kept aside still stands for the same tokens after newer ones were made from it, and may be continued once
    those are no longer needed. Two branches that are alive at the same time need memory of their own: rows taken
    with an index tensor, ``repeat``, ``repeat_interleave`` and ``torch.cat`` copy, a slice does not.
    """

    accepts_soft = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        width: Size = 64,
        layers: Layers = 2,
        heads: Size = 4,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
        order: Order = "l2r",
        order_seed: int = 0,
        any_order: bool = False,
    ):
        super().__init__(vocab, max_length, order, order_seed, any_order)
        share_width("transformer", width, heads)
        self.cache = heads, max_length, width // heads
        self.embedding = nn.Embedding(vocab.inputs, width)
        self.positions = nn.Embedding(max_length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocab.size)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        nn.init.normal_(self.positions.weight, 0.0, 0.1)
        self.places = Places(max_length, width, self.order_of_writing) if any_order else None

    def start(self, n: int, order: Int[Tensor, "#n T"] | None = None) -> State:
        caches = [self.output.weight.new_zeros(n, *self.cache) for _ in range(2 * len(self.blocks))]
        position = torch.zeros(n, dtype=torch.long, device=self.output.weight.device)
        return *caches, position, *(self.places.start(n, order) if self.places else ())

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
        caches, position, told = list(state[: 2 * len(self.blocks)]), state[2 * len(self.blocks)], ()
        put = Tensor.scatter if torch.is_grad_enabled() else Tensor.scatter_  # autograd needs what it has read
        at = position[:, None, None, None]
        upto = self.max_length
        if at.device.type == "cpu":  # what no row has written is not even looked at; elsewhere that would be waited for
            upto = 1 + max(position.tolist(), default=0)
        slot, read = at.expand_as(caches[0][:, :, :1]), torch.arange(upto, device=at.device) <= at
        hidden = embed(self.embedding, prev) + self.positions(position)
        if self.places:
            place, told = self.places.advance(state[2 * len(self.blocks) + 1 :])
            hidden = hidden + place
        hidden = self.dropout(hidden).unsqueeze(1)
        for layer, block in enumerate(self.blocks):
            query, *fresh = block.project(hidden)
            past = slice(2 * layer, 2 * layer + 2)
            written = zip(caches[past], fresh, strict=True)
            caches[past] = [put(cache, 2, slot, new.to(cache.dtype)) for cache, new in written]
            hidden = block.mix(hidden, query, *(cache[:, :, :upto] for cache in caches[past]), read)
        return self.norm(hidden.squeeze(1)), (*caches, position + 1, *told)

    def features(self, inputs: Int[Tensor, "B T"], order: Int[Tensor, "#B T"] | None = None) -> Float[Tensor, "B T H"]:
        hidden = self.embedding(inputs) + self.positions.weight[: inputs.shape[1]]
        if self.places:
            hidden = hidden + self.places(order, inputs.shape[1])
        hidden = self.dropout(hidden)
        for block in self.blocks:
            hidden = block.mix(hidden, *block.project(hidden))
        return self.norm(hidden)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return linear(features, self.output)


def share_width(name: str, width: int, heads: int) -> None:
    """Refuses heads that cannot share a width equally."""
    if width % heads:
        raise UserError(
            f"generator={name} has width={width} and heads={heads}, but every head takes an equal share of "
            f"the width. Give a width that {heads} divides, for example {heads * max(1, round(width / heads))}."
        )


class Block(nn.Module):
    """Attention to the tokens so far (or those that ``read`` says), then a feed-forward layer of four times the width,
    each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def project(self, hidden: Float[Tensor, "B T H"]) -> tuple[Float[Tensor, "B heads T d"], ...]:
        """Queries, keys and values."""
        joined = self.queries_keys_values(self.attention_norm(hidden))
        return joined.unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)

    def mix(
        self,
        hidden: Float[Tensor, "B T H"],
        query: Float[Tensor, "B heads T d"],
        key: Float[Tensor, "B heads S d"],
        value: Float[Tensor, "B heads S d"],
        read: Bool[Tensor, "#B 1 #T S"] | None = None,
    ) -> Float[Tensor, "B T H"]:
        """The layer's output. ``read`` says which keys each query sees; without it, its own and those before it."""
        attended = scaled_dot_product_attention(query, key, value, attn_mask=read, is_causal=read is None)
        hidden = hidden + self.dropout(self.attention_output(attended.transpose(1, 2).flatten(2)))
        return hidden + self.dropout(self.feed_forward(hidden))
