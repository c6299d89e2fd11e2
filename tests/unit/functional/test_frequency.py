"""SciPy says what a JSD is; a few lines of Python with Counters, what MS-Jaccard is."""

import math

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.ngrams import batch, naive_jaccard, scipys
from textgan_lit.functional.frequency import ms_jaccard, ngram_jsd

ORDERS = (1, 2, 3, 4, 5)


@pytest.mark.parametrize("tokens", [2, 5, 40])
@pytest.mark.parametrize(("size", "longest"), [((40, 30), (9, 7)), ((5, 60), (8, 12))])
def test_both_are_those_of_others(tokens, size, longest):
    one, other = (batch(n, most, tokens, shortest=2) for n, most in zip(size, longest, strict=True))
    wanted = torch.tensor([scipys(one, other, n) for n in ORDERS], dtype=torch.double)
    assert_close(ngram_jsd(*one, *other, ORDERS), wanted, rtol=0, atol=1e-9)
    wanted = torch.tensor([naive_jaccard(one, other, n) for n in ORDERS], dtype=torch.double)
    assert_close(ms_jaccard(*one, *other, ORDERS), wanted, rtol=0, atol=1e-9)


def test_identical_and_disjoint_sets():
    tokens, mask = batch(20, 9, 6, shortest=5)
    again = torch.randperm(20)
    same, apart = (tokens[again], mask[again]), (tokens + 6, mask)
    assert_close(ngram_jsd(tokens, mask, *same, ORDERS), torch.zeros(5).double())
    assert_close(ms_jaccard(tokens, mask, *same, ORDERS), torch.ones(5).double())
    assert_close(ngram_jsd(tokens, mask, *apart, ORDERS), torch.full((5,), math.log(2)).double())
    assert_close(ms_jaccard(tokens, mask, *apart, ORDERS), torch.zeros(5).double())


def test_columns_are_the_orders_asked_for():
    one, other = batch(20, 9, 3), batch(30, 9, 3)
    for measure in (ngram_jsd, ms_jaccard):
        assert_close(measure(*one, *other, (3, 1)), measure(*one, *other, ORDERS)[[2, 0]], rtol=0, atol=0)


def test_what_no_sentence_is_long_enough_for_is_no_number():
    one, other = batch(9, 3, 3, shortest=3), batch(9, 5, 3, shortest=5)
    assert ngram_jsd(*one, *other, ORDERS).isnan().tolist() == [False] * 3 + [True] * 2
    assert ngram_jsd(*one, *one, ORDERS).isnan().tolist() == [False] * 3 + [True] * 2
    assert ms_jaccard(*one, *other, ORDERS).isnan().tolist() == [False] * 5  # that one has 4-grams is a difference
    assert ms_jaccard(*one, *one, ORDERS).isnan().tolist() == [False] * 3 + [True] * 2


def test_how_many_sentences_share_the_tokens_matters_to_ms_jaccard_alone():
    tokens, mask = batch(20, 8, 5, shortest=8)
    cut = tokens.reshape(40, 4), mask.reshape(40, 4)
    assert_close(ngram_jsd(tokens, mask, *cut, (1,)), torch.zeros(1).double())
    assert_close(ms_jaccard(tokens, mask, *cut, (1,)), torch.full((1,), 0.5).double())
