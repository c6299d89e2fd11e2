import pytest
import torch

from textgan_lit.functional.hypervolume import hypervolume


def test_the_area_is_that_of_a_fine_grid():
    points = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    grid = (torch.arange(1000, dtype=torch.double) + 0.5) / 1000
    covered = ((points[:, :1, None] > grid[:, None]) & (points[:, 1:, None] > grid)).any(0)
    assert float(hypervolume(points)) == pytest.approx(float(covered.double().mean()), abs=3e-3)


def test_raising_a_point_never_lowers_it_and_a_beaten_point_changes_nothing():
    points = torch.tensor([[0.2, 0.9], [0.5, 0.6], [0.8, 0.1]], dtype=torch.double)
    for row in range(3):
        for column in range(2):
            better = points.clone()
            better[row, column] += 0.05
            assert hypervolume(better) > hypervolume(points)
    assert hypervolume(torch.cat([points, torch.tensor([[0.4, 0.5]])])) == pytest.approx(float(hypervolume(points)))
    assert hypervolume(points.flip(0)) == pytest.approx(float(hypervolume(points)))


def test_what_is_not_above_the_reference_adds_nothing():
    assert hypervolume(torch.tensor([[0.5, 0.5], [-1.0, 3.0], [3.0, 0.0]])) == 0.25
    assert hypervolume(torch.tensor([[0.5, 0.5]]), (0.5, 0.0)) == 0
    assert hypervolume(torch.tensor([[2.0, 2.0]]), (1.0, 1.0)) == 1
