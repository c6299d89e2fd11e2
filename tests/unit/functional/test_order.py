"""Permutations, there and back, and P's tokens in any order against sums over all sentences."""

from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.functional.order import Marginals, positions, to_generation_order, to_reading_order


@pytest.mark.parametrize("length", [1, 2, 3, 6, 7, 20])
@pytest.mark.parametrize("order", ["l2r", "r2l", "random", "binary_tree"])
def test_every_position_is_written_once(order, length):
    assert sorted(positions(order, length)) == list(range(length))


def test_orders_by_hand():
    assert positions("binary_tree", 7) == [3, 1, 5, 0, 2, 4, 6]
    assert positions("binary_tree", 6) == [2, 0, 4, 1, 3, 5]  # left of the middle where there are two
    assert positions("random", 9, seed=1) == positions("random", 9, seed=1) != positions("random", 9, seed=2)


@pytest.mark.parametrize("order", ["middle", [0, 1], [0, 1, 1], [1, 2, 3], "", []])
def test_what_is_no_order_is_refused(order):
    with pytest.raises(ValueError, match="no order of 3 positions"):
        positions(order, 3)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3)])
def test_reading_undoes_writing_with_one_order_or_one_a_row(shape):
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(shape, generator=stream)
    for order in (torch.tensor([[2, 0, 3, 1]]), torch.rand(5, 4, generator=stream).argsort(1)):
        steps = to_generation_order(x, order)
        assert to_reading_order(steps, order).equal(x)
        for row in range(5):
            places = order[row % len(order)].tolist()
            assert all(steps[row, step].equal(x[row, place]) for step, place in enumerate(places))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_marginals_are_sums_over_what_is_written_later(order):
    joint = torch.rand(2, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    joint /= joint.sum()
    sentences = torch.cartesian_prod(*[torch.arange(2)] * 3)
    found = Marginals(joint.log(), order).predict(sentences[:, list(order)]).exp()
    for row, sentence in enumerate(sentences):
        for step, place in enumerate(order):
            before = list(order[:step])
            same = (sentences[:, before] == sentence[before]).all(1)
            wanted = [joint.flatten()[same & (sentences[:, place] == token)].sum() for token in (0, 1)]
            wanted = torch.stack(wanted) / joint.flatten()[same].sum()
            assert_close(found[row, step], wanted)
