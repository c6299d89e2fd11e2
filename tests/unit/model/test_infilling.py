"""Sentences of two authors, and the way between two sentences."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import lively
from textgan_lit.errors import UserError
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.infilling import beginning, between, continued, mixed
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


@pytest.mark.parametrize("kind", [LSTM, Transformer, Markov])
@pytest.mark.parametrize("has_eos", [True, False])
def test_a_sentence_whose_beginning_is_given_goes_on_as_if_the_generator_had_begun_so(kind, has_eos, stream):
    """What was drawn after the first tokens is drawn again where these are given: the same noise, the same rest."""
    generator = kind(Vocab(("a", "b", "c"), has_eos=has_eos), 12).eval()
    noise = torch.rand(400, 12, generator=stream)
    written = generator.sample(noise, Categorical())
    long = (written.mask.sum(1) > 2).nonzero().flatten()[:30]
    assert len(long) > 10
    for row in long:
        found = continued(generator, written.tokens[row, :2], noise[row : row + 1], Categorical())
        assert found.tokens.equal(written.tokens[row : row + 1])
        assert found.mask.equal(written.mask[row : row + 1])


def test_what_is_drawn_after_a_beginning_is_distributed_as_among_the_sentences_that_begin_so(stream):
    generator = lively(LSTM(Vocab(("a", "b"), has_eos=True), 3, embedding=3, hidden=4))
    whole = generator.sample(torch.rand(40_000, 3, generator=stream), Categorical())
    given = continued(generator, torch.tensor([1]), torch.rand(20_000, 3, generator=stream), Categorical())
    among = whole.tokens[whole.tokens[:, 0] == 1]
    for rest in ([2, 4], [0, 2], [0, 0], [1, 1]):
        shares = [
            (tokens[:, 1:] == torch.tensor(rest)).all(1).double().mean().item() for tokens in (among, given.tokens)
        ]
        assert shares[0] == pytest.approx(shares[1], abs=4 * (0.25 / len(among) + 0.25 / 20_000) ** 0.5)
        assert min(shares) > 0.01


SPELLED = Vocab(("a", "b", "c"), has_eos=True)


@pytest.mark.parametrize(
    ("generator", "prompt", "said"),
    [
        (LSTM(SPELLED, 3), "", r"prompt='' has 0 tokens, wanted 1 to 2, so that one is left to be written"),
        (LSTM(SPELLED, 3), "a b c", r"prompt='?a b c'? has 3 tokens, wanted 1 to 2"),
        (LSTM(SPELLED, 3), "a d", r"The token d is not among the 3 tokens"),
        (LSTM(Vocab(("a", "b")), 3, order="r2l"), "a", r"LSTM does not write from left to right"),
        (MaskedDiffusion(Vocab(("a", "b")), 3), "a", r"MaskedDiffusion does not write from left to right"),
        (
            VAE(SPELLED, 3),
            "a",
            r"VAE does not write from left to right, each token given those before alone\. Give a run",
        ),
    ],
)
def test_what_no_sentence_begins_with_is_refused(generator, prompt, said):
    with pytest.raises(UserError, match=said):
        beginning(generator, prompt)


def test_the_way_between_two_latents_is_a_quarter_of_a_circle():
    """Halfway √½ of each, not ½: a mean would be likelier than any sample."""
    latents = torch.special.ndtr(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    one, other = torch.cat([latents, torch.tensor([[0.3], [0.9]])], 1)
    way = between(one, other, latent=2, steps=3)
    wanted = torch.tensor([[1.0, 0.0], [0.5**0.5, 2 * 0.5**0.5], [0.0, 2.0]])
    assert_close(torch.special.ndtri(way[:, :2]), wanted, rtol=0, atol=1e-5)
    assert way[:, 2].equal(one[2].expand(3))  # its tokens' noise stays
