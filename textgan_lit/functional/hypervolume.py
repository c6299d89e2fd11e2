"""How much of the plane a frontier of two qualities covers: one number for all temperatures of a generator."""

from __future__ import annotations

from jaxtyping import Float, Float64
from torch import Tensor


def hypervolume(points: Float[Tensor, "N 2"], reference: tuple[float, float] = (0.0, 0.0)) -> Float64[Tensor, ""]:
    """The area between ``reference`` and the points, where a point covers all that is lower in both coordinates.

    More is better. It grows with a point that no other beats in both coordinates, and with nothing else; a point
    that is not above the reference in both adds nothing. Source: Zitzler & Thiele 1998, *Multiobjective optimization
    using evolutionary algorithms*.

    >>> import torch
    >>> hypervolume(torch.tensor([[1.0, 0.5], [0.5, 1.0], [0.4, 0.4]]))
    tensor(0.7500, dtype=torch.float64)
    """
    above = (points.double() - points.new_tensor(reference, dtype=points.double().dtype)).clamp_min(0)
    x, y = above[above[:, 0].argsort(descending=True)].unbind(1)
    highest = y.cummax(0).values  # among the points at least as far to the right
    return (x * highest.diff(prepend=highest.new_zeros(1))).sum()
