"""Sentences side by side: those of about one length, in as many positions as they take; a vocabulary as it is saved."""

import pytest
import torch

from textgan_lit import tokenizer
from textgan_lit.run.schema import check
from textgan_lit.types import TextBatch, Vocab


def batch(*lengths):
    """Sentences of so many tokens each, all of which say which sentence it is."""
    mask = torch.arange(9) < torch.tensor(lengths).unsqueeze(1)
    return TextBatch(torch.arange(len(lengths)).unsqueeze(1).expand(-1, 9).masked_fill(~mask, 99), mask)


def test_sentences_of_about_one_length_stand_together_in_as_many_positions_as_they_take():
    parts = batch(5, 1, 9, 2, 6).by_length(2)
    assert [part.tokens[:, 0].tolist() for part in parts] == [[1, 3], [0, 4], [2]]
    assert [part.tokens.shape[1] for part in parts] == [2, 6, 9]
    assert [part.mask.sum(1).tolist() for part in parts] == [[1, 2], [5, 6], [9]]


def test_of_sentences_alike_each_is_taken_as_often_as_any_other():
    chances = (torch.arange(300) + 0.5) / 300
    alike = [batch(5, 1, 9, 2, 6, 3, 4).alike(2, chance) for chance in chances.tolist()]
    taken = [row for few in alike for row in few.tokens[:, 0].tolist()]
    assert [taken.count(row) for row in range(7)] == [100] * 6 + [0]  # the last is too few for another two


def test_as_many_sentences_as_there_are_come_whole():
    tokens, mask = batch(5, 1, 9).alike(3, 0.99)
    assert sorted(tokens[:, 0].tolist()) == [0, 1, 2]
    assert mask.shape[1] == 9


def spelled():
    text = tokenizer.trained("bpe", iter([[f"{number} is a number" for number in range(3000)]]), 3000)
    return Vocab(tokenizer.tokens(text), True, text)


@pytest.mark.parametrize("vocab", [Vocab(("a", "b")), Vocab(("b", "a"), has_eos=True), spelled()])
def test_a_vocabulary_is_restored_as_it_was_saved(vocab):
    saved = vocab.saved()
    check(saved, Vocab.form, "vocab")
    assert Vocab.restored(saved) == vocab


def test_a_tokenizer_is_saved_compressed_and_its_tokens_with_it():
    vocab = spelled()
    saved = vocab.saved()
    assert saved["tokens"] is None
    assert saved["tokenizer"].nbytes < len(vocab.tokenizer.encode()) / 3
