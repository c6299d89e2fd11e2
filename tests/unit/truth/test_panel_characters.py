"""Nats a character: what models compare by whose tokenizers differ."""

import pytest
import torch
from torch.testing import assert_close

from textgan_lit import tokenizer
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth
from textgan_lit.types import TextBatch, Vocab


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_nats_a_character_are_all_nats_over_all_characters(kind):
    lines = ["a bird", "two birds sing", "no"]
    spelling = tokenizer.trained(kind, iter([lines]), 40)
    vocab = Vocab(tokenizer.tokens(spelling), True, spelling)
    generator, encoded = LSTM(vocab, 20), [[*vocab.encode(line), vocab.eos] for line in lines]
    tokens = torch.tensor([row + [vocab.pad] * (20 - len(row)) for row in encoded])
    real = TextBatch(tokens, tokens != vocab.pad)
    truth = Truth(20)
    truth.update(Models(None, generator, Categorical()).examine(real), None)
    found, nats = truth.compute(), -generator.logp(real, Categorical()).double().sum(1)
    characters = torch.tensor([len(line) + 1 for line in lines]).double()  # the line's end is one
    assert_close(found["truth/nll_test_character"], nats.sum() / characters.sum(), rtol=1e-6, atol=0.0)
    spread = nats - characters * nats.sum() / characters.sum()  # a ratio's error: the delta method
    se = (spread.square().sum() / 2 / 3).sqrt() / characters.mean()
    assert_close(found["truth/nll_test_character_se"], se, rtol=1e-5, atol=0.0)


def test_tokens_that_are_no_text_have_no_nats_a_character():
    generator, truth = LSTM(Vocab(("a", "b"), has_eos=True), 3), Truth(3)
    batch = generator.sample(torch.rand(8, 3), Categorical()).batch
    truth.update(Models(None, generator, Categorical()).examine(batch), None)
    found = truth.compute()
    assert "truth/nll_test" in found
    assert not any("character" in key for key in found)
