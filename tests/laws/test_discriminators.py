"""What holds for every discriminator, in worlds whose sentences can all be listed."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import textgan_lit.model.discriminator
from tests.helpers.discriminators import LENGTH, SMALL
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.credit import continuations
from textgan_lit.model.discriminator.base import Discriminator, last_score
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.empirical import Empirical
from textgan_lit.model.discriminator.encoder import Encoder
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.ranker import Ranker
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator.spectral import Spectral
from textgan_lit.model.discriminator.transformer import Transformer
from textgan_lit.model.discriminator.value_head import ValueHead
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab


@pytest.fixture(params=[*SMALL, (DensityAware, Recurrent), "views"], ids=str)
def discriminator(request, vocab, unlike, real, sentences):
    if request.param == "views":
        return unlike(Conv(vocab, LENGTH, **SMALL[Conv], views=3))
    kind, critic = request.param if isinstance(request.param, tuple) else (request.param, Conv)
    options = {
        Optimal: {"oracle": real},
        DensityAware: {"generator": real, "critic": critic(vocab, LENGTH, **SMALL[critic])},
        Spectral: {"critic": critic(vocab, LENGTH, **SMALL[critic])},
        Empirical: {"sentences": lambda split: sentences},
        Ranker: {"critic": critic(vocab, LENGTH, **SMALL[critic]), "sentences": lambda split: sentences},
        Mediator: {"model": LSTM(vocab, LENGTH, embedding=3, hidden=5, dropout=0.5)},
    }
    return unlike(kind(vocab, LENGTH, **options.get(kind, SMALL[kind])))


@pytest.fixture
def score(discriminator, fake):
    """score(tokens, mask): as the game calls it, with G's density where that is asked for."""

    def judge(tokens, mask):
        if not discriminator.needs_density:
            return discriminator(tokens, mask)
        return discriminator(tokens, mask, fake.logp(TextBatch(tokens, mask), Categorical()).detach())

    return judge


def test_every_discriminator_is_under_these_laws(every):
    of_a_folder = {Encoder, ValueHead}  # whose tests have these laws
    assert every(textgan_lit.model.discriminator, Discriminator) == {*SMALL, *of_a_folder}


def test_there_is_one_finite_score_for_all_that_is_judged(discriminator, score, sentences):
    n, scores = len(sentences.tokens), score(*sentences)
    assert scores.shape == {"sentence": (n,), "token": (n, LENGTH)}[discriminator.scores]
    assert scores.isfinite().all()
    assert last_score(scores, sentences.mask).std() > 0.01


@pytest.mark.parametrize("vocab", ["eos"], indirect=True)
@pytest.mark.parametrize("learning", [True, False])  # torch takes another way through some layers without autograd
def test_padding_never_changes_a_score(discriminator, score, sentences, learning):
    (tokens, mask), stream = sentences, torch.Generator().manual_seed(3)
    with torch.set_grad_enabled(learning):
        scores = score(tokens, mask)
        anything = torch.randint(0, discriminator.vocab.inputs, tokens.shape, generator=stream)
        assert_close(score(tokens.where(mask, anything), mask), scores)
        short = ~mask[:, -1]  # these end before the last column: without it, nothing is missing
        cut = scores[short] if scores.dim() == 1 else scores[short, :-1]
        assert_close(score(tokens[short, :-1], mask[short, :-1]), cut)
    if discriminator.scores == "token":
        assert (scores[~mask] == 0).all()


def test_what_is_called_density_on_padding_is_not_read(vocab, real, fake, sentences):
    density = fake.logp(sentences, Categorical())
    anything = density.where(sentences.mask, torch.full_like(density, float("-inf")))
    judge = Optimal(vocab, LENGTH, real)
    assert_close(judge(*sentences, anything), judge(*sentences, density))


@torch.no_grad()
def test_a_sentence_is_judged_by_itself(score, sentences):
    rows = torch.randperm(len(sentences.tokens), generator=torch.Generator().manual_seed(4))[:17]
    assert_close(score(sentences.tokens[rows], sentences.mask[rows]), score(*sentences)[rows])


def test_in_eval_mode_a_score_is_a_function(discriminator, score, sentences):
    assert score(*sentences).equal(score(*sentences))
    if any(isinstance(part, nn.Dropout) for part in discriminator.modules()):
        discriminator.train()
        assert not score(*sentences).equal(score(*sentences))


def test_every_parameter_is_reached_by_a_gradient(discriminator, score, sentences):
    parameters = [weight for weight in discriminator.parameters() if weight.requires_grad]
    if not parameters:
        pytest.skip("nothing to train")
    scores = last_score(score(*sentences), sentences.mask)
    weight = torch.randn(scores.shape, generator=torch.Generator().manual_seed(5))
    assert all(gradient.any() for gradient in torch.autograd.grad((weight * scores).sum(), parameters))


@torch.no_grad()
def test_one_that_scores_tokens_judges_each_by_the_tokens_so_far(discriminator, score, sentences):
    if discriminator.scores != "token":
        pytest.skip("scores sentences")
    full = sentences.mask.all(1)
    tokens, mask = sentences.tokens[full], sentences.mask[full]
    for t in range(LENGTH):
        changed = tokens.clone()
        changed[:, t] = (changed[:, t] + 1) % len(discriminator.vocab.tokens)
        before, after = score(tokens, mask), score(changed, mask)
        assert_close(after[:, :t], before[:, :t])
        assert (after[:, t:] - before[:, t:]).abs().mean() > 0.01


