"""What a network that writes in any order is told of places."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Places(nn.Module):
    """The place of the last token and the place of the next one, as two embeddings added to the token's.

    Without the second a network could not know what it is asked for, as every order has its own next place: XLNet's
    target position (Yang et al. 2019, arXiv:1906.08237), here as the double positional encodings of σ-GPT (Pannatier
    et al. 2024, arXiv:2404.09562).

    ::

        state   order Int[B T] of each sentence, step Int[B]: how many tokens it has read
    """

    def __init__(self, length: int, width: int, order: Int[Tensor, "1 T"] | None = None):
        super().__init__()
        self.last = nn.Embedding(length + 1, width)  # the last row: bos stands nowhere
        self.next = nn.Embedding(length, width)
        self.register_buffer("order", torch.arange(length).unsqueeze(0) if order is None else order, persistent=False)
        for embedding in (self.last, self.next):
            nn.init.normal_(embedding.weight, 0.0, 0.1)

    def forward(self, order: Int[Tensor, "#B T"] | None, steps: int) -> Float[Tensor, "#B steps H"]:
        """Of the first ``steps`` steps; in the generator's own order where none is given."""
        order = self.order if order is None else order
        nowhere = torch.full_like(order[:, :1], len(self.next.weight))
        return (self.last(torch.cat([nowhere, order[:, :-1]], 1)) + self.next(order))[:, :steps]

    def start(self, n: int, order: Int[Tensor, "#n T"] | None) -> tuple[Tensor, Tensor]:
        order = (self.order if order is None else order).expand(n, -1)
        return order, torch.zeros_like(order[:, 0])

    def advance(self, state: tuple[Tensor, Tensor]) -> tuple[Float[Tensor, "B H"], tuple[Tensor, Tensor]]:
        order, step = state
        after, here = (order.gather(1, (step - back).clamp_min(0).unsqueeze(1)).squeeze(1) for back in (0, 1))
        last = here.masked_fill(step == 0, len(self.next.weight))
        return self.last(last) + self.next(after), (order, step + 1)
