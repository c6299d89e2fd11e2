"""Sentences that D chooses: by enumeration, and where many are to be chosen from."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import PARTS, Additive, fractions, listed, lively
from textgan_lit.model.baseline import BatchMean
from textgan_lit.model.credit import Terminal
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator_loss import Minimax
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds
from textgan_lit.noise import Noise
from textgan_lit.truth.held_out_check import take
from textgan_lit.types import TextBatch, Vocab

LENGTH = 3


class Pairs(Noise):
    """Every pair of sentences as often as it is probable, each with so many even choices between the two."""

    choices = 20

    def uniform(self, rows, *shape):
        if not shape:
            return (torch.arange(rows) % self.choices + 0.5) / self.choices
        one = (torch.cartesian_prod(*[torch.arange(PARTS)] * LENGTH) + 0.5) / PARTS
        pairs = torch.cartesian_prod(*[torch.arange(len(one))] * 2).repeat_interleave(self.choices, 0)
        return one[pairs].flatten(0, 1)  # the candidates of one sentence stand beside each other


def shares(tokens, sentences):
    return (tokens.unsqueeze(1) == sentences.tokens).all(2).double().mean(0)


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
def test_one_of_two_is_chosen_by_its_odds(variable, unchecked_shapes):
    """Q_2(x) = 2 G(x) Σ_y G(y) e^s(x) / (e^s(x) + e^s(y)): docs/theory.md."""
    generator = fractions(2, variable)
    judge = Additive(generator.vocab, LENGTH)
    world = listed(generator, generator)
    odds = judge(*world.sentences).double().exp().detach()
    won = odds.unsqueeze(1) / (odds.unsqueeze(1) + odds)
    wanted = 2 * world.g * (won * world.g).sum(1)
    assert_close(wanted.sum().item(), 1.0)
    game = Game(generator, judge, Categorical(), Pairs(0))
    size = PARTS ** (2 * LENGTH) * Pairs.choices
    with torch.no_grad():
        found = game.choose(size, 2)
    assert found.mask.equal(found.tokens != generator.vocab.pad)
    assert_close(shares(found.tokens, world.sentences), wanted, rtol=0, atol=1.5e-3)
    assert (wanted - world.g).abs().max() > 0.02


@pytest.fixture
def aware():
    """A generator that counts how many sentences it is asked for log G of, and a D that needs log G."""
    vocab = Vocab(("a", "b"), has_eos=True)
    generator = lively(LSTM(vocab, LENGTH, embedding=3, hidden=4))
    oracle = lively(LSTM(vocab, LENGTH, embedding=3, hidden=4), seed=1)
    asked, logp = [], generator.logp
    generator.logp = lambda batch, *more, **given: (asked.append(len(batch.tokens)), logp(batch, *more, **given))[1]
    return Game(generator, Optimal(vocab, LENGTH, oracle), Categorical(), Noise(0, "aware")), asked


def by_score(**settings):
    return ScoreFunction(LogOdds(), Terminal(), BatchMean(), **settings)


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (lambda game, real: Minimax()(game, real), [7]),  # of real sentences alone
        (lambda game, real: by_score()(game, real), [7]),  # what it learns from
        (lambda game, real: by_score(sampling_temperature=2.0)(game, real), [7, 7]),  # another policy wrote
        (lambda game, real: game.choose(7, 5), []),
        (lambda game, real: take(game, real, 7, {}), [7]),  # of held-out sentences
    ],
    ids=["D", "G", "tempered", "chosen", "checked"],
)
def test_log_g_is_computed_of_no_sample_that_g_has_just_written(aware, step, wanted):
    game, asked = aware
    real = game.generator.sample(Noise(1).uniform(7, LENGTH), Categorical()).batch
    step(game, real)
    assert asked == wanted


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_d_is_given_log_g_under_the_game_policy(aware, temperature):
    game, _ = aware
    step = by_score(sampling_temperature=temperature, num_iterations=2)
    step(game, game.sample(7).batch)
    batch = TextBatch(step.kept.tokens, step.kept.mask)
    assert_close(step.kept.value, game.sentence_logit(batch).unsqueeze(1) * batch.mask, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("candidates", [1, 100])
def test_the_more_to_choose_from_the_nearer_to_the_residual_model(candidates, unchecked_shapes):
    """Of one, G. Of many, with the best D, P itself."""
    oracle, generator = fractions(1), fractions(2)
    world = listed(oracle, generator)
    game = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Noise(0, "choose"))
    with torch.no_grad():
        found = shares(game.choose(2000, candidates).tokens, world.sentences)
    aim, other = (world.g, world.p) if candidates == 1 else (world.p, world.g)
    n = 2000

    def surprise(expected):
        return ((found - expected).square() / expected).sum().item() * n  # chi-square, 26 degrees of freedom

    assert surprise(aim) < 60
    assert surprise(other) > 300


def test_many_are_scored_a_few_at_a_time(monkeypatch):
    vocab = Vocab(("a", "b"), has_eos=True)
    generator = lively(LSTM(vocab, LENGTH, embedding=3, hidden=4))
    game = lambda: Game(generator, lively(Recurrent(vocab, LENGTH)), Categorical(), Noise(0, "choose"))  # noqa: E731
    with torch.no_grad():
        whole = game().choose(7, 5)
        monkeypatch.setattr("textgan_lit.model.game.SCORED", 4)
        parts = game().choose(7, 5)
    assert whole.tokens.equal(parts.tokens)
    assert whole.mask.equal(parts.mask)
    candidates = generator.sample(Noise(0, "choose").uniform(35, LENGTH), Categorical()).tokens.view(7, 5, LENGTH)
    assert all((own == row).all(1).any() for own, row in zip(candidates, whole.tokens, strict=True))
