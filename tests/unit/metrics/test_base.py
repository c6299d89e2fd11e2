"""Real sentences, which are the same at every evaluation, are looked at once."""

import torch

from textgan_lit.metrics.base import Remembered
from textgan_lit.types import TextBatch


def batch(*tokens):
    return TextBatch(torch.tensor([tokens]), torch.ones(1, len(tokens), dtype=torch.bool))


def test_the_same_sentences_are_looked_at_once_and_others_anew():
    asked = []
    remembered = Remembered(lambda *batches: asked.append(batches) or len(asked))
    assert [remembered(batch(1, 2)), remembered(batch(1, 2)), remembered(batch(1, 3)), remembered(batch(1, 3, 4))] == [
        *(1, 1, 2, 3),
    ]
    assert remembered(batch(1, 2), batch(1, 2)) == 4
    assert len(asked) == 4


def test_a_change_in_place_is_seen():
    given = batch(1, 2)
    remembered = Remembered(lambda one: int(one.tokens.sum()))
    assert remembered(given) == 3
    given.tokens[0, 0] = 5
    assert remembered(given) == 7
    given.mask[0, 0] = False
    remembered.work = lambda one: int(one.tokens[one.mask].sum())
    assert remembered(given) == 2
