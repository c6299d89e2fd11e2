"""Tokenizers are somebody's files: they work, or say in one line why not."""

import json

import pytest

from textgan_lit import tokenizer
from textgan_lit.errors import UserError
from textgan_lit.types import Vocab

LINES = ["the cat sat", "the dog ran", "a cat ran"]


def spelled(kind):
    return tokenizer.trained(kind, iter([LINES * 5]), 50)


@pytest.mark.parametrize("kind", tokenizer.KINDS)
def test_what_is_cut_is_joined_again(kind):
    text = spelled(kind)
    vocab = Vocab(tokenizer.words(text), has_eos=True, tokenizer=text)
    for line in LINES:
        ids = vocab.encode(line)
        assert max(ids) < len(vocab.words)
        assert vocab.text([*ids, vocab.eos, vocab.pad, vocab.pad]) == line


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])  # unigram's sums depend on how its threads fall
def test_training_is_repeatable(kind):
    assert spelled(kind) == spelled(kind)


@pytest.mark.parametrize("kind", tokenizer.KINDS)
def test_what_is_unknown_has_its_word(kind):
    text = spelled(kind)
    assert tokenizer.words(text)[tokenizer.unknown(text)] == tokenizer.UNKNOWN
    assert tokenizer.unknown(text) in tokenizer.encode(text, "猫")


def test_frequent_words_come_first():
    assert tokenizer.words(spelled("word"))[:3] == ("<unk>", "cat", "ran")


def test_numbers_with_a_gap_are_refused():
    altered = json.loads(spelled("word"))
    altered["model"]["vocab"]["cat"] = 77
    with pytest.raises(UserError, match="without a gap"):
        tokenizer.words(json.dumps(altered))


def test_what_a_tokenizer_adds_cuts_or_pads_is_left_out():
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(spelled("word"))
    plain = made.encode("the cat sat").ids
    made.enable_truncation(2)
    made.enable_padding(length=9)
    assert tokenizer.encode(made.to_str(), "the cat sat") == plain
