import numpy
import pytest
import scipy.linalg
import torch

from textgan_lit.functional.frechet import frechet


def cloud(n: int, size: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, size, generator=generator, dtype=torch.double)
    return mixed @ torch.randn(size, size, generator=generator, dtype=torch.double) + seed


def reference(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """As the code of Heusel et al. computes it."""
    ours, theirs = numpy.cov(a, rowvar=False), numpy.cov(b, rowvar=False)
    apart = a.mean(0) - b.mean(0)
    return float(apart @ apart + numpy.trace(ours + theirs - 2 * scipy.linalg.sqrtm(ours @ theirs).real))


@pytest.mark.parametrize("size", [2, 7, 30])
def test_it_is_scipys(size):
    a, b = cloud(200, size, 1), cloud(150, size, 2)
    assert float(frechet(a, b)) == pytest.approx(reference(a.numpy(), b.numpy()), rel=1e-9)
    assert float(frechet(a, b)) == pytest.approx(float(frechet(b, a)), rel=1e-9)


def test_a_cloud_is_at_no_distance_from_itself_and_a_shift_is_its_square():
    a = cloud(50, 5, 1)
    assert float(frechet(a, a)) == pytest.approx(0, abs=1e-8)
    assert float(frechet(a, a + 2)) == pytest.approx(5 * 4)


def test_fewer_points_than_dimensions_are_no_trouble():
    a, b = cloud(4, 9, 1), cloud(5, 9, 2)
    assert float(frechet(a, b)) > 0
    assert float(frechet(a.float(), a.float())) == pytest.approx(0, abs=1e-5)
