"""Whether two numbers rank the same things alike. Plain numbers in, plain numbers out."""

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
    return [statistics.mean(places[value]) for value in values]


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
