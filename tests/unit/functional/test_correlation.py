"""Ranks that agree."""

import itertools
import math

import pytest
from scipy import stats

from textgan_lit.functional.correlation import interval, spearman


@pytest.mark.parametrize("one", [[1, 2, 3, 4, 5], [3, 1, 2, 2, 9], [0.1, 0.1, 0.1, 0.2, 0.0]])
def test_the_correlation_of_ranks_is_scipys(one):
    other = [2.0, 7.0, 1.0, 7.0, 3.0]
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)


def test_few_runs_have_no_interval_and_many_have_a_small_one():
    assert all(map(math.isnan, interval(0.5, 3)))
    low, high = interval(0.5, 103)
    assert (low, high) == pytest.approx((math.tanh(0.549306 - 0.207889), math.tanh(0.549306 + 0.207889)), abs=1e-5)


@pytest.mark.parametrize("runs", [3, 4, 5, 6, 7])
def test_ranks_that_have_nothing_to_do_with_each_other_are_seldom_said_to(runs):
    """Of all orders of the runs, at most one in twenty has an interval without 0; and none is a single point."""
    told = 0
    for order in itertools.permutations(range(runs)):
        correlation = 1 - 6 * sum((a - b) ** 2 for a, b in enumerate(order)) / (runs**3 - runs)
        low, high = interval(round(correlation, 12), runs)
        told += low > 0 or high < 0
        assert math.isnan(low) or (low < correlation < high and high - low > 0.1)
    assert told <= 0.05 * math.factorial(runs)
