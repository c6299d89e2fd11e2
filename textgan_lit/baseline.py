"""What is subtracted from the value of a word before it becomes an advantage.

Batch statistics are over the global batch, position by position, over the sentences that reach it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, final

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float
from torch import Tensor, nn

from textgan_lit.distributed import gather


class Baseline(nn.Module, ABC):
    """value Float[B T], mask Bool[B T] → baseline Float[B T] (or a shape that broadcasts to it)."""

    bias: ClassVar[str] = ""  # in words, why it changes the expected gradient
    fades: ClassVar[str] = ""  # "batch" where that vanishes as the batch grows

    @abstractmethod
    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Tensor: ...


def _sums(value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Per position: the sum of the values and how many sentences reach it, Float[1 T] each, over all ranks."""
    both = gather(torch.stack([value * mask, mask.to(value.dtype)], 1)).sum(0)
    return both[:1], both[1:]


@final
class Zero(Baseline):
    """None: the plain score-function estimator."""

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Tensor:
        return torch.zeros_like(value)


@final
class BatchMean(Baseline):
    """The mean over the batch. It contains the sentence itself, which shrinks the gradient by (B − 1)/B, and by
    more at positions that only some of the B sentences reach."""

    bias = "the batch's mean contains the sentence itself: shrinks by (B − 1)/B"
    fades = "batch"

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Tensor:
        total, count = _sums(value, mask)
        return total / count.clamp_min(1)


@final
class LeaveOneOut(Baseline):
    """The mean over the other sentences: unbiased (Kool et al. 2019). 0 for a sentence that is alone."""

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Tensor:
        total, count = _sums(value, mask)
        return (total - value * mask) / (count - mask.to(value.dtype)).clamp_min(1)


@final
class MovingAverage(Baseline):
    """An exponential average of earlier batches' mean word value: unbiased, since it has not seen this batch.

    0 before the first batch; ``decay`` is the weight that the past keeps.
    """

    def __init__(self, decay: Annotated[float, Interval(ge=0, lt=1)] = 0.9):
        super().__init__()
        self.decay = decay
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(()))

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Tensor:
        before = self.average / self.weight.clamp_min(1e-12)
        total, count = _sums(value, mask)
        now = total.sum() / count.sum().clamp_min(1)
        self.average = self.decay * self.average + (1 - self.decay) * now
        self.weight = self.decay * self.weight + (1 - self.decay)
        return before.expand_as(value)