@pytest.fixture
def soft(discriminator, sentences):
    """Every sentence as one-hot tokens."""
    if not discriminator.accepts_soft:
        pytest.skip("reads whole tokens only")
    return one_hot(*sentences, discriminator.vocab.size).requires_grad_()


def test_who_reads_soft_tokens():
    vocab, real = Vocab(("a", "b")), Markov(Vocab(("a", "b")), LENGTH)
    assert all(kind(vocab, LENGTH).accepts_soft for kind in (Conv, Recurrent, Transformer))
    assert Spectral(vocab, LENGTH, Conv(vocab, LENGTH)).accepts_soft
    assert not any(kind.accepts_soft for kind in (Optimal, DensityAware, Mediator))
    assert not DensityAware(vocab, LENGTH, real, Conv(vocab, LENGTH)).accepts_soft


def test_one_hot_tokens_score_as_the_tokens_themselves(discriminator, score, sentences, soft):
    assert_close(score(soft, sentences.mask), score(*sentences))


def test_every_token_has_a_slope_and_padding_has_none(discriminator, score, sentences, soft):
    last = last_score(score(soft, sentences.mask), sentences.mask)
    (slope,) = torch.autograd.grad(last.sum(), soft)
    assert (slope[~sentences.mask] == 0).all()
    for t in range(LENGTH):
        assert slope[:, t].abs().sum() > 1e-3
    if isinstance(discriminator, Transformer):  # (a maximum over time has a slope where it is reached only)
        assert (slope[sentences.mask].abs().sum(1) > 0).all()


@pytest.mark.parametrize("vocab", ["eos"], indirect=True)
def test_soft_padding_never_changes_a_score(discriminator, score, sentences, soft):
    anything = torch.rand(soft.shape, generator=torch.Generator().manual_seed(3))
    other = soft.where(sentences.mask.unsqueeze(2), anything)
    assert_close(score(other, sentences.mask), score(soft, sentences.mask))


def test_a_token_between_two_is_read_as_the_mixture_of_their_embeddings(discriminator, score, sentences, soft):
    """Against the same network with one more token, whose embedding is the mixture."""
    inner = getattr(discriminator, "critic", discriminator)
    if inner is not discriminator:
        pytest.skip("as its critic")
    share, size = torch.tensor([0.2, 0.5, 0.3, 0.0][: discriminator.vocab.size]), discriminator.vocab.size
    mixture = soft.detach().clone()
    mixture[:, 0] = share
    with torch.no_grad():
        mixed = score(mixture, sentences.mask)
        discriminator.embedding.weight[discriminator.vocab.bos] = share @ discriminator.embedding.weight[:size]
        tokens = sentences.tokens.clone()
        tokens[:, 0] = discriminator.vocab.bos
        assert_close(mixed, score(tokens, sentences.mask))


def test_continuations_are_scored_as_forward_scores_them(discriminator, fake):
    if not discriminator.shares_prefixes:
        pytest.skip("has no quicker way")
    tokens = fake.sample(torch.rand(5, LENGTH), Categorical()).tokens
    game = Game(fake, discriminator.eval(), Categorical(), Noise(0))
    written = continuations(game, tokens, torch.rand(5, LENGTH * (LENGTH - 1) // 2, 3))
    slowly = discriminator(written.flatten(0, 2), written.flatten(0, 2) != fake.vocab.pad).view(written.shape[:-1])
    assert slowly.std() > 0.01
    assert_close(discriminator.continuations(written), slowly)


def test_who_shows_what_it_sees(discriminator):
    assert discriminator.leaks == isinstance(discriminator, Conv)


@pytest.fixture
def leaking(discriminator):
    if not discriminator.leaks:
        pytest.skip("shows nothing")
    return discriminator


@torch.no_grad()
def test_what_is_seen_of_a_beginning_is_what_it_would_be_judged_by_if_it_ended_there(leaking, sentences):
    tokens, mask = sentences
    seen = leaking.prefixes(tokens)
    assert seen.shape == (*tokens.shape, leaking.leaked)
    last = mask.sum(1) - 1
    whole = seen[torch.arange(len(last)), last]
    assert_close(whole, leaking.features(tokens, mask))
    assert_close(leaking.output(whole).squeeze(1), leaking(tokens, mask))
    if leaking.vocab.eos is not None:  # else a sentence has no other length, and its mask is not asked for
        for t in range(1, LENGTH):
            assert_close(seen[:, t - 1], leaking.features(tokens, mask & (torch.arange(LENGTH) < t)))


@torch.no_grad()
def test_token_by_token_the_same_is_seen(leaking, sentences):
    tokens, state, seen = sentences.tokens, leaking.start(len(sentences.tokens)), []
    for token in tokens.unbind(1):
        found, state = leaking.step(token, state)
        assert {len(leaf) for leaf in state} == {len(tokens)}
        seen.append(found)
    assert_close(torch.stack(seen, 1), leaking.prefixes(tokens))


@torch.no_grad()
def test_what_is_no_token_is_not_seen(leaking, sentences):
    tokens = sentences.tokens
    begun = torch.cat([torch.full_like(tokens[:, :1], leaking.vocab.bos), tokens], 1)
    seen = leaking.prefixes(begun)
    assert_close(seen[:, 1:], leaking.prefixes(tokens))
    assert_close(seen[:, 0], leaking.prefixes(torch.full_like(begun, leaking.vocab.pad))[:, -1])
    assert (seen[:, 0] == seen[0, 0]).all()
    assert seen[:, 1].std(0).max() > 0.01
