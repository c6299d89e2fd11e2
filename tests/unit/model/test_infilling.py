"""Sentences of two authors, and the way between two sentences."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import lively
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.infilling import between, mixed
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


def test_a_sentence_of_which_nothing_is_given_is_the_generators_own(stream):
    generator = lively(LSTM(Vocab(("a", "b", "c")), 4, embedding=3, hidden=4))
    noise, given = torch.rand(50, 4, generator=stream), torch.zeros(50, 4, dtype=torch.long)
    own = mixed(generator, given, torch.zeros(50, 4, dtype=torch.bool), noise, Categorical())
    assert own.equal(generator.sample(noise, Categorical()).tokens)
    assert mixed(generator, given, torch.ones(50, 4, dtype=torch.bool), noise, Categorical()).equal(given)


def test_every_other_token_follows_the_tokens_before_it_whoever_wrote_them(stream):
    """A generator that says b after a, c after b, then eos, and begins anew: the data say where to end."""
    generator = Markov(Vocab(("a", "b", "c"), has_eos=True), 4)
    for token, after in ((0, 1), (1, 2), (2, 3), (3, 0), (generator.vocab.bos, 0)):
        generator.table.weight.data[token, after] = 1e4
    given = torch.tensor([[2, 2, 2, 2], [1, 3, 5, 5]])  # the second ends, and its padding is not given on
    keep = torch.tensor([[False, True, False, False], [True, True, False, True]])
    found = mixed(generator, given, keep, torch.rand(2, 4, generator=stream), Categorical())
    assert found.tolist() == [[0, 2, 3, 0], [1, 3, 0, 5]]


def test_the_way_between_two_latents_is_a_quarter_of_a_circle():
    """Halfway √½ of each, not ½: a mean would be likelier than any sample."""
    latents = torch.special.ndtr(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    one, other = torch.cat([latents, torch.tensor([[0.3], [0.9]])], 1)
    way = between(one, other, latent=2, steps=3)
    wanted = torch.tensor([[1.0, 0.0], [0.5**0.5, 2 * 0.5**0.5], [0.0, 2.0]])
    assert_close(torch.special.ndtri(way[:, :2]), wanted, rtol=0, atol=1e-5)
    assert way[:, 2].equal(one[2].expand(3))  # its tokens' noise stays
