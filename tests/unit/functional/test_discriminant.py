"""A linear discriminator of points that it has not seen."""

import math

import pytest
import torch

from textgan_lit.functional.calibration import bound
from textgan_lit.functional.discriminant import cross_fitted


def clouds(n, apart, dim=6, seed=0):
    draws = torch.randn(2, n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    draws[0, :, 0] += apart
    return draws @ torch.randn(dim, dim, generator=torch.Generator().manual_seed(9), dtype=torch.double)


def test_a_line_between_two_clouds_by_hand():
    """One direction: s = (μ_r − μ_f) (x − middle) / (shrunk variance), of the four other fifths."""
    real, fake = torch.tensor([[3.0], [5.0], [4.0], [6.0], [9.0]]), torch.tensor([[1.0], [0.0], [2.0], [1.0], [7.0]])
    found = cross_fitted(real, fake)[0][0]  # of the point 3: by 5, 4, 6, 9 and 0, 2, 1, 7
    variance = (1 + 4 + 0 + 9 + 6.25 + 0.25 + 2.25 + 20.25) / 6
    assert found.item() == pytest.approx((6 - 2.5) * (3 - 4.25) / variance)


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0])
def test_its_bound_is_that_of_two_normal_clouds(apart):
    """The best discriminator of them is linear: log-odds x·d − d²/2."""
    found = bound(*cross_fitted(*clouds(4000, apart)))
    x = torch.linspace(-12, 14, 200_001, dtype=torch.double)
    p, q = (torch.exp(-((x - centre) ** 2) / 2) / math.sqrt(2 * math.pi) for centre in (apart, 0.0))
    true = 0.5 * torch.trapezoid(torch.xlogy(p, 2 * p / (p + q)) + torch.xlogy(q, 2 * q / (p + q)), x)
    assert abs(found.value - true) < 3 * found.se + 1e-3


def test_more_directions_than_points_prove_nothing_of_one_cloud():
    real, fake = clouds(20, 0.0, dim=64)
    assert bound(*cross_fitted(real, fake)).value < 0.1
