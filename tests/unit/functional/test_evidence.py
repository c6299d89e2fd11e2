"""Counts as evidence, beside counts by hand."""

import math

import pytest
import torch

from textgan_lit.functional.evidence import APART, CONTEXTS, EACH, NUMBERS, TOGETHER, evidence, tallies


def text(*sentences):
    longest = max(map(len, sentences))
    mask = torch.tensor([[at < len(s) for at in range(longest)] for s in sentences])
    return torch.tensor([[*s, *[9] * (longest - len(s))] for s in sentences]), mask


def test_a_token_has_the_counts_of_the_other_folds_smoothed_twice():
    tokens, mask = text([0, 1], [0, 1, 0], [0, 2], [1, 2], [0, 1], [2])
    side, fold = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 1, 2, 0, 1, 2])
    folds = fold.repeat_interleave(mask.sum(1))
    rows = evidence(tallies(tokens, mask, side, fold), folds, 2, vocabulary=3)
    assert rows.shape == (12, NUMBERS)
    row = rows[1]  # the 1 after 0 in the first sentence, by fold 1 alone: 0 1 0 on side 0, 0 1 on side 1
    both = (2 + TOGETHER / 3) / (5 + TOGETHER)  # two 1s among five tokens
    each = (1 + APART * both) / (3 + APART), (1 + APART * both) / (2 + APART)
    wanted = [math.log(each[0] / each[1]), math.log(both), math.log(2), math.log(2), math.log(6)]
    assert row[:EACH].tolist() == pytest.approx(wanted, rel=1e-5)
    after = (2 + TOGETHER * both) / (2 + TOGETHER)  # both 0s that another token follows are followed by 1
    ratio = ((1 + APART * after) / (1 + APART)) / ((1 + APART * after) / (1 + APART))
    at = EACH * list(CONTEXTS).index((1,))
    wanted = [math.log(ratio), math.log(after), math.log(2), math.log(2), math.log(3)]
    assert row[at : at + EACH].tolist() == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_neither_fold_that_is_left_out_is_looked_at():
    stream = torch.Generator().manual_seed(1)
    tokens, side, fold = torch.randint(0, 4, (40, 5), generator=stream), torch.arange(40) % 2, torch.arange(40) // 2 % 4
    mask = torch.ones_like(tokens, dtype=torch.bool)
    read = fold.where(fold != 0, 1).repeat_interleave(5)
    before = evidence(tallies(tokens, mask, side, fold), read, 0, vocabulary=4)
    changed = tokens.clone()
    changed[4 * 2] = 3 - changed[4 * 2]  # of fold 0, which nobody is read by
    assert fold[8] == 0
    after = evidence(tallies(changed, mask, side, fold), read, 0, vocabulary=4)
    others = torch.arange(40).repeat_interleave(5) != 8
    assert after[others].equal(before[others])
    assert not after[~others].equal(before[~others])


def test_a_sentence_is_the_same_evidence_whatever_stands_on_its_padding():
    tokens, mask = text([0, 1], [0, 1, 0], [0, 2], [1, 2], [0, 1], [2])
    side, fold = torch.arange(6) % 2, torch.arange(6) // 2
    read = fold.repeat_interleave(mask.sum(1))
    wanted = evidence(tallies(tokens, mask, side, fold), read, 0, vocabulary=3)
    assert evidence(tallies(tokens.where(mask, 3), mask, side, fold), read, 0, vocabulary=3).equal(wanted)
