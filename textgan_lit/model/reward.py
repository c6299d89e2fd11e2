r"""What a score is worth to the generator. The reward *is* the divergence.

Score-function training ascends E_G r, with r held fixed in the gradient. With D at its optimum,
logit D = log P/G, each reward descends the divergence named beside it (docs/theory.md, section 4).
All take raw logits s, so that D = σ(s), and work in any shape.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional as F

from textgan_lit.model.shape_check import checked


class Reward(ABC):
    """Logits → rewards, of one shape. Higher fools the discriminator more."""

    divergence: ClassVar[str] = ""  # what is descended at D = D*
    null: ClassVar[bool] = False  # a control that must not teach
    shuffles: ClassVar[bool] = False  # whether whole sentences' credit is dealt to other sentences
    of_log_odds: ClassVar[bool] = True  # whether it takes its score for log P/G
    linear: ClassVar[bool] = False  # whether a constant added to all scores adds one to all rewards
    positive: ClassVar[bool] = False  # whether it is never below 0

    @abstractmethod
    def __call__(self, score: Tensor) -> Tensor: ...

    def paid(self, score: Tensor) -> Tensor:
        """The rewards of these scores, refused where there is not one for each."""
        return checked(self, self(score), score.shape, "a reward for each score")


@final
class Minimax(Reward):
    """−½ log(2(1 − D)): the note's own game (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1).

    >>> import torch
    >>> Minimax()(torch.zeros(1))
    tensor([0.])
    """

    divergence = "JSD(P‖G)"

    def __call__(self, score: Tensor) -> Tensor:
        return 0.5 * (F.softplus(score) - math.log(2))


@final
class LogOdds(Reward):
    """log u = logit D, with u = D/(1−D)."""

    divergence = "KL(G‖P)"
    linear = True

    def __call__(self, score: Tensor) -> Tensor:
        return score


@final
class Ratio(Reward):
    """u = D/(1−D): MaliGAN's importance weight (Che et al. 2017, arXiv:1702.07983, eq. 7), not normalised."""

    divergence = "KL(P‖G)"
    positive = True

    def __call__(self, score: Tensor) -> Tensor:
        return score.exp()


@final
class Probability(Reward):
    """D: SeqGAN's reward (Yu et al. 2017, arXiv:1609.05473, eq. 4)."""

    divergence = "KL(P‖M)"
    positive = True

    def __call__(self, score: Tensor) -> Tensor:
        return score.sigmoid()


@final
class Margin(Reward):
    """2D − 1: ScratchGAN's reward (d'Autume et al. 2019, arXiv:1905.09922, section 3.1), 0 where D cannot tell."""

    divergence = "2·KL(P‖M)"

    def __call__(self, score: Tensor) -> Tensor:
        return (score / 2).tanh()


@final
class LogProbability(Reward):
    """log D: the "non-saturating" alternative (Goodfellow et al. 2014, section 3)."""

    divergence = "KL(G‖P) − 2·JSD(P‖G)"

    def __call__(self, score: Tensor) -> Tensor:
        return F.logsigmoid(score)


@final
class Sign(Reward):
    """½ sign(D − ½)."""

    divergence = "TV(P, G)"
    of_log_odds = False

    def __call__(self, score: Tensor) -> Tensor:
        return 0.5 * score.sign()


@final
class Score(Reward):
    """The score itself, of a critic that does not estimate log P/G: hinge, Wasserstein, total variation.

    What is descended is what that critic measures; f-GAN's total variation measures ½ tanh s, and this pays s, of the
    same sign. (Of log-odds it is :class:`LogOdds`.)
    """

    of_log_odds = False
    linear = True

    def __call__(self, score: Tensor) -> Tensor:
        return score
