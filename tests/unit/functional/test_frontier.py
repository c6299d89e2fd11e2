"""The gap at matched entropy, by what must not move it and by hand."""

import numpy as np
import pytest

from textgan_lit.functional.frontier import gap


def tempered(logits, truth, temperatures):
    """(H(G), cross-entropy of G's tokens under P) of one distribution at each temperature, in closed form."""
    points = []
    for temperature in temperatures:
        g = np.exp(logits / temperature - np.logaddexp.reduce(logits / temperature))
        points.append((-(g * np.log(g)).sum(), -(g * np.log(truth)).sum()))
    return points


@pytest.fixture
def world():
    stream = np.random.default_rng(0)
    truth = stream.dirichlet(np.full(12, 3.0))
    return np.log(truth) + stream.normal(0, 0.8, 12), truth


def test_lowering_the_temperature_gains_nothing(world):
    reference = tempered(*world, np.linspace(0.3, 1.3, 40))
    colder = tempered(*world, np.linspace(0.4, 0.7, 7))
    assert min(cost for _, cost in colder) < min(tempered(*world, [1.0]))[1]  # which NLL_oracle alone would call better
    assert gap(colder, reference) == pytest.approx(0, abs=2e-3)


def test_a_better_model_has_a_gap_below_0_at_whatever_temperatures(world):
    logits, truth = world
    reference = tempered(logits, truth, np.linspace(0.3, 1.3, 40))
    nearer = (logits + np.log(truth)) / 2
    for temperatures in (np.linspace(0.5, 1.0, 6), np.linspace(0.8, 1.2, 6)):
        assert gap(tempered(nearer, truth, temperatures), reference) < -0.02


def test_it_is_the_area_between_two_lines_over_its_width():
    assert gap([(0.0, 0.0), (1.0, 2.0), (3.0, 2.0)], [(1.0, 1.0), (2.0, 0.0)]) == pytest.approx(1.5)  # 1 at 1, 2 at 2
    assert gap([(2.0, 0.0), (1.0, 1.0)], [(3.0, 2.0), (0.0, 0.0), (1.0, 2.0)]) == pytest.approx(
        -1.5
    )  # in whatever order, and the other way


@pytest.mark.parametrize("ours", [[], [(1.0, 1.0)], [(5.0, 1.0), (6.0, 1.0)], [(2.0, 0.0), (3.0, 0.0)]])
def test_nothing_is_said_where_no_entropy_is_common(ours):
    assert gap(ours, [(1.0, 1.0), (2.0, 0.0)]) is None
