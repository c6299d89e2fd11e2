"""A table of next-token logits: the smallest generator, with a convex likelihood problem."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.types import Vocab

LARGEST_TABLE = 10**8


@final
class Markov(Generator):
    """The next token given the last ``order`` tokens, and the position where ``positional`` is set.

    What came before bos counts as bos. Memory: (V + 2)^order × V (× max_length) floats.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        order: Annotated[int, Interval(ge=1, le=3)] = 1,
        positional: bool = False,
    ):
        super().__init__(vocab, max_length)
        rows = vocab.inputs**order * (max_length if positional else 1)
        if rows * vocab.size > LARGEST_TABLE:
            raise UserError(
                f"generator=markov with order={order} needs a table of {rows:,} × {vocab.size:,} numbers for this "
                f"vocabulary; at most {LARGEST_TABLE:,} in all are allowed. Use model/generator=lstm or a lower order."
            )
        self.order, self.positional = order, positional
        self.table = nn.Embedding(rows, vocab.size)
        nn.init.zeros_(self.table.weight)

    def start(self, n: int) -> State:
        history = torch.full((n, self.order), self.vocab.bos, device=self.table.weight.device)
        return history, torch.zeros_like(history[:, 0])

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        history, position = state
        history = torch.cat([history[:, 1:], prev.unsqueeze(1)], 1)
        return self.table(self._row(history, position)), (history, position + 1)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        before = inputs.new_full((len(inputs), self.order - 1), self.vocab.bos)
        windows = torch.cat([before, inputs], 1).unfold(1, self.order, 1)
        return self.table(self._row(windows, torch.arange(inputs.shape[1], device=inputs.device)))

    def _row(self, history: Int[Tensor, "... order"], position: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        row = position if self.positional else torch.zeros_like(position)
        for token in history.unbind(-1):
            row = row * self.vocab.inputs + token
        return row
