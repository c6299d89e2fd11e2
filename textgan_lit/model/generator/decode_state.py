"""What writing a batch of sentences goes on from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

State = tuple[Tensor, ...]
WORTH = 0.8  # share of rows still open above which the others are not worth a copy of the states


class DecodeState(NamedTuple):
    """The decoding state of a batch: last token, the generator's own state, which sentences are unfinished."""

    prev: Int[Tensor, " B"]
    state: State
    open: Bool[Tensor, " B"]

    def rows(self, index: Tensor | slice) -> DecodeState:
        return DecodeState(self.prev[index], tuple(leaf[index] for leaf in self.state), self.open[index])

    def unfinished(self, fewest: int) -> Int[Tensor, " rows"] | slice:
        """The rows worth writing on: none where all sentences have ended, all where few have, else those that are
        open, and ended ones where they would be less than ``fewest``."""
        open = int(self.open.sum())
        kept = max(open, min(fewest, len(self.open)))
        if open and kept > WORTH * len(self.open):
            return slice(None)
        return self.open.int().topk(kept).indices.sort().values if open else slice(0)

    @staticmethod
    def join(states: list[DecodeState]) -> DecodeState:
        return DecodeState(
            torch.cat([decoding.prev for decoding in states]),
            tuple(torch.cat(leaves) for leaves in zip(*(decoding.state for decoding in states), strict=True)),
            torch.cat([decoding.open for decoding in states]),
        )
