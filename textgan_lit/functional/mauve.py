"""MAUVE: how well two histograms cover each other, as the area under the curve of both kinds of error."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

EDGE = 1e-6  # how near the mixtures come to P and to Q themselves


def divergence_curve(
    p: Float[Tensor, " K"], q: Float[Tensor, " K"], scaling: float = 5.0, mixtures: int = 25
) -> Float64[Tensor, "C 2"]:
    r"""The curve from (1, 0) to (0, 1) of what Q says that P does not, and of what P says that Q does not.

    .. math:: (e^{-c\,\mathrm{KL}(Q\|R_w)},\ e^{-c\,\mathrm{KL}(P\|R_w)}),\quad R_w = wP + (1-w)Q

    for so many ``mixtures`` R between the two, and its ends. ``p`` and ``q`` each sum to 1; ``scaling`` is c > 0.
    Source: Pillutla et al. 2021, arXiv:2102.01454, equations 1 and 2.
    """
    p, q = p.double(), q.double()
    w = torch.linspace(EDGE, 1 - EDGE, mixtures, dtype=p.dtype, device=p.device).unsqueeze(1)
    r = w * p + (1 - w) * q
    kl = [(torch.xlogy(side, side) - torch.xlogy(side, r)).sum(1).clamp_min(0) for side in (q, p)]
    ends = torch.eye(2, dtype=p.dtype, device=p.device)
    return torch.cat([ends[:1], (-scaling * torch.stack(kl, 1)).exp(), ends[1:]])


def mauve(
    p: Float[Tensor, " K"], q: Float[Tensor, " K"], scaling: float = 5.0, mixtures: int = 25
) -> Float64[Tensor, ""]:
    r"""The area under :func:`divergence_curve`, by the trapezoidal rule: 1 where the histograms are one, and
    :math:`1 / \binom{2c}{c}` (1/252 for c = 5), but for the rule's error, where they have nothing in common.

    >>> mauve(torch.tensor([0.25, 0.75]), torch.tensor([0.25, 0.75]))
    tensor(1., dtype=torch.float64)
    """
    x, y = divergence_curve(p, q, scaling, mixtures).unbind(1)
    return torch.trapezoid(x, y)


def principal(points: Float[Tensor, "N H"], share: float) -> Float64[Tensor, "N h"]:
    """The points seen from their mean along as few principal components as hold ``share`` of their variance."""
    centred = points.double() - points.double().mean(0)
    left, spread, _ = torch.linalg.svd(centred, full_matrices=False)
    held = spread.square().cumsum(0)
    kept = int((held < share * held[-1]).sum()) + 1
    return left[:, :kept] * spread[:kept]
