import pytest
import torch

from textgan_lit.metrics.distinct import Distinct
from textgan_lit.types import TextBatch


def batch(*rows: list[int]) -> TextBatch:
    tokens = torch.tensor(rows)
    return TextBatch(tokens, tokens >= 0)


def test_the_shares_are_those_of_a_set_of_tuples():
    fake = batch([1, 2, 1, 2], [1, 2, 3, -1], [4, -1, -1, -1])
    found = Distinct([1, 2, 3]).measure(batch([7, 7, 7, 7]), fake)
    assert found["quality/distinct1_3"] == 4 / 8
    assert found["quality/distinct2_3"] == 3 / 5  # 12 21 12 | 12 23
    assert found["quality/distinct3_3"] == 1.0  # 121 212 | 123
    assert found["quality/distinct2_1_real"] == pytest.approx(1 / 3)


def test_what_no_sentence_is_long_enough_for_is_absent():
    assert Distinct([2, 5]).measure(batch([1]), batch([1])).keys() == set()


def test_batches_and_processes_do_not_matter():
    a, b = batch([1, 2, 3], [3, 2, 1]), batch([1, 2, 3], [2, 2, 2])
    whole, parts = Distinct(), Distinct()
    whole.update(a, b)
    for row in (slice(0, 1), slice(1, 2)):
        parts.update(*(TextBatch(side.tokens[row], side.mask[row]) for side in (a, b)))
    assert whole.compute() == parts.compute()
