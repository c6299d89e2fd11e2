"""What one family of models costs more than another of the same entropy: tempering alone gains nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]  # entropy of what is written, and its cost


def gap(ours: Sequence[Point], theirs: Sequence[Point]) -> float | None:
    """The mean over their common entropies of our cost minus theirs, both by straight lines between points.

    Less is better, below 0 is better than they are. A family against itself has 0 wherever on its line the points lie,
    so a temperature moves along the line and off it only where the line is not straight. None where no stretch of
    entropy is common: nothing is extrapolated. Source: the temperature sweeps of Caccia et al. 2020 (arXiv:1811.02549),
    read at one entropy.

    >>> likelihood = [(1.0, 3.0), (2.0, 4.0)]
    >>> gap([(1.5, 3.5), (1.75, 3.75)], likelihood), gap([(0.0, 1.0), (2.0, 3.0)], likelihood)
    (0.0, -1.0)
    """
    a, b = (np.array(sorted(points), dtype=float).reshape(-1, 2).T for points in (ours, theirs))
    if not a.size or not b.size:
        return None
    low, high = max(a[0, 0], b[0, 0]), min(a[0, -1], b[0, -1])
    if low >= high:
        return None
    inner = np.concatenate([a[0], b[0]])
    knots = np.unique(np.concatenate([[low, high], inner[(inner > low) & (inner < high)]]))
    apart = np.interp(knots, *a) - np.interp(knots, *b)
    return float(((apart[1:] + apart[:-1]) / 2 * np.diff(knots)).sum() / (high - low))
