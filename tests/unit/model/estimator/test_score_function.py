"""The score-function step as a whole. Its gradient: laws/test_gradients.py."""

from math import log, sqrt

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.errors import UserError
from textgan_lit.model.baseline import BatchMean, MovingAverage, Zero
from textgan_lit.model.control import Shuffled
from textgan_lit.model.credit import RewardToGo, Terminal
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

VOCAB = Vocab(("a", "b", "c"), has_eos=True)  # eos 3, pad 5


class FirstWord(Discriminator):
    """A sentence scores the number of its first token."""

    def forward(self, tokens, mask, density=None):
        return tokens[:, 0].float()


class Order(Noise):
    """Noise whose permutation is given."""

    def __init__(self, *order):
        super().__init__("order")
        self.order = torch.tensor(order)

    def permutation(self, n):
        assert n == len(self.order)
        return self.order


@pytest.fixture
def generator():
    """Uniform over the four symbols."""
    return Markov(VOCAB, 3, positional=True)


def game(generator, noise=None):
    return Game(generator, FirstWord(VOCAB, 3), Categorical(), noise or Noise(0, "step"))


def sentences(n):
    """As many real sentences: a step only takes their number."""
    tokens = torch.zeros(n, 3, dtype=torch.long)
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def test_the_loss_by_hand(generator):
    said = game(generator).sample(5)
    score, tokens = said.tokens[:, 0].float(), said.mask.sum(1)
    outcome = ScoreFunction(LogOdds(), Terminal(), Zero())(game(generator), sentences(5))
    # every token has log-probability −log 4: −mean over sentences of Σ_t score · −log 4
    assert_close(outcome.loss, (score * tokens * log(4)).mean())
    assert_close(outcome.logs["reward"], (score * tokens).sum() / tokens.sum())
    assert_close(outcome.logs["advantage_rms"], ((score**2 * tokens).sum() / tokens.sum()).sqrt())
    assert_close(outcome.logs["entropy"].item(), log(4))
    assert not any(value.requires_grad for value in outcome.logs.values())


def test_as_many_are_written_as_real_ones_are_given(generator):
    players = game(generator)
    ScoreFunction(LogOdds(), Terminal(), Zero())(players, sentences(7))
    assert players.noise.drawn == 7 * 3


def test_the_baseline_is_subtracted_from_tokens_only(generator):
    remembered = MovingAverage()
    remembered(torch.full((1, 1), 2.0), torch.ones(1, 1, dtype=torch.bool))
    said = game(generator).sample(5)
    advantage = (said.tokens[:, :1] - 2.0) * said.mask
    outcome = ScoreFunction(LogOdds(), Terminal(), remembered)(game(generator), sentences(5))
    assert_close(outcome.loss, advantage.sum(1).mean() * log(4))
    assert_close(outcome.logs["advantage_rms"].item(), sqrt(advantage.square().sum() / said.mask.sum()))


def test_shuffled_deals_whole_sentences_credit_to_other_sentences(generator):
    """Each gets the value of the sentence that the permutation names: here of the next one."""
    noise = Order(1, 2, 3, 4, 0)
    said = game(generator, Order(1, 2, 3, 4, 0)).sample(5)
    value = (said.tokens[:, :1] * said.mask)[noise.order].float()
    assert not value.equal((said.tokens[:, :1] * said.mask).float())
    outcome = ScoreFunction(Shuffled(LogOdds()), Terminal(), Zero())(game(generator, noise), sentences(5))
    (gradient,) = torch.autograd.grad(outcome.loss, generator.table.weight)
    logp = generator.logp(said.batch, Categorical())
    (wanted,) = torch.autograd.grad(-(logp * value * said.mask).sum(1).mean(), generator.table.weight)
    assert_close(gradient, wanted)


def test_what_wrote_is_what_is_improved():
    """Dropout is silent while G samples and is re-scored, and only the recurrent cores stay in train mode."""
    generator = LSTM(VOCAB, 3, embedding=4, hidden=4, dropout=0.9).train()
    estimate = ScoreFunction(LogOdds(), Terminal(), BatchMean())
    losses = [estimate(game(generator), sentences(20)).loss for _ in range(2)]
    assert losses[0].equal(losses[1])
    assert {type(part).__name__ for part in generator.modules() if part.training} == {"LSTM"}
    assert generator.cores[0].training
    assert not generator.dropout.training


