"""Whether noisy vectors have the mean that they are said to have."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

SMALL = 1e-3  # what single precision may leave of a difference, as a share of the vector that is aimed at
LEAST_P = 1e-300  # the smallest p-value that is turned into standard errors


class Agreement(NamedTuple):
    """Draws g beside a vector e of which their mean should be a known ``share``. Lengths are in units of ‖e‖.

    The mean is split into its part along e and the rest, and each is tested: ``along`` against the share by its own
    standard error, the rest against 0. ``distance2`` is ‖mean − share·e‖², estimated without bias (it may be
    negative).
    """

    cosine: float  # of the mean of the draws and e
    cosine_expected: float  # that many draws of which the mean is e would have about this one: noise is never parallel
    along: float  # the mean's component along e
    along_se: float
    aside: float  # how far the rest of the mean is from 0, in standard errors of a normal variable
    distance2: float
    distance2_se: float
    variance: float  # trace of the draws' covariance
    share: float

    @property
    def off(self) -> float:
        """How far ``along`` is from the share, in its standard errors."""
        error = abs(self.along - self.share)
        return 0.0 if error <= SMALL else error / self.along_se if self.along_se else math.inf

    @property
    def seen(self) -> float:
        """How clearly the mean points along e, in standard errors."""
        return self.along / self.along_se if self.along_se else math.copysign(math.inf, self.along)


def agreement(draws: Float[Tensor, "N P"], exact: Float[Tensor, " P"], share: float = 1.0) -> Agreement:
    r"""How well N independent draws agree with share · exact.

    The rest r of the draws is tested as a whole: with Σ its covariance, :math:`T = N|\bar r|^2 / \mathrm{tr}\,Σ` is
    nearly :math:`\chi^2_\nu / \nu` with :math:`\nu = (\mathrm{tr}\,Σ)^2 / \mathrm{tr}\,Σ^2`, both read off the N × N
    inner products (Satterthwaite; Chen & Qin 2010, arXiv:1002.4547, for more dimensions than draws).
    """
    n, unit = len(draws), exact.double() / exact.double().norm()
    draws = draws.double() / exact.double().norm()
    parts = draws @ unit
    along, along_se = parts.mean().item(), (parts.std() / math.sqrt(n)).item()
    mean, spread = draws.mean(0), draws.var(0).sum().item()
    rest = draws - parts.unsqueeze(1) * unit
    return Agreement(
        cosine=(mean @ unit / mean.norm().clamp_min(1e-300)).item(),
        cosine_expected=1 / math.sqrt(1 + spread / n),
        along=along,
        along_se=along_se,
        aside=_standard_errors(rest),
        **_distance(draws - share * unit),
        variance=spread,
        share=share,
    )


def _standard_errors(rest: Float[Tensor, "N P"]) -> float:
    """How unlikely it is that the mean is 0, as the standard errors of a normal variable."""
    mean, n = rest.mean(0), len(rest)
    if mean.norm() <= SMALL:
        return 0.0
    total, squares = _moments(rest)
    if total <= 0:
        return math.inf
    freedom = total**2 / squares
    statistic = torch.tensor([freedom, freedom * n * mean.square().sum().item() / total], dtype=torch.double) / 2
    p = torch.special.gammaincc(statistic[0], statistic[1]).clamp(LEAST_P, 1.0)
    return max(-torch.special.ndtri(p).item(), 0.0)


def _distance(error: Float[Tensor, "N P"]) -> dict[str, float]:
    """|mean error|² and its standard error: the mean over all pairs of draws, none with itself."""
    n, mean = len(error), error.mean(0)
    value = (n * mean.square().sum() - error.square().sum() / n) / (n - 1)
    variance = 2 * _moments(error)[1] / n**2 + 4 * (error @ mean).var().item() / n
    return {"distance2": value.item(), "distance2_se": math.sqrt(variance)}


def _moments(draws: Float[Tensor, "N P"]) -> tuple[float, float]:
    """tr Σ and tr Σ² of the draws' covariance Σ."""
    n, centred = len(draws), draws - draws.mean(0)
    products = centred @ centred.t()
    diagonal = products.diagonal()
    total = diagonal.sum().item() / (n - 1)
    between = (products.square().sum() - diagonal.square().sum()).item() / (n * (n - 1))
    # centring alone gives every pair an inner product of about −tr Σ / n
    return total, max(between - (total / n) ** 2, total**2 / min(n, draws.shape[1]), 1e-300)
