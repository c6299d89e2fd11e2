"""What the value of a token is measured against, before it becomes an advantage.

Batch statistics are over the global batch, position by position, over the sentences that reach it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, final

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float
from torch import Tensor, nn

from textgan_lit.model.shape_check import checked
from textgan_lit.run.distributed import gather


class Baseline(nn.Module, ABC):
    """value Float[B T], mask Bool[B T] → advantage Float[B T]; what stands on padding is ignored."""

    bias: ClassVar[str] = ""  # in words, why it changes the expected gradient
    fades: ClassVar[str] = ""  # "batch" where that vanishes as the batch grows
    of_sentences: ClassVar[bool] = False  # whether one number a sentence is measured, where a sentence earns one

    @abstractmethod
    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]: ...

    def advantage(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        """Those of these values, refused where there is not one for each."""
        return checked(self, self(value, mask), value.shape, "an advantage for each value")

    def unit(self, reward: Float[Tensor, " N"], chance: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """What an endless batch of whole sentences would divide by: of all sentences, each with its ``chance``."""
        return torch.ones(())


def _sums(value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Per position: the sum of the values and how many sentences reach it, Float[1 T] each, over all ranks."""
    both = gather(torch.stack([value * mask, mask.to(value.dtype)], 1)).sum(0)
    return both[:1], both[1:]


@final
class Zero(Baseline):
    """Nothing: the plain score-function estimator."""

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        return value


@final
class BatchMean(Baseline):
    """Less the mean over the batch. It contains the sentence itself, which shrinks the gradient by (B − 1)/B, and by
    more at positions that only some of the B sentences reach."""

    bias = "the batch's mean contains the sentence itself: shrinks by (B − 1)/B"
    fades = "batch"

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        total, count = _sums(value, mask)
        return value - total / count.clamp_min(1)


@final
class LeaveOneOut(Baseline):
    """Less the mean over the other sentences: unbiased (Kool et al. 2019). A sentence that is alone keeps its value."""

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        total, count = _sums(value, mask)
        return value - (total - value * mask) / (count - mask.to(value.dtype)).clamp_min(1)


@final
class Standardised(Baseline):
    """(value − mean) / standard deviation over the batch: GRPO's group advantage (Shao et al. 2024, arXiv:2402.03300,
    section 4.1.2), the whole batch one group. Steps are then as long whatever the scale of the rewards, so near the end
    of a game, where rewards hardly differ, they are too long for what there is to learn."""

    bias = "divided by the batch's standard deviation, in place of all sentences'"
    fades = "batch"
    of_sentences = True

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        total, count = _sums(value, mask)
        away = value - total / count.clamp_min(1)
        square, _ = _sums(away.square(), mask)
        return away / (square / count.clamp_min(1)).sqrt().clamp_min(1e-6)

    def unit(self, reward: Float[Tensor, " N"], chance: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        return (chance @ (reward - chance @ reward).square()).sqrt()


@final
class SelfNormalised(Baseline):
    """value / mean − 1, for rewards that are importance weights: Σ weights = B (MaliGAN: Che et al. 2017,
    arXiv:1702.07983, eq. 8, with b = 1/B; times B). Biased by O(1/B), as every ratio of means."""

    bias = "divided by the batch's mean weight, in place of all sentences'"
    fades = "batch"
    of_sentences = True

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        total, count = _sums(value, mask)
        return value * count.clamp_min(1) / total.clamp_min(1e-30) - 1

    def unit(self, reward: Float[Tensor, " N"], chance: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        return chance @ reward


@final
class MovingAverage(Baseline):
    """Less an exponential average of earlier batches' mean token value: unbiased, since it has not seen this batch.

    Nothing before the first batch; ``decay`` is the weight that the past keeps.
    """

    def __init__(self, decay: Annotated[float, Interval(ge=0, lt=1)] = 0.9):
        super().__init__()
        self.decay = decay
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(()))

    def forward(self, value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        before = self.average / self.weight.clamp_min(1e-12)
        total, count = _sums(value, mask)
        now = total.sum() / count.sum().clamp_min(1)
        self.average = self.decay * self.average + (1 - self.decay) * now
        self.weight = self.decay * self.weight + (1 - self.decay)
        return value - before
