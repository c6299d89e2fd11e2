"""Balanced brackets: a rule that reaches across the whole sentence."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import State
from textgan_lit.noise import stream
from textgan_lit.types import TextBatch, Vocab

PAIRS = ("()", "[]", "{}", "<>")


@final
class Dyck(Oracle):
    """The Dyck language over ``types`` kinds of brackets: balanced sentences, each exactly ``length`` long.

    With probability ``opening`` the next bracket opens (always at depth 0, never where the rest of the sentence is
    needed for closing), of a type drawn with weights U(0, 1) + 0.3; otherwise the innermost open one is closed.
    ``smoothing`` is the share of probability spread evenly over all brackets, which may unbalance a sentence.

    The state is the stack of open types Int[B L], its depth Int[B] and the number of brackets written Int[B].
    """

    def __init__(
        self,
        types: Annotated[int, Interval(ge=1, le=10_000)] = 3,
        length: Annotated[int, Interval(ge=2, le=2**16)] = 8,
        opening: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.01,
        seed: int = 1,
    ):
        if length % 2:
            raise UserError(
                f"data=dyck has length={length}, but balanced brackets come in pairs. "
                f"Use an even length, such as data.oracle.length={length + 1}."
            )
        pairs = [PAIRS[kind] if kind < len(PAIRS) else (f"({kind}", f"){kind}") for kind in range(types)]
        super().__init__(Vocab(tuple(pair[side] for side in (0, 1) for pair in pairs)), length)
        weight = torch.rand(types, generator=stream("dyck", seed)) + 0.3
        self.register_buffer("opening", torch.tensor(float(opening)))  # buffers, so that the fingerprint sees them
        self.register_buffer("smoothing", torch.tensor(float(smoothing)))
        self.register_buffer("types", weight / weight.sum())

    def start(self, n: int) -> State:
        stack = torch.zeros(n, self.max_length, dtype=torch.long, device=self.types.device)
        return stack, torch.zeros_like(stack[:, 0]), torch.zeros_like(stack[:, 0])

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        stack, depth, written = state
        stack, depth = self._after(prev, stack, depth)
        written = written + (prev != self.vocab.bos)
        return self._next(stack, depth, written), (stack, depth, written)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        state, rows = self.start(len(inputs)), []
        for prev in inputs.unbind(1):
            row, state = self.advance(prev, state)
            rows.append(row)
        return torch.stack(rows, 1)

    def validity(self, batch: TextBatch) -> dict[str, Bool[Tensor, " B"]]:
        """``balanced``: every bracket is closed by its own kind, and nothing closes that was not open."""
        stack, depth, _ = self.start(len(batch.tokens))
        kept = torch.ones_like(depth, dtype=torch.bool)
        for token in batch.tokens.unbind(1):
            closes_wrongly = (depth == 0) | (token != self._innermost(stack, depth) + len(self.types))
            kept &= (token < len(self.types)) | ~closes_wrongly
            stack, depth = self._after(token, stack, depth)
        return {"balanced": kept & (depth == 0)}

    def _next(self, stack: Tensor, depth: Tensor, written: Tensor) -> Float[Tensor, "B V"]:
        """Log-probabilities of the next bracket."""
        opens = self.opening.expand(len(depth)).masked_fill(depth == 0, 1.0)
        opens = opens.masked_fill(depth >= self.max_length - written, 0.0).unsqueeze(1)
        closes = torch.nn.functional.one_hot(self._innermost(stack, depth), len(self.types))
        rule = torch.cat([opens * self.types, (1 - opens) * closes], 1)
        return ((1 - self.smoothing) * rule + self.smoothing / self.vocab.size).log()

    def _after(self, token: Tensor, stack: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Stack and depth once ``token`` is written; bos changes nothing. What closes nothing is passed over."""
        opens = token < len(self.types)
        closes = (token >= len(self.types)) & (token < self.vocab.size)
        top = depth.clamp_max(self.max_length - 1).unsqueeze(1)
        pushed = torch.where(opens, token, stack.gather(1, top).squeeze(1))
        return stack.scatter(1, top, pushed.unsqueeze(1)), (depth + opens.long() - closes.long()).clamp_min(0)

    def _innermost(self, stack: Tensor, depth: Tensor) -> Int[Tensor, " B"]:
        return stack.gather(1, (depth - 1).clamp_min(0).unsqueeze(1)).squeeze(1)
