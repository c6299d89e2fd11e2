"""What is put around a reward so that it must not teach: the same game on a signal that says nothing."""

from __future__ import annotations

from abc import ABC
from typing import final

import torch
from torch import Tensor

from textgan_lit.model.reward import Reward


class Control(Reward, ABC):
    """Stands in the place of the reward that was chosen, whichever that is; a constructor may ask for it as ``of``."""

    null = True


@final
class Constant(Control):
    """1, whatever D says. Under a centred baseline it is a zero gradient, without one it is noise
    that sharpens G (the published effect: a constant lowers NLL_oracle as fast as a discriminator does).
    Paid once a token (``reward_to_go``) it is none where sentences can end: it teaches G to write long ones."""

    of_log_odds = False
    linear = True
    positive = True

    def __call__(self, score: Tensor) -> Tensor:
        return torch.ones_like(score)


@final
class Shuffled(Control):
    """The rewards of ``of``, dealt to the wrong sentences: whole sentences' credit is permuted over the global
    batch. (Estimators that differentiate D deal its slopes to the wrong tokens; one that has no reward deals what it
    has, such as labels.) The same numbers, no information."""

    shuffles = True

    def __init__(self, of: Reward | None = None):
        self.of = of
        if of is not None:
            self.of_log_odds, self.linear, self.positive = of.of_log_odds, of.linear, of.positive

    def __call__(self, score: Tensor) -> Tensor:
        assert self.of is not None  # else nobody is rewarded
        return self.of.paid(score)
