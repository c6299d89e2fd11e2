"""G against itself of some steps ago, by enumeration: every sentence of P and of G as often as it is probable."""

from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import Dealt, Even, lively, quarters
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.control import Shuffled
from textgan_lit.model.estimator.self_play import SelfPlay
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LENGTH = 3
TOLERANCE = {"rtol": 1e-4, "atol": 2e-6}


@pytest.fixture(params=["fixed", "eos"])
def vocab(request):
    return Vocab(("a", "b"), has_eos=request.param == "eos")


@pytest.fixture
def oracle(vocab):
    return quarters(vocab, LENGTH, seed=5)


@pytest.fixture
def generator(vocab):
    return quarters(vocab, LENGTH, seed=1)


def all_of(player):
    """A sample without chance."""
    return player.sample(Even(4).uniform(4**LENGTH, LENGTH), Categorical()).batch


def game(generator, noise=None):
    return Game(generator, None, Categorical(), noise or Even(4))


def probability(player, sentences):
    return player.logp(sentences, Categorical()).sum(1).exp()


def gradient(loss, generator):
    return torch.autograd.grad(loss, generator.table.weight)[0]


def test_the_first_step_after_a_refresh_is_a_quarter_of_likelihoods(oracle, generator, vocab):
    # s = 0: −½ · ½ E_P ∇log G + ½ · ½ E_G ∇log G, and the last is 0
    sentences = every_sentence(vocab, LENGTH)
    nll = -(probability(oracle, sentences).detach() * generator.logp(sentences, Categorical()).sum(1)).sum()
    wanted = gradient(nll, generator) / 4
    assert wanted.abs().max() > 0.02
    outcome = SelfPlay(generator)(game(generator), all_of(oracle))
    assert_close(gradient(outcome.loss, generator), wanted, **TOLERANCE)
    assert_close(outcome.loss.item(), torch.tensor(2.0).log().item())


def test_the_loss_is_the_cross_entropy_of_g_over_what_it_was(oracle, generator, vocab):
    """Whole sentences, P's against G_old's, with D = G/(G + G_old)."""
    old = quarters(vocab, LENGTH, seed=9)
    objective = SelfPlay(old, refresh=100)
    objective.played.fill_(1)
    sentences = every_sentence(vocab, LENGTH)
    p, g, before = (probability(player, sentences) for player in (oracle, generator, old))
    chance = g / (g + before)
    wanted = -0.5 * (p * chance.log()).sum() - 0.5 * (before * (1 - chance).log()).sum()
    outcome = objective(game(generator), all_of(oracle))
    assert_close(outcome.loss, wanted, rtol=1e-5, atol=1e-5)
    assert_close(gradient(outcome.loss, generator), gradient(wanted, generator), **TOLERANCE)
    told = 0.5 * p[g > before].sum() + 0.5 * before[g <= before].sum()
    assert_close(outcome.logs["accuracy"], told.detach(), rtol=1e-4, atol=1e-4)
    assert_close(outcome.logs["bce"], outcome.loss.detach())


def test_at_g_equal_p_it_stands_still_whatever_g_was(oracle, vocab):
    objective = SelfPlay(quarters(vocab, LENGTH, seed=9), refresh=100)
    objective.played.fill_(1)
    found = gradient(objective(game(oracle), all_of(oracle)).loss, oracle)
    assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-6)


def test_every_so_many_steps_it_becomes_todays_g(oracle, generator):
    objective, seen = SelfPlay(generator, refresh=2), []
    start = generator.table.weight.detach().clone()
    for step in range(5):
        objective(game(generator), all_of(oracle))
        seen.append(objective.old.table.weight.detach().clone())
        if step % 2 == 0:
            generator.table.weight.data = torch.roll(generator.table.weight.data, 1, 1)  # quarters stay quarters
    assert seen[0].equal(start)
    assert seen[1].equal(seen[0])
    assert not seen[2].equal(seen[1])
    assert seen[3].equal(seen[2])
    assert not seen[4].equal(seen[3])
    assert not any(weight.requires_grad for weight in objective.old.parameters())


def test_what_it_was_is_saved(oracle, generator, vocab):
    objective = SelfPlay(generator, refresh=3)
    objective(game(generator), all_of(oracle))
    generator.table.weight.data = torch.roll(generator.table.weight.data, 1, 1)
    resumed = SelfPlay(Markov(vocab, LENGTH, positional=True), refresh=3)
    resumed.load_state_dict(objective.state_dict())
    losses = [of(game(generator), all_of(oracle)).loss for of in (objective, resumed)]
    assert losses[0].equal(losses[1])
    assert abs(losses[0].item() - 0.6931) > 1e-3


def test_dropout_is_silent_in_both():
    vocab = Vocab(("a", "b"))
    generator = LSTM(vocab, LENGTH, dropout=0.9).train()
    objective = SelfPlay(generator)
    assert not objective.old.dropout.training
    objective.train()
    batch = every_sentence(vocab, LENGTH)
    outcome = objective(game(generator, Noise(0, "play")), batch)
    assert_close(outcome.loss.item(), 0.693147, rtol=0, atol=1e-5)  # both are the same network
    assert not objective.old.training


def test_labels_dealt_at_random_teach_nothing_on_average(vocab, oracle, generator):
    """Over all labellings of two real and two generated sentences."""

    class Labels(Dealt):
        def uniform(self, rows, *shape):
            return torch.tensor([[0.1, 0.6, 0.3], [0.9, 0.2, 0.7]])

    batch = all_of(oracle).first(2)
    gradients = []
    for order in permutations(range(4)):
        objective = SelfPlay(generator, control=Shuffled())
        assert objective.null
        gradients.append(gradient(objective(game(generator, Labels(order)), batch).loss, generator))
    assert torch.stack(gradients).abs().max() > 0.01
    assert_close(sum(gradients), torch.zeros_like(gradients[0]), **TOLERANCE)
    assert not SelfPlay(generator).null


def test_a_generator_without_a_density_is_refused(generator):
    SelfPlay(generator).check(generator, None)
    generator.likelihood = "bound"
    with pytest.raises(UserError, match=r"knows only a bound on. Use model/generator=lstm"):
        SelfPlay(generator).check(generator, None)


def test_real_sentences_may_be_shorter_than_what_can_be_written(vocab):
    """Batches of the data are joined with samples of the same width."""
    generator = lively(Markov(vocab, LENGTH))
    batch = every_sentence(vocab, LENGTH)
    assert SelfPlay(generator)(game(generator, Noise(0)), TextBatch(*batch)).loss.isfinite()
