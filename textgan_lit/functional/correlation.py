"""Whether two numbers follow each other, or rank the same things alike. Plain numbers in, plain numbers out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def spearman(one: Sequence[int | float], other: Sequence[int | float]) -> float | None:
    """Correlation of ranks; equal numbers share theirs. None where all of one side are equal.

    >>> spearman([1, 2, 3], [10, 20, 15]), spearman([1, 1, 1], [1, 2, 3])
    (0.5, None)
    """
    sides = _ranks(one), _ranks(other)
    if any(len(set(side)) == 1 for side in sides):
        return None
    return round(statistics.correlation(*sides), 12)


def _ranks(values: Sequence[int | float]) -> list[int | float]:
    places: dict[int | float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [(places[value][0] + places[value][-1]) / 2 for value in values]


def spearman_se(correlation: float, n: int) -> float:
    """Standard error of a correlation of the ranks of n: that of :func:`interval`, where z is straightened."""
    return (1 - correlation**2) * math.sqrt((1 + correlation**2 / 2) / (n - 3)) if n > 3 else math.nan


def pearson(one: Sequence[int | float], other: Sequence[int | float]) -> tuple[float, float] | None:
    """Correlation of the numbers themselves, and its standard error. None where all of one side are equal, or one is
    infinite.

    The error is the delta method's, whatever the distribution: the spread of xy − r (x² + y²)/2 of standardised x and
    y, over √n.

    >>> pearson([1, 2, 3, 4], [2, 4, 6, 8])
    (1.0, 0.0)
    """
    if not all(map(math.isfinite, (*one, *other))) or any(len(set(side)) < 2 for side in (one, other)):
        return None
    x, y = map(_standardised, (one, other))
    value = statistics.fmean(a * b for a, b in zip(x, y, strict=True))
    influence = [a * b - value * (a * a + b * b) / 2 for a, b in zip(x, y, strict=True)]
    return round(value, 12), round(math.sqrt(statistics.fmean(one**2 for one in influence) / len(x)), 12)


def _standardised(values: Sequence[int | float]) -> list[float]:
    mean = statistics.fmean(values)
    spread = math.sqrt(statistics.fmean((value - mean) ** 2 for value in values))  # statistics' own is exact, and slow
    return [(value - mean) / spread for value in values]


def interval(correlation: float, runs: int) -> tuple[float, float]:
    """95 %: Fisher's z with the variance of Bonett and Wright (2000), (1 + ρ²/2) / (n − 3).

    NaN of fewer than four runs, and where all ranks agree: z is then infinite, which is no certainty. Of four runs
    whose ranks have nothing to do with each other, one study in twelve finds ρ = ±1.

    >>> [round(end, 2) for end in interval(0.8, 4)], interval(1.0, 4)
    ([-0.82, 1.0], (nan, nan))
    """
    if runs < 4 or abs(correlation) == 1:
        return math.nan, math.nan
    z = math.atanh(correlation)
    half = 1.96 * math.sqrt((1 + correlation**2 / 2) / (runs - 3))
    return math.tanh(z - half), math.tanh(z + half)
