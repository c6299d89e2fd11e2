r"""What a few seeds can say: the interval of a mean, paired tests, and how many seeds it would take to tell.

Everything here is one integral. With Z standard normal and νS² an independent χ² of ν degrees of freedom,

.. math:: P\{(Z + δ) / S > t\} = E[Φ(δ − tS)]

is the upper tail of Student's t where δ = 0, and otherwise that of the noncentral t: the power of a test. Plain numbers
in, plain numbers out, and no torch: whoever reads a table need not wait for it.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

LEVEL = 0.05  # of tests, two-sided; intervals leave out as much
POWER = 0.8  # the chance to tell, by convention
MOST = 10_000  # pairs that are looked at
FAR = 45  # what is e⁻⁴⁵ as likely as the likeliest is left out


class Paired(NamedTuple):
    """Values beside a control's, pair by pair. ``half`` and ``p`` are NaN of a single pair."""

    pairs: int
    difference: float  # mean of value − control
    half: float  # of its 95 % interval
    p: float  # two-sided, of Student's paired t test
    needed: int | None  # pairs with which such a test would tell; None where MOST would not, or nobody can know


class Ratio(NamedTuple):
    """A ratio of two means and its 95 % interval."""

    value: float
    low: float
    high: float


def tail(t: float, freedom: int, shift: float = 0.0) -> float:
    """P{T > t} for Student's t with ``freedom`` ≥ 1 degrees of freedom; noncentral where there is a ``shift``.

    By the trapezoid rule over log S, whose density is ∝ exp(ν(u − e²ᵘ/2)): exact to some 1e-12 of itself.

    >>> round(tail(1.0, freedom=1), 12), round(tail(2.0, freedom=10**6), 5)  # Cauchy, and all but normal
    (0.25, 0.02275)
    """
    width = math.sqrt(FAR / freedom)
    low = -(math.log1p(max(t, 0.0) ** 2 / freedom) / 2 + width + FAR / freedom)
    step = 0.15 / (math.sqrt(freedom) + abs(shift))
    places = [low + step * n for n in range(math.ceil((min(width, 3.0) - low) / step) + 1)]
    weights = [math.exp(freedom * (u - math.expm1(2 * u) / 2)) for u in places]
    parts = (w * math.erfc((t * math.exp(u) - shift) / math.sqrt(2)) for w, u in zip(weights, places, strict=True))
    return math.fsum(parts) / 2 / math.fsum(weights)


@functools.cache
def quantile(above: float, freedom: int) -> float:
    """The t ≥ 0 with P{T > t} = ``above``, which is between 0 and 1/2.

    >>> round(quantile(0.025, freedom=1), 4), round(quantile(0.025, freedom=4), 4)
    (12.7062, 2.7764)
    """
    low, high = 0.0, 2.0
    while tail(high, freedom) > above:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle, freedom) > above else (low, middle)
    return high


def half_width(values: Sequence[int | float]) -> float:
    """Half of the 95 % interval of the mean (Student's t); NaN of a single value.

    >>> round(half_width([1.0, 3.0]), 4)  # 12.7062 · √2 / √2
    12.7062
    """
    if len(values) < 2:
        return math.nan
    return quantile(LEVEL / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def paired(values: Sequence[int | float], control: Sequence[int | float]) -> Paired:
    """Student's paired t test; ``values[i]`` and ``control[i]`` are a pair. At least one pair.

    >>> found = paired([1.0, 2.0, 3.0], [1.5, 2.0, 4.0])  # differences −0.5, 0, −1
    >>> found.pairs, found.difference, round(found.p, 4)
    (3, -0.5, 0.2254)
    """
    differences = [value - other for value, other in zip(values, control, strict=True)]
    mean, pairs = statistics.fmean(differences), len(differences)
    if pairs == 1:
        return Paired(1, mean, math.nan, math.nan, None)
    deviation = statistics.stdev(differences)
    if deviation == 0:  # the two have nothing that differs between pairs
        return Paired(pairs, mean, 0.0, float(mean == 0), None if mean == 0 else 2)
    effect = abs(mean) / deviation
    p = min(1.0, 2 * tail(effect * math.sqrt(pairs), pairs - 1))
    return Paired(pairs, mean, half_width(differences), p, needed(effect))


def ratio(above: Sequence[int | float], below: Sequence[int | float]) -> Ratio | None:
    """The mean of ``above`` in units of the mean of ``below``, which were measured in pairs: of two at least.

    The interval holds each θ with which a paired test of above − θ · below tells nothing. Where the mean of ``below``
    itself cannot be told from 0 it has no end, and there is no ratio to speak of: None.
    Source: Fieller 1954, *Some problems in interval estimation*.

    >>> found = ratio([1.0, 2.0, 3.0], [3.9, 4.0, 4.1])
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.5, -0.129, 1.0555)
    """
    pairs = len(above)
    if pairs < 2:
        return None
    top, bottom = statistics.fmean(above), statistics.fmean(below)
    edge = quantile(LEVEL / 2, pairs - 1) ** 2 / pairs
    own, others = edge * statistics.variance(above), edge * statistics.variance(below)
    shared = edge * statistics.covariance(above, below)
    lead = bottom**2 - others  # of θ² lead − 2 θ middle + rest ≤ 0
    if lead <= 0:
        return None
    middle = top * bottom - shared
    spread = math.sqrt(max(middle**2 - lead * (top**2 - own), 0.0))
    return Ratio(top / bottom, (middle - spread) / lead, (middle + spread) / lead)


def power(effect: float, pairs: int) -> float:
    """The chance that a paired two-sided test at 5 % tells, where the mean difference is ``effect`` ≥ 0 of its own
    standard deviation between pairs. At least two pairs.

    >>> round(power(0.0, 5), 6), round(power(1.0, 10), 4)
    (0.05, 0.8031)
    """
    edge, shift = quantile(LEVEL / 2, pairs - 1), effect * math.sqrt(pairs)
    return tail(edge, pairs - 1, shift) + tail(edge, pairs - 1, -shift)


def needed(effect: float) -> int | None:
    """The fewest pairs whose :func:`power` is 80 %; None where that is more than ``MOST``.

    >>> needed(1.0), needed(0.5), needed(0.0)
    (10, 34, None)
    """
    low, high = 1, 2
    while power(effect, high) < POWER:
        if high == MOST:
            return None
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle) >= POWER else (middle, high)
    return high


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values of tests that are looked at together: what stays below 5 % does so with all of them in mind.

    Source: Holm 1979, *A simple sequentially rejective multiple test procedure*. NaN, a test that was not made, stays.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    made = sorted((p, place) for place, p in enumerate(ps) if not math.isnan(p))
    adjusted, least = list(ps), 0.0
    for rank, (p, place) in enumerate(made):
        least = max(least, min(1.0, (len(made) - rank) * p))
        adjusted[place] = least
    return adjusted
