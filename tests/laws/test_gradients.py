"""The score-function gradient, by enumeration: equalities, not confidence intervals.

G's next-token probabilities are quarters, so noise that takes every combination of quarters once writes every
sentence exactly as often as it is probable: a mean over that batch *is* the expectation under G.
"""

import copy
import inspect
from dataclasses import dataclass
from itertools import permutations, product

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.functional.enumeration import divergence
from textgan_lit.model import reward as rewards
from textgan_lit.model.baseline import BatchMean, LeaveOneOut, MovingAverage, Zero
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.credit import MonteCarlo, RewardToGo, Terminal
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical, Tempered
from textgan_lit.noise import Noise
from textgan_lit.types import Samples, TextBatch

TOLERANCE = {"rtol": 1e-4, "atol": 2e-6}  # G and D speak float32

KINDS = [kind for _, kind in inspect.getmembers(rewards, inspect.isclass) if kind.__module__ == rewards.__name__]
TEACHERS = [kind for kind in KINDS if kind.divergence]


class Even(Noise):
    """Leaves nothing to chance: every combination of quarters once, over the rows or else over the rollouts."""

    def __init__(self):
        super().__init__("even")

    def uniform(self, rows, *shape):
        points = even(shape[0])
        assert len(points) == (shape[1] if len(shape) == 2 else rows)
        return points.t().expand(rows, -1, -1) if len(shape) == 2 else points


def even(columns):
    return (torch.cartesian_prod(*[torch.arange(4)] * columns).view(-1, columns) + 0.5) / 4


@dataclass(frozen=True)
class Told(Game):
    """Says what it is told to say."""

    said: Samples

    def sample(self, n):
        return self.said


class PrefixOptimal(Discriminator):
    """D* of every prefix: log P − log G of the tokens so far."""

    scores, needs_density = "token", True

    def __init__(self, oracle):
        super().__init__(oracle.vocab, oracle.max_length)
        self.oracle = oracle

    def forward(self, tokens, mask, density=None):
        return (self.oracle.logp(TextBatch(tokens, mask), Categorical()) - density).cumsum(1) * mask


class World:
    """P, a table without structure; G, a bigram table at each position, its probabilities in quarters."""

    def __init__(self, length, variable, policy=None):
        self.oracle = Tiny(vocab_size=2, length=length, variable=variable, seed=3)
        self.vocab, self.length, self.policy = self.oracle.vocab, length, policy or Categorical()
        self.sentences = every_sentence(self.vocab, length)
        self.generator = Markov(self.vocab, length, positional=True)
        self.table = self.generator.table.weight
        quarters = torch.tensor(sorted(set(permutations([1.0, 1.0, 2.0] if variable else [1.0, 3.0]))))
        chosen = torch.randint(len(quarters), self.table.shape[:1], generator=torch.Generator().manual_seed(1))
        self.table.data = (quarters[chosen] / 4).log() * getattr(self.policy, "temperature", 1.0)

    def game(self, discriminator=None, said=None, noise=None):
        players = self.generator, discriminator or Optimal(self.vocab, self.length, self.oracle), self.policy
        noise = noise or Even()
        return Game(*players, noise) if said is None else Told(*players, noise, said)

    def probabilities(self):
        """P and G of every sentence, in float64."""
        p = self.oracle.logp(self.sentences, Categorical()).sum(1).double().exp()
        return p, self.generator.logp(self.sentences, self.policy).sum(1).double().exp()

    def gradient(self, loss):
        return torch.autograd.grad(loss, self.table)[0]

    def estimate(self, reward, credit, discriminator=None):
        """The expected gradient, from one batch in which every sentence is as frequent as it is probable."""
        size = 4**self.length
        batch = TextBatch(self.sentences.tokens[:1].expand(size, -1), self.sentences.mask[:1].expand(size, -1))
        objective = ScoreFunction(reward, credit, Zero())
        return self.gradient(objective(self.game(discriminator), batch).loss)

    def exact(self, name):
        return self.gradient(divergence(name, *self.probabilities()))

    def expected(self, objective, batch_size, noises=(None,), policy=None):
        """The expected gradient, from every batch of so many sentences, each weighed by its probability."""
        logp = self.generator.logp(self.sentences, policy or self.policy).detach()
        everyone, loss = Samples(*self.sentences, logp, logp[:, :0]), torch.zeros(())
        for rows in product(range(len(logp)), repeat=batch_size):
            said = Samples(*(part[list(rows)] for part in everyone))
            outcomes = [copy.deepcopy(objective)(self.game(said=said, noise=noise), said.batch) for noise in noises]
            loss = loss + said.logp.sum().exp() * sum(outcome.loss for outcome in outcomes) / len(noises)
        return self.gradient(loss)


@pytest.fixture(params=["fixed", "eos"])
def variable(request):
    return request.param == "eos"


@pytest.fixture
def world(variable):
    return World(3, variable)


@pytest.fixture
def small(variable):
    return World(2, variable)


