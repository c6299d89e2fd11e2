"""MAUVE of histograms: its closed forms, the laws of a divergence, and the authors' own code."""

import math

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.functional.mauve import divergence_curve, mauve, principal
from textgan_lit.noise import stream


def histogram(name: str, bins: int = 6, empty: int = 0) -> torch.Tensor:
    counts = torch.randint(1, 20, (bins,), generator=stream(name)).double()
    counts[:empty] = 0
    return counts / counts.sum()


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_histogram_covers_itself(name):
    assert float(mauve(histogram(name), histogram(name))) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("scaling", [1.0, 2.0, 5.0])
def test_histograms_with_nothing_in_common(scaling):
    # KL(Q|R) = -log(1-w) and KL(P|R) = -log w, so the curve is ((1-w)^c, w^c), and the area under it
    # int (1-w)^c c w^(c-1) dw = c B(c, c+1) = c!^2 / (2c)!
    p, q = torch.tensor([0.3, 0.7, 0, 0]), torch.tensor([0, 0, 0.6, 0.4])
    assert float(mauve(p, q, scaling, mixtures=4000)) == pytest.approx(
        1 / math.comb(int(2 * scaling), int(scaling)), rel=1e-5
    )


def test_half_in_common_by_hand():
    # P = (1/2, 1/2, 0), Q = (0, 1/2, 1/2), one mixture w = 1/2: R = (1/4, 1/2, 1/4), both KLs = 1/2 log 2,
    # so with c = 2 the point is (1/2, 1/2)
    p, q = torch.tensor([0.5, 0.5, 0]), torch.tensor([0, 0.5, 0.5])
    curve = divergence_curve(p, q, scaling=2.0, mixtures=3)
    assert_close(curve[2], torch.tensor([0.5, 0.5]).double())
    assert_close(curve[[0, -1]], torch.tensor([[1.0, 0], [0, 1]]).double())


def test_neither_side_nor_the_order_of_bins_matters():
    p, q = histogram("p"), histogram("q", empty=2)
    order = torch.randperm(6, generator=stream("order"))
    value = float(mauve(p, q))
    assert 0 < value < 1
    assert float(mauve(q, p)) == pytest.approx(value, rel=1e-9)
    assert float(mauve(p[order], q[order])) == pytest.approx(value, rel=1e-12)


def test_a_bin_that_both_leave_empty_changes_nothing():
    p, q, none = histogram("p"), histogram("q"), torch.zeros(1).double()
    assert_close(mauve(torch.cat([p, none]), torch.cat([q, none])), mauve(p, q))


def test_who_cannot_tell_bins_apart_sees_less_of_a_difference():
    p, q = histogram("p"), histogram("q")
    joined = [torch.cat([side[:2].sum(0, keepdim=True), side[2:]]) for side in (p, q)]
    assert float(mauve(*joined)) > float(mauve(p, q))


def test_it_falls_with_every_step_away():
    p, q = histogram("p"), histogram("q")
    values = [float(mauve(p, (1 - step) * p + step * q)) for step in (0, 0.25, 0.5, 0.75, 1)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.1


@pytest.mark.parametrize("empty", [0, 1, 3])
@pytest.mark.parametrize("scaling", [1.0, 5.0])
def test_the_authors_code_agrees(empty, scaling):
    """mauve-text on the same histograms."""
    theirs = pytest.importorskip("mauve.compute_mauve")
    auc = pytest.importorskip("sklearn.metrics").auc
    np = pytest.importorskip("numpy")
    p, q = histogram(f"p {empty}"), histogram("q", empty=empty)
    points = theirs.get_divergence_curve_for_multinomials(
        p.numpy(), q.numpy(), np.linspace(1e-6, 1 - 1e-6, 25), scaling
    )
    ours = divergence_curve(p, q, scaling)
    assert_close(ours, torch.from_numpy(points), rtol=0, atol=1e-9)
    x, y = points.T
    areas = [auc(one[one.argsort()], other[one.argsort()]) for one, other in ((x, y), (y, x))]
    assert float(mauve(p, q, scaling)) == pytest.approx(sum(areas) / 2, abs=1e-6)


def test_all_components_keep_every_distance():
    points = torch.randn(7, 4, generator=stream("points"))
    assert_close(torch.cdist(principal(points, 1.0), principal(points, 1.0)), torch.cdist(points, points).double())


@pytest.mark.parametrize(("share", "kept"), [(0.5, 1), (0.9, 1), (0.91, 2), (0.99, 2), (0.995, 3)])
def test_as_many_components_as_hold_the_share(share, kept):
    # along the axes the variances are as 90, 9 and 1
    axes = torch.tensor([90.0, 9, 1]).sqrt().diag()
    points = torch.cat([axes, -axes])
    found = principal(points, share - 1e-6)
    assert found.shape == (6, kept)
    assert float(found.square().sum() / points.square().sum()) >= share - 1e-5


def test_points_without_any_variance():
    assert principal(torch.ones(5, 3), 0.9).abs().max() == 0
