"""The discriminator's losses: how the log-odds of real against generated are estimated.

A score s is compared on real and on generated sentences. All losses but those of critics are smallest at
s = log P/G (docs/theory.md, "The discriminator estimates"), so any reward may be read off the score they leave behind;
smoothed labels bend it, as that page says.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, final

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Loss
from textgan_lit.model.penalty import Penalty
from textgan_lit.model.policy import Categorical
from textgan_lit.model.shape_check import checked
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, TextBatch

LARGEST = 20.0  # log-odds beyond which exp is followed along its tangent, so that one sentence cannot end a run


class DiscriminatorLoss(Loss, ABC):
    """½ of a loss on real tokens or sentences + ½ of one on generated, whichever D scores, + a penalty.

    Means are over all ranks' scores. ``log_odds`` says whether the best score is log P/G, ``open_constant`` whether the
    loss is the same for s and for s + c.
    """

    log_odds: ClassVar[bool] = True
    open_constant: ClassVar[bool] = False
    pairs: ClassVar[bool] = False  # whether a loss is of a real score and a generated one, both of which must exist

    def __init__(self, penalty: Penalty | None = None):
        super().__init__()
        self.penalty = penalty

    @abstractmethod
    def losses(
        self, real: Float[Tensor, "B *T"], fake: Float[Tensor, "B *T"]
    ) -> tuple[Float[Tensor, "B *T"], Float[Tensor, "B *T"]]:
        """The loss of each score of real and of generated sentences."""

    def check(self, generator: Generator, discriminator: Discriminator) -> None:
        if self.penalty is not None:
            self.penalty.check(discriminator)
        if isinstance(discriminator, Mediator):
            raise UserError(
                f"discriminator_loss: a mediator is taught by likelihood, not by {type(self).__name__}. "
                "Use model/discriminator_loss=mediation, or another discriminator."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        samples = game.sample(len(batch.tokens))
        written = samples.batch
        tokens, mask = (torch.cat(pair) for pair in zip(batch, written, strict=True))
        logp = torch.cat([game.density(batch), samples.logp]) if game.discriminator.needs_density else None
        score = game.score(tokens, mask, logp)
        places = mask.float() if score.dim() == 2 else torch.ones_like(score)
        (real, fake), (of_real, of_fake) = score.chunk(2), places.chunk(2)
        counted = (of_real * of_fake,) * 2 if self.pairs else (of_real, of_fake)
        loss = half_and_half(*self.losses(real, fake), *counted)
        logs = {
            "bce": half_and_half(F.softplus(-real), F.softplus(fake), of_real, of_fake).detach(),
            "accuracy": half_and_half((real > 0).float(), (fake <= 0).float(), of_real, of_fake),
        }
        if self.penalty is not None:
            punished = checked(self.penalty, self.penalty(game, batch, written), (), "one number")
            loss, logs = loss + punished, logs | {"penalty": punished.detach()}
        return Outcome(loss, logs)


def half_and_half(real: Tensor, fake: Tensor, of_real: Tensor, of_fake: Tensor) -> Float[Tensor, ""]:
    """½ + ½ of this rank's parts of the means over all ranks' scores; the mean of the parts is that mean.

    One divisor for both sides: over its own tokens, the side of shorter sentences would count more than half.
    """
    return ((real * of_real).sum() + (fake * of_fake).sum()) / all_mean(of_real.sum() + of_fake.sum())


@final
class Minimax(DiscriminatorLoss):
    """Binary cross-entropy (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1): −½ E_P log D − ½ E_G log(1 − D).

    Its least value at a fixed generator is log 2 − JSD(P‖G). ``smoothing`` takes so much of each real sentence for a
    generated one (Salimans et al. 2016, arXiv:1606.03498): the best D is then (1 − smoothing) · P/(P + G).
    """

    def __init__(self, penalty: Penalty | None = None, smoothing: Annotated[float, Interval(ge=0, lt=0.5)] = 0.0):
        super().__init__(penalty)
        self.smoothing = smoothing

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return F.softplus(-real) + self.smoothing * real, F.softplus(fake)


@final
class LeastSquares(DiscriminatorLoss):
    """(1 − D)² on real, D² on generated, with D = σ(s): the Brier score.

    Mao et al. 2017 (LSGAN, arXiv:1611.04076, eq. 2 with a = 0, b = c = 1) score without the σ; with it the best score
    is log P/G and every reward fits.
    """

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return real.neg().sigmoid().square(), fake.sigmoid().square()


@final
class Relativistic(DiscriminatorLoss):
    """softplus(s_fake − s_real) of pairs: which of two sentences is the real one?

    Bradley & Terry 1952; Jolicoeur-Martineau 2019, arXiv:1807.00734. The best score is log P/G up to a constant: only
    rewards that are linear in it fit, under a baseline. Of tokens only those are compared that stand where both
    sentences have one: the constant is another one at each position.
    """

    pairs = open_constant = True

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        loss = F.softplus(fake - real)
        return loss, loss


@final
class Hinge(DiscriminatorLoss):
    """max(0, 1 − s) on real, max(0, 1 + s) on generated (Lim & Ye 2017, arXiv:1705.02894).

    The best score is the sign of log P/G.
    """

    log_odds = False

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return (1 - real).relu(), (1 + fake).relu()


@final
class Wasserstein(DiscriminatorLoss):
    """−s on real, s on generated (Arjovsky et al. 2017, arXiv:1701.07875, eq. 2).

    It measures a distance only among critics of bounded slope: refused without ``model/penalty=gradient_penalty``.
    """

    log_odds, open_constant = False, True

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return -real, fake

    def check(self, generator: Generator, discriminator: Discriminator) -> None:
        super().check(generator, discriminator)
        if self.penalty is None:
            raise UserError(
                "discriminator_loss=wasserstein grows without end unless something bounds the critic's slope. "
                "Use model/penalty=gradient_penalty with it."
            )


@final
class FGAN(DiscriminatorLoss):
    r"""The variational bound on an f-divergence (Nowozin et al. 2016, arXiv:1606.00709, eq. 4), times −½.

    .. math:: -E_P f'(e^s) + E_G f^*(f'(e^s))

    ``kl`` KL(P‖G): −s on real, e^s on generated. ``reverse_kl`` KL(G‖P): e^−s on real, s on generated. Both are
    smallest at s = log P/G. ``total_variation``: ∓ ½ tanh s (its best score only tells the sign). The Jensen–Shannon
    row is :class:`Minimax`, and no option here.
    """

    def __init__(
        self,
        penalty: Penalty | None = None,
        divergence: Literal["kl", "reverse_kl", "total_variation"] = "kl",
    ):
        super().__init__(penalty)
        self.kind = divergence
        self.log_odds = divergence != "total_variation"

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        if self.kind == "kl":
            return -real, _exp(fake)
        if self.kind == "reverse_kl":
            return _exp(-real), fake
        return -0.5 * real.tanh(), 0.5 * fake.tanh()


def _exp(score: Tensor) -> Tensor:
    beyond = (score - LARGEST).relu()
    return score.clamp_max(LARGEST).exp() + math.exp(LARGEST) * beyond


@final
class Mediation(Loss):
    """−E log M of real and of generated sentences, as many of each, in nats a token: likelihood of the even mixture
    (Lu et al. 2018, arXiv:1804.03782)."""

    log_odds: ClassVar[bool] = True
    open_constant: ClassVar[bool] = False

    def __init__(self, penalty: Penalty | None = None):
        super().__init__()
        if penalty is not None:
            raise UserError(
                "discriminator_loss=mediation takes no penalty. Use ~model/penalty, or a discriminator loss that "
                "scores sentences."
            )

    def check(self, generator: Generator, discriminator: Discriminator) -> None:
        if not isinstance(discriminator, Mediator):
            raise UserError(
                f"discriminator_loss=mediation teaches a mediator, but the discriminator is "
                f"{type(discriminator).__name__}. "
                "Use model/discriminator=mediator, or another discriminator loss."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        written = game.sample(len(batch.tokens)).batch
        tokens, mask = (torch.cat(pair) for pair in zip(batch, written, strict=True))
        logp = game.discriminator.model.logp(TextBatch(tokens, mask), Categorical())
        # one divisor for both: over its own tokens, the side of shorter sentences would count more than half
        loss = -logp.sum() / all_mean(mask.sum(dtype=torch.float))
        return Outcome(loss, {"nll": loss.detach()})
