"""Draws whose mean is known: what is granted to chance, and what is not."""

import math

import pytest
import torch

from textgan_lit.functional.agreement import agreement

EXACT = torch.tensor([3.0, 4.0, *[0.0] * 48])  # |e| = 5


def noisy(mean, n=100, seed=0, scale=10.0, directions=50):
    """Normal draws around ``mean`` whose covariance has so many directions."""
    stream = torch.Generator().manual_seed(seed)
    noise = scale * torch.randn(n, directions, generator=stream) @ torch.eye(50)[:directions]
    return mean + noise


def test_the_numbers_by_hand():
    # In units of |e|: (1, 0) and (0.6, 0.4) along and across e, so the mean is (0.8, 0.2).
    across = torch.tensor([-4.0, 3.0, *[0.0] * 48])
    found = agreement(torch.stack([EXACT, 0.6 * EXACT + 0.4 * across]), EXACT)
    assert found.along == pytest.approx(0.8)
    assert found.along_se == pytest.approx(0.2)  # half of the difference of two draws
    assert found.off == pytest.approx(1.0)
    assert found.seen == pytest.approx(4.0)
    assert found.cosine == pytest.approx(0.8 / math.hypot(0.8, 0.2))
    assert found.variance == pytest.approx(2 * (0.2**2 + 0.2**2))
    assert found.cosine_expected == pytest.approx(1 / math.sqrt(1 + 0.16 / 2))
    assert found.distance2 == pytest.approx(0.0, abs=1e-6)  # errors (0, 0) and (−0.4, 0.4): their product


@pytest.mark.parametrize("directions", [50, 3])
def test_chance_is_called_chance(directions):
    """Of 300 tests of a true mean, as many are beyond 1 and 2 SE as a normal variable's would be."""
    found = [agreement(noisy(EXACT, seed=seed, directions=directions), EXACT) for seed in range(300)]
    for limit, share in ((1.0, 0.159), (2.0, 0.0228)):
        beyond = sum(one.aside > limit for one in found) / 300
        assert abs(beyond - share) < 3.5 * math.sqrt(share / 300) + 0.01
        outside = sum(one.off > limit for one in found) / 300
        assert abs(outside - 2 * share) < 3.5 * math.sqrt(2 * share / 300) + 0.01
    mean = sum(one.distance2 for one in found) / 300
    assert abs(mean) < 3.5 * math.sqrt(sum(one.distance2_se**2 for one in found)) / 300


def test_a_shorter_mean_is_off_and_not_aside():
    found = agreement(noisy(0.5 * EXACT, n=1000, scale=3.0), EXACT)
    assert found.off > 10
    assert found.aside < 3
    assert found.distance2 == pytest.approx(0.25, abs=3 * found.distance2_se)


def test_a_turned_mean_is_aside_and_not_off():
    turned = EXACT + torch.eye(50)[7] * 2.5
    found = agreement(noisy(turned, n=1000, scale=3.0), EXACT)
    assert found.off < 3
    assert found.aside > 10
    assert found.distance2 == pytest.approx(0.25, abs=3 * found.distance2_se)


def test_nothing_is_expected_of_a_share_of_nothing():
    found = agreement(noisy(0 * EXACT), EXACT, share=0.0)
    assert max(found.off, found.aside) < 3
    assert agreement(noisy(EXACT, scale=1.0), EXACT, share=0.0).off > 10


def test_without_noise_an_equality_is_an_equality():
    same = EXACT.expand(5, -1)
    found = agreement(same, EXACT)
    assert (found.off, found.aside, found.variance) == (0.0, 0.0, 0.0)
    assert found.seen == math.inf
    assert agreement(0.9 * same, EXACT).off > 1e6  # inf, but for rounding
    assert agreement(same + torch.eye(50)[7], EXACT).aside > 1e6
    nothing = agreement(0 * same, EXACT, share=0.0)
    assert (nothing.off, nothing.aside, nothing.cosine) == (0.0, 0.0, 0.0)
