"""A straight line between two clouds of points: what a linear discriminator says of those that it has not seen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SHRINK = 0.1  # of the covariance towards a multiple of the identity: as many directions as points have no inverse


def cross_fitted(
    real: Float[Tensor, "N H"], fake: Float[Tensor, "M H"], folds: int = 5
) -> tuple[Float[Tensor, " N"], Float[Tensor, " M"]]:
    r"""Scores of every point by Fisher's linear discriminant of the other folds' points, float64; higher: more real.

    .. math:: s(x) = (\mu_r - \mu_f)^\top \Sigma^{-1} (x - \tfrac12 (\mu_r + \mu_f))

    with Σ the pooled covariance, shrunk. It is log-odds where both clouds are normal with one covariance (Fisher 1936;
    Hastie et al. 2009, section 4.3).

    >>> real, fake = cross_fitted(torch.arange(10.0)[:, None] + 20, torch.arange(10.0)[:, None])
    >>> bool((real > 0).all() and (fake < 0).all())
    True
    """
    real, fake = real.detach().double(), fake.detach().double()
    found = torch.empty(len(real), dtype=torch.double), torch.empty(len(fake), dtype=torch.double)
    for fold in range(folds):
        others = [side[torch.arange(len(side)) % folds != fold] for side in (real, fake)]
        centres = [side.mean(0) for side in others]
        spread = torch.cat([side - centre for side, centre in zip(others, centres, strict=True)])
        covariance = spread.T @ spread / max(1, len(spread) - 2)
        level = covariance.diagonal().mean().clamp_min(1e-12)
        covariance = (1 - SHRINK) * covariance + SHRINK * level * torch.eye(len(covariance), device=real.device)
        direction = torch.linalg.solve(covariance, centres[0] - centres[1])
        for side, scores in zip((real, fake), found, strict=True):
            judged = torch.arange(len(side)) % folds == fold
            scores[judged] = ((side[judged] - (centres[0] + centres[1]) / 2) @ direction).cpu()
    return found
