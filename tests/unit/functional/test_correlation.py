"""Ranks that agree."""

import itertools
import math

import pytest
from scipy import stats

from textgan_lit.functional.correlation import interval, pearson, spearman, spearman_se


@pytest.mark.parametrize("one", [[1, 2, 3, 4, 5], [3, 1, 2, 2, 9], [0.1, 0.1, 0.1, 0.2, 0.0]])
def test_the_correlation_of_ranks_is_scipys(one):
    other = [2.0, 7.0, 1.0, 7.0, 3.0]
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)


def test_the_error_of_ranks_is_that_of_their_interval():
    """Of a small interval: half of it is 1.96 of them."""
    low, high = interval(0.5, 10_003)
    assert spearman_se(0.5, 10_003) == pytest.approx((high - low) / 2 / 1.96, rel=1e-3)
    assert math.isnan(spearman_se(0.5, 3))


def test_the_correlation_of_numbers_is_scipys_and_its_error_their_spread():
    draws = stats.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], seed=1).rvs((400, 200))
    found = [pearson(*sample.T.tolist()) for sample in draws]
    assert found[0][0] == pytest.approx(stats.pearsonr(*draws[0].T).statistic)
    spread = stats.tstd([value for value, _ in found])
    assert sum(error for _, error in found) / 400 == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("odd", [[1.0, 1.0, 1.0], [0.0, 1.0, -math.inf]])
def test_numbers_that_are_all_the_same_or_infinite_have_no_correlation(odd):
    assert pearson([1.0, 2.0, 3.0], odd) is None


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