def credits(length):
    return {"terminal": Terminal(), "monte_carlo": MonteCarlo(4 ** (length * (length - 1) // 2))}


def test_every_sentence_comes_as_often_as_it_is_probable(world):
    """What all of this rests on."""
    tokens = world.game().sample(4**3).tokens
    share = (tokens[:, None] == world.sentences.tokens).all(2).double().mean(0)
    p, g = world.probabilities()
    assert_close(share, g.detach(), **TOLERANCE)
    assert_close(p.sum().item(), 1.0)
    assert (p - g).abs().sum() > 0.5  # D has something to say


def test_every_reward_that_teaches_names_its_divergence():
    p = torch.tensor([0.2, 0.8])
    assert all(divergence(kind.divergence, p, p) == 0 for kind in TEACHERS)
    assert not any(kind.null for kind in KINDS)


@pytest.mark.parametrize("credit", ["terminal", "monte_carlo"])
@pytest.mark.parametrize("kind", TEACHERS)
def test_at_the_best_d_the_reward_is_the_divergence(world, kind, credit):
    estimate = world.estimate(kind(), credits(3)[credit])
    exact = world.exact(kind.divergence)
    assert exact.abs().max() > 0.01
    assert_close(estimate, exact, **TOLERANCE)


@pytest.mark.parametrize("kind", TEACHERS)
def test_with_a_reward_a_token_it_is_the_divergences_of_all_prefixes(kind):
    """D*'s reward of every prefix, summed over what is still to come: Σ_t of the divergence of the first t tokens."""
    world = World(3, variable=False)

    def of_prefixes(p, g):
        return sum(divergence(kind.divergence, *(x.view(2**t, -1).sum(1) for x in (p, g))) for t in (1, 2, 3))

    estimate = world.estimate(kind(), RewardToGo(gamma=1.0), discriminator=PrefixOptimal(world.oracle))
    assert_close(estimate, world.gradient(of_prefixes(*world.probabilities())), **TOLERANCE)


@pytest.mark.parametrize("kind", [*TEACHERS, Constant])
def test_with_a_reward_a_token_the_sum_of_the_rewards_is_ascended(world, kind):
    """Where sentences end early too. (A constant a token then rewards length: no null control there.)"""
    judge = PrefixOptimal(world.oracle)
    reward = kind()(world.game(judge).score(*world.sentences)).double() * world.sentences.mask
    exact = world.gradient(-(world.probabilities()[1] * reward.sum(1)).sum())
    assert_close(world.estimate(kind(), RewardToGo(gamma=1.0), discriminator=judge), exact, **TOLERANCE)


def test_what_is_improved_is_the_network_under_its_policy(variable):
    world = World(3, variable, Categorical(temperature=0.5))
    estimate = world.estimate(rewards.Minimax(), Terminal())
    assert_close(estimate, world.exact("JSD(P‖G)"), **TOLERANCE)


# --- samples of another distribution ----------------------------------------------------------------------------------


@pytest.fixture
def tempered(variable):
    """G of which the samples at temperature ½ come in quarters, not those at 1."""
    world = World(3, variable)
    world.table.data *= 0.5
    return world


def proposed(world, **settings):
    size = 4**world.length
    batch = TextBatch(world.sentences.tokens[:1].expand(size, -1), world.sentences.mask[:1].expand(size, -1))
    return ScoreFunction(rewards.Minimax(), Terminal(), Zero(), **settings)(world.game(), batch)


def of_proposals(world, **settings):
    return world.gradient(proposed(world, **settings).loss)


def test_importance_weights_make_up_for_the_proposal(tempered):
    """Sentences of q, weighed by G/q: the gradient of G's own divergence, exactly."""
    exact = tempered.exact("JSD(P‖G)")
    assert exact.abs().max() > 0.01
    assert_close(
        of_proposals(tempered, clip_range=None, importance_sampling_level="sentence", sampling_temperature=0.5),
        exact,
        **TOLERANCE,
    )


def test_the_entropy_that_is_logged_is_that_of_what_wrote(tempered):
    """H of the tempered G, not of G: docs/metrics.md."""
    logs = proposed(tempered, clip_range=None, importance_sampling_level="sentence", sampling_temperature=0.5).logs
    tempered.policy = Tempered(tempered.policy, 0.5)
    q = tempered.probabilities()[1].detach()
    entropy = -torch.special.xlogy(q, q).sum() / (q * tempered.sentences.mask.sum(1)).sum()
    assert_close(logs["entropy"].double(), entropy, **TOLERANCE)


def test_without_the_weights_of_whole_sentences_it_is_another_gradient(tempered):
    exact = tempered.exact("JSD(P‖G)")
    for settings in (
        {"importance_sampling_level": "token", "clip_range": None},
        {"importance_sampling_level": "sentence", "clip_range": 0.2},
    ):
        assert (of_proposals(tempered, sampling_temperature=0.5, **settings) - exact).abs().max() > 1e-3
    # not weighed at all: the quarters that q writes, taken for G's
    assert (of_proposals(tempered) - exact).abs().max() > 1e-3


def test_importance_weights_change_no_expectation_of_a_baseline(variable):
    """A constant times E_q w ∇ log G is 0: every sentence that q can write, against what earlier batches were worth."""
    world = World(2, variable)
    world.table.data *= 0.5
    objective = ScoreFunction(
        rewards.Minimax(),
        Terminal(),
        remembering(),
        clip_range=None,
        importance_sampling_level="sentence",
        sampling_temperature=0.5,
    )
    assert_close(world.expected(objective, 1, policy=Tempered(world.policy, 0.5)), world.exact("JSD(P‖G)"), **TOLERANCE)


# --- baselines: every batch there is ----------------------------------------------------------------------------------


def remembering():
    """A moving average that has seen a batch before."""
    baseline = MovingAverage()
    baseline(torch.full((2, 2), 5.0), torch.ones(2, 2, dtype=torch.bool))
    return baseline


@pytest.mark.parametrize("credit", ["terminal", "monte_carlo"])
@pytest.mark.parametrize("baseline", [Zero, LeaveOneOut, MovingAverage, remembering])
def test_a_baseline_that_has_not_seen_the_sentence_changes_no_expectation(small, credit, baseline):
    objective = ScoreFunction(rewards.Minimax(), credits(2)[credit], baseline())
    assert_close(small.expected(objective, 2), small.exact("JSD(P‖G)"), **TOLERANCE)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("credit", ["terminal", "monte_carlo"])
def test_the_batch_mean_shrinks_the_gradient_by_what_a_sentence_adds_to_it(credit, size):
    world = World(2, variable=False)
    objective = ScoreFunction(rewards.Minimax(), credits(2)[credit], BatchMean())
    assert_close(world.expected(objective, size), world.exact("JSD(P‖G)") * (size - 1) / size, **TOLERANCE)


def test_where_fewer_sentences_reach_the_batch_mean_shrinks_it_more():
    # n of B reach position t, one of them for sure: n − 1 ~ Binomial(B − 1, q), E 1/n = (1 − (1 − q)^B) / (B q).
    # B = 2 gives 1 − E 1/n = q/2, and the first token is written in all: q = 1.
    world = World(2, variable=True)
    q = world.probabilities()[1][world.sentences.mask[:, 1]].sum().item()
    factor = torch.tensor([1.0, q]).view(2, 1, 1) / 2
    assert 0.3 < q < 0.8
    objective = ScoreFunction(rewards.Minimax(), Terminal(), BatchMean())
    exact = world.exact("JSD(P‖G)").unflatten(0, (2, -1))  # the table's rows lie position by position
    assert_close(world.expected(objective, 2).unflatten(0, (2, -1)), exact * factor, **TOLERANCE)


# --- null controls ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credit", ["terminal", "monte_carlo"])
def test_a_constant_teaches_nothing_on_average(world, credit):
    gradient = world.estimate(Constant(), credits(3)[credit])
    assert_close(gradient, torch.zeros_like(gradient), **TOLERANCE)


@pytest.mark.parametrize("credit", ["terminal", "monte_carlo"])
def test_a_constant_under_the_batch_mean_is_no_gradient_at_all(world, credit):
    objective = ScoreFunction(Constant(), {"terminal": Terminal(), "monte_carlo": MonteCarlo(5)}[credit], BatchMean())
    gradient = world.gradient(objective(world.game(noise=Noise(0)), world.sentences).loss)
    assert (gradient == 0).all()


class Dealt(Even):
    """Deals rows out in an order that is given."""

    def __init__(self, order):
        super().__init__()
        self.order = torch.tensor(order)

    def permutation(self, n):
        return self.order


def test_shuffled_under_the_batch_mean_teaches_nothing_whatever_was_said(world):
    # Over all orders, every sentence gets the batch's mean reward.
    said = world.game(noise=Noise(1)).sample(3)
    objective = ScoreFunction(Shuffled(rewards.LogOdds()), Terminal(), BatchMean())
    gradients = [
        world.gradient(objective(world.game(said=said, noise=Dealt(order)), said.batch).loss)
        for order in permutations(range(3))
    ]
    assert torch.stack(gradients).abs().amax() > 0.01
    assert_close(sum(gradients), torch.zeros_like(world.table), **TOLERANCE)


def test_shuffled_leaves_of_the_gradient_what_chance_leaves_in_place():
    # One of B sentences keeps its own reward, so 1/B of the gradient is left where no baseline takes it away.
    world = World(2, variable=False)
    orders = [Dealt(order) for order in permutations(range(2))]
    for baseline, left in ((Zero(), 1 / 2), (LeaveOneOut(), 0.0), (BatchMean(), 0.0)):
        objective = ScoreFunction(Shuffled(rewards.Minimax()), Terminal(), baseline)
        assert_close(world.expected(objective, 2, orders), world.exact("JSD(P‖G)") * left, **TOLERANCE)
