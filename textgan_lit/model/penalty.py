"""What keeps a discriminator smooth: penalties on the slope of its score in the tokens.

A slope is taken with respect to one-hot tokens, so it does not depend on the scale of an embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, final

import torch
from annotated_types import Gt
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from textgan_lit.errors import UserError
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.discriminator.base import Discriminator, last_score
from textgan_lit.model.game import Game
from textgan_lit.types import TextBatch


class Penalty(ABC):
    """game, real, generated → what is added to D's loss; a mean over this rank's sentences."""

    @abstractmethod
    def __call__(self, game: Game, real: TextBatch, fake: TextBatch) -> Float[Tensor, ""]: ...

    def check(self, discriminator: Discriminator) -> None:
        if not discriminator.accepts_soft:
            raise UserError(
                f"{type(self).__name__} asks how the score changes between tokens, but {type(discriminator).__name__} "
                "reads whole tokens only. Use model/discriminator=conv, recurrent or transformer, or ~model/penalty."
            )


def squared_slope(game: Game, tokens: Float[Tensor, "B T V"], mask: Tensor) -> Float[Tensor, " B"]:
    """‖∂ score / ∂ tokens‖² of each sentence, which can be differentiated in D's parameters.

    Of a discriminator that judges after each token it is the slope of its last score alone.
    """
    tokens = tokens.detach().requires_grad_()
    # neither cuDNN's recurrent cores nor fused attention can be differentiated twice
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
        score = last_score(game.score(tokens, mask), mask)
        (slope,) = torch.autograd.grad(score.sum(), tokens, create_graph=True)
    return (slope * mask.unsqueeze(-1)).square().sum((1, 2))


@final
class R1(Penalty):
    """weight/2 · E_P ‖∇s‖² (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""

    def __init__(self, weight: Annotated[float, Gt(0)] = 0.1):
        self.weight = weight

    def __call__(self, game: Game, real: TextBatch, fake: TextBatch) -> Float[Tensor, ""]:
        tokens = one_hot(real.tokens, real.mask, game.vocab.size)
        return 0.5 * self.weight * squared_slope(game, tokens, real.mask).mean()


@final
class GradientPenalty(Penalty):
    """weight · E (‖∇s‖ − 1)² at points between real and generated sentences (Gulrajani et al. 2017, arXiv:1704.00028,
    eq. 3)."""

    def __init__(self, weight: Annotated[float, Gt(0)] = 10.0):
        self.weight = weight

    def __call__(self, game: Game, real: TextBatch, fake: TextBatch) -> Float[Tensor, ""]:
        ends = [one_hot(*batch, game.vocab.size) for batch in (real, fake)]
        share = game.noise.uniform(len(real.tokens), 1, 1)
        slope = squared_slope(game, torch.lerp(*ends, share), real.mask | fake.mask)
        return self.weight * ((slope + 1e-12).sqrt() - 1).square().mean()
