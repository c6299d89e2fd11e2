"""Intervals, paired tests and their power, beside scipy's."""

import math

import numpy as np
import pytest
from scipy import stats

from textgan_lit.functional.significance import half_width, holm, needed, paired, power, quantile, ratio, tail

FREEDOMS = [1, 2, 3, 9, 30, 999]


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("t", [-2.0, 0.0, 0.3, 1.0, 2.5, 12.7, 300.0, 1e7])
def test_the_tail_is_students(t, freedom):
    assert tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=1e-9, abs=0)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("shift", [-3.0, 0.5, 2.8, 15.0])
def test_a_shifted_tail_is_the_noncentral_students(shift, freedom):
    for t in (0.5, 2.0, 12.7):
        assert tail(t, freedom, shift) == pytest.approx(stats.nct.sf(t, freedom, shift), abs=1e-9)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_quantile_is_scipys(freedom):
    for above in (0.025, 0.005, 0.4):
        assert quantile(above, freedom) == pytest.approx(stats.t.isf(above, freedom), rel=1e-10)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_interval_of_a_mean_is_scipys(count):
    values = np.random.default_rng(count).normal(size=count)
    low, high = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert half_width(values.tolist()) == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_the_paired_test_is_scipys(count):
    stream = np.random.default_rng(count)
    control = stream.normal(size=count)
    values = control + stream.normal(0.4, 0.5, size=count)
    found, wanted = paired(values.tolist(), control.tolist()), stats.ttest_rel(values, control)
    low, high = wanted.confidence_interval(0.95)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert (found.pairs, found.difference) == (count, pytest.approx((values - control).mean()))
    assert found.difference - found.half == pytest.approx(low)
    assert found.difference + found.half == pytest.approx(high)


@pytest.mark.parametrize("effect", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("pairs", [2, 5, 30])
def test_power_is_what_the_noncentral_distribution_says(effect, pairs):
    edge, shift = stats.t.ppf(0.975, pairs - 1), effect * math.sqrt(pairs)
    wanted = stats.nct.sf(edge, pairs - 1, shift) + stats.nct.cdf(-edge, pairs - 1, shift)
    assert power(effect, pairs) == pytest.approx(wanted, abs=1e-8)


def test_power_is_how_often_scipys_test_tells():
    draws = np.random.default_rng(0).normal(1.2, 1.0, size=(20_000, 6))
    told = (stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05).mean()
    assert power(1.2, 6) == pytest.approx(told, abs=3.5 * math.sqrt(told * (1 - told) / 20_000))


@pytest.mark.parametrize("effect", [0.03, 0.2, 0.7, 1.5, 50.0])
def test_so_many_pairs_tell_and_one_fewer_does_not(effect):
    pairs = needed(effect)
    assert power(effect, pairs) >= 0.8
    assert pairs == 2 or power(effect, pairs - 1) < 0.8


def test_what_is_too_small_to_be_told_has_no_number():
    assert needed(0.0) is None
    assert needed(0.02) is None


def test_a_single_pair_tests_nothing_and_equal_differences_are_certain():
    alone = paired([1.0], [3.0])
    assert (alone.pairs, alone.difference, alone.needed) == (1, -2.0, None)
    assert math.isnan(alone.half)
    assert math.isnan(alone.p)
    same = paired([1.0, 2.0, 5.0], [1.0, 2.0, 5.0])
    assert (same.difference, same.half, same.p, same.needed) == (0.0, 0.0, 1.0, None)
    shifted = paired([1.0, 2.0, 5.0], [0.5, 1.5, 4.5])
    assert (shifted.difference, shifted.half, shifted.p, shifted.needed) == (0.5, 0.0, 0.0, 2)


def test_holms_p_values_by_hand():
    # In order 0.01 · 3, 0.02 · 2 = 0.04, 0.9 · 1; none below the one before it, none above 1, NaN left out
    assert holm([0.9, 0.01, math.nan, 0.02])[:2] == pytest.approx([0.9, 0.03])
    assert holm([0.9, 0.01, math.nan, 0.02])[3] == pytest.approx(0.04)
    assert holm([0.03, 0.031]) == pytest.approx([0.06, 0.06])  # the second is not told more surely than the first
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert math.isnan(holm([math.nan])[0])


@pytest.mark.parametrize("count", [2, 3, 8, 40])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_interval_of_a_ratio_ends_where_a_paired_test_begins_to_tell(count, sign):
    stream = np.random.default_rng(count)
    below = sign * stream.normal(5, 0.2, size=count)
    above = 0.6 * below + stream.normal(0, 0.4, size=count)
    found = ratio(above.tolist(), below.tolist())
    assert found.value == pytest.approx(above.mean() / below.mean())
    assert found.low < found.value < found.high
    for end in (found.low, found.high):
        assert stats.ttest_1samp(above - end * below, 0).pvalue == pytest.approx(0.05)


def test_nothing_is_measured_in_units_of_what_may_be_nothing():
    above, below = [1.0, 1.1, 0.9], [0.3, -0.2, 0.1]
    assert stats.ttest_1samp(below, 0).pvalue > 0.05
    assert ratio(above, below) is None
    assert ratio([1.0], [2.0]) is ratio([], []) is None
    assert ratio([1.0, 2.0], [2.0, 2.0]) == pytest.approx(
        (0.75, 0.75 - half_width([0.5, 1.0]), 0.75 + half_width([0.5, 1.0]))
    )
