"""How far apart two clouds of points are, each seen as a normal distribution."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def frechet(a: Float[Tensor, "N H"], b: Float[Tensor, "M H"]) -> Float64[Tensor, ""]:
    r"""The squared Fréchet distance of the normal distributions with the points' means and covariances, in float64.

    .. math:: \|\mu_a - \mu_b\|^2 + \mathrm{tr}(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2})

    With finitely many points it lies above 0 even where both come from one distribution, and the more so the fewer
    they are. Sources: Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500 (of features of images).

    >>> frechet(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))  # the same shape, 3 to the right
    tensor(9., dtype=torch.float64)
    """
    a, b = a.double(), b.double()
    ours, theirs = (torch.atleast_2d(side.T.cov()) for side in (a, b))
    # tr (ΣaΣb)^½ = Σ √eigenvalue of √Σa Σb √Σa, which is symmetric: no complex numbers, and singular Σ are fine
    half = _root(ours)
    cross = torch.linalg.eigvalsh(half @ theirs @ half).clamp_min(0).sqrt().sum()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    return (apart + ours.trace() + theirs.trace() - 2 * cross).clamp_min(0)


def _root(matrix: Float64[Tensor, "H H"]) -> Float64[Tensor, "H H"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
