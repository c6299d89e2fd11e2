"""The score of a sentence, whether sentences are scored or tokens."""

import torch

from textgan_lit.model.discriminator.base import last_score


def test_the_last_score_is_that_of_the_sentence():
    mask = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])
    tokens = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    assert last_score(tokens, mask).tolist() == [2.0, 6.0, 7.0]
    assert last_score(tokens[:, 0], mask).tolist() == [1.0, 4.0, 7.0]