def test_no_gradient_reaches_the_discriminator(generator):
    judge = FirstWord(VOCAB, 3)
    judge.scale = torch.nn.Parameter(torch.ones(()))
    judge.forward = lambda tokens, mask, density=None: tokens[:, 0] * judge.scale
    players = Game(generator, judge, Categorical(), Noise(0, "step"))
    ScoreFunction(LogOdds(), Terminal(), BatchMean())(players, sentences(5)).loss.backward()
    assert judge.scale.grad is None
    assert generator.table.weight.grad.any()


def test_a_discriminator_that_speaks_bfloat16_rounds_no_sum_over_the_batch(generator):
    """bfloat16 knows no 301, nor how far a token is from the mean."""

    class Half(Discriminator):
        def forward(self, tokens, mask, density=None):
            return tokens[:, 0].bfloat16()

    half = Game(generator, Half(VOCAB, 3), Categorical(), Noise(0, "step"))
    step = ScoreFunction(LogOdds(), Terminal(), BatchMean())
    assert step(half, sentences(301)).loss.equal(step(game(generator), sentences(301)).loss)


def ppo(ratio="token", **settings):
    return ScoreFunction(
        LogOdds(), Terminal(), BatchMean(), **{"num_iterations": 3, "importance_sampling_level": ratio} | settings
    )


def moved(generator, by=0.3):
    with torch.no_grad():
        generator.table.weight += by * torch.randn(
            generator.table.weight.shape, generator=torch.Generator().manual_seed(0)
        )


@pytest.mark.parametrize("ratio", ["token", "sentence"])
def test_the_first_of_several_epochs_is_reinforce(generator, ratio):
    """As long as G has not moved, the clipped step is the plain one."""
    steps = (ScoreFunction(LogOdds(), Terminal(), Zero(), epochs, importance_sampling_level=ratio) for epochs in (1, 3))
    gradients = [
        torch.autograd.grad(step(game(generator), sentences(6)).loss, generator.table.weight) for step in steps
    ]
    assert_close(*gradients)


def test_epochs_share_their_samples_and_the_next_ones_are_new(generator):
    step, players = ppo(), game(generator)
    for epoch in range(7):
        step(players, sentences(5))
        moved(generator)
        assert players.noise.drawn == 5 * 3 * (epoch // 3 + 1)


@pytest.mark.parametrize("ratio", ["token", "sentence"])
def test_the_clipped_loss_by_hand(generator, ratio):
    step = ppo(ratio, clip_range=0.1)
    said = game(generator).sample(5)
    step(game(generator), sentences(5))
    moved(generator)
    outcome = step(game(generator), sentences(5))
    change = generator.logp(said.batch, Categorical()).detach() + log(4) * said.mask
    terms, clipped = [], []
    for b in range(5):
        advantage = [said.tokens[b, 0] - (said.tokens[:, 0].float()[said.mask[:, t]]).mean() for t in range(3)]
        inside = [t for t in range(3) if said.mask[b, t]]
        if ratio == "token":
            pairs = [(change[b, t].exp(), advantage[t]) for t in inside]
        else:
            pairs = [(change[b].sum().exp(), advantage[0])]  # one baseline, that of all five
        terms.append(sum(min(r * a, r.clamp(0.9, 1.1) * a) for r, a in pairs))
        clipped += [float(not 0.9 <= r <= 1.1) for r, _ in pairs]
    assert_close(outcome.loss, -torch.stack(terms).mean())
    assert outcome.logs["clipped"].item() == pytest.approx(sum(clipped) / len(clipped))
    assert sum(clipped) > 0


def test_a_step_taken_up_between_epochs_goes_on_with_its_samples(generator):
    step, again = ppo(), ppo()
    step(game(generator), sentences(5))
    moved(generator)
    again.load_state_dict(step.state_dict())
    assert again(game(generator), sentences(5)).loss.equal(step(game(generator), sentences(5)).loss)
    assert again.used == step.used == 2


def test_a_sentence_is_one_action_only_where_it_is_paid_as_one():
    with pytest.raises(UserError, match=r"importance_sampling_level=sentence.*RewardToGo.*model/credit=terminal"):
        ScoreFunction(LogOdds(), RewardToGo(), BatchMean(), num_iterations=2, importance_sampling_level="sentence")
