"""Cooperative training by enumeration: against the divergence over whole sentences, and what holding prefixes drops."""

from dataclasses import dataclass
from itertools import permutations, product

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import Even, lively, mixture, quarters
from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.estimator.exact import Exact
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.model.reward import LogOdds, Minimax
from textgan_lit.noise import Noise
from textgan_lit.types import Samples, TextBatch, Vocab

TOLERANCE = {"rtol": 1e-4, "atol": 2e-6}


@dataclass(frozen=True)
class Told(Game):
    """Says what it is told to say."""

    said: Samples

    def sample(self, n):
        return self.said


class World:
    """P, a table without structure; G, a bigram table at each position, in quarters; M, by default (P + G)/2."""

    def __init__(self, length, variable, model=None):
        self.oracle = Tiny(vocab_size=2, length=length, variable=variable, seed=3)
        self.vocab, self.length = self.oracle.vocab, length
        self.sentences = every_sentence(self.vocab, length)
        self.generator = quarters(self.vocab, length)
        p, g = (self.probability(player).detach() for player in (self.oracle, self.generator))
        self.p = p
        self.model = model or mixture(p, g, self.sentences, self.vocab)

    def probability(self, player):
        return player.logp(self.sentences, Categorical()).sum(1).double().exp()

    def game(self, noise=None, said=None):
        players = self.generator, Mediator(self.vocab, self.length, self.model), Categorical()
        return Game(*players, noise or Even(4)) if said is None else Told(*players, noise or Even(4), said)

    def gradient(self, loss):
        return torch.autograd.grad(loss, self.generator.table.weight)[0]

    def estimate(self, objective, noise=None):
        """From one batch in which every sentence is as frequent as it is probable."""
        tokens = torch.zeros(4**self.length, self.length, dtype=torch.long)
        outcome = objective(self.game(noise), TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool)))
        return self.gradient(outcome.loss)

    def expected(self, objective, size=2, noises=(None,)):
        """From every batch of so many sentences, each weighed by its probability."""
        logp = self.generator.logp(self.sentences, Categorical()).detach()
        everyone, loss = Samples(*self.sentences, logp, logp[:, :0]), torch.zeros(())
        for rows in product(range(len(logp)), repeat=size):
            said = Samples(*(part[list(rows)] for part in everyone))
            of_noises = sum(objective(self.game(noise, said), said.batch).loss for noise in noises) / len(noises)
            loss = loss + said.logp.sum().exp() * of_noises
        return self.gradient(loss)

    def exact(self):
        """∇ of ½ KL(G‖M) of sentences, M held fixed."""
        g, m = self.probability(self.generator), self.probability(self.model).detach()
        return self.gradient(0.5 * (g * (g / m).log()).sum())

    def jsd(self):
        """∇ of JSD(P‖G): M follows G."""
        g = self.probability(self.generator)
        m = (self.p + g) / 2
        return self.gradient(0.5 * (self.p * (self.p / m).log()).sum() + 0.5 * (g * (g / m).log()).sum())

    def after_fixed_prefixes(self):
        """∇ of ½ Σ_t Σ_prefix G(prefix) KL(G_t‖M_t), the G(prefix) held fixed: each prefix once."""
        inputs, total = inputs_of(self.sentences.tokens, self.vocab.bos), 0.0
        ours, theirs = (model.logits(inputs).double().log_softmax(-1) for model in (self.generator, self.model))
        kl = (ours.exp() * (ours - theirs.detach())).sum(-1)
        weight = self.probability(self.generator).detach()
        for t in range(self.length):
            total = total + (weight * kl[:, t])[self.sentences.mask[:, t]].sum()  # Σ over sentences = Σ over prefixes
        return self.gradient(0.5 * total)


@pytest.fixture(params=["fixed", "eos"])
def variable(request):
    return request.param == "eos"


@pytest.fixture
def other(variable):
    """A mediator that has not learnt its mixture yet."""
    vocab = Tiny(vocab_size=2, length=2, variable=variable).vocab
    return lively(Markov(vocab, 2, order=2, positional=True))


def test_with_the_future_it_is_half_the_kl_to_whatever_mediator(variable, other):
    world = World(2, variable, other)
    exact = world.exact()
    assert exact.abs().max() > 0.01
    assert_close(world.expected(Exact(LogOdds(), future=1.0)), exact, **TOLERANCE)


def test_with_the_future_and_the_mixture_it_descends_the_jsd(variable):
    world = World(2, variable)
    assert_close(world.exact(), world.jsd(), **TOLERANCE)
    assert_close(world.expected(Exact(LogOdds(), future=1.0)), world.jsd(), **TOLERANCE)


def test_without_it_prefixes_are_held_fixed(variable):
    """What the paper does: another gradient, but at the last token the same one."""
    world = World(3, variable)
    found = world.estimate(Exact(LogOdds()))
    assert_close(found, world.after_fixed_prefixes(), **TOLERANCE)
    assert (found - world.exact()).abs().max() > 1e-3
    last = slice(2 * world.vocab.inputs, None)
    assert_close(found[last], world.exact()[last], **TOLERANCE)


def test_a_single_token_has_no_future(variable):
    world = World(1, variable)
    for future in (0.0, 1.0):
        assert_close(world.estimate(Exact(LogOdds(), future=future)), world.exact(), **TOLERANCE)


def test_the_future_is_discounted_token_by_token(variable):
    """Three tokens of one sentence, against the sum by hand: Σ_t Σ_{s>t} γ^{s−t} here_s · log G(x_t)."""
    world, gamma = World(3, variable), 0.5
    rows = [len(world.sentences.tokens) - 1]  # the last one has all three tokens
    logp = world.generator.logp(world.sentences, Categorical())
    said = Samples(*(part[rows] for part in (*world.sentences, logp, logp[:, :0])))
    said = said._replace(logp=said.logp.detach())
    ours, theirs = (
        model.predict(said.batch, Categorical()).log_softmax(-1) for model in (world.generator, world.model)
    )
    here = (ours.exp() * (theirs - ours)).sum(-1)[0].detach()
    later = torch.stack([gamma * here[1] + gamma**2 * here[2], gamma * here[2], torch.tensor(0.0)])
    now = (ours.exp() * (theirs - ours).detach()).sum()
    logp = world.generator.logp(said.batch, Categorical())
    wanted = -0.5 * (now + (logp * later).sum())
    outcome = Exact(LogOdds(), future=gamma)(world.game(said=said), said.batch)
    assert_close(world.gradient(outcome.loss), world.gradient(wanted), **TOLERANCE)
    assert_close(outcome.logs["reward"], here.mean())


@pytest.mark.parametrize("future", [0.0, 1.0])
def test_where_the_mediator_says_what_g_says_nothing_is_learned(variable, future):
    world = World(2, variable)
    world.model = quarters(world.vocab, 2)
    found = world.estimate(Exact(LogOdds(), future=future))
    assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-6)


# --- null controls ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2])
def test_a_constant_without_the_future_is_no_gradient_at_all(variable, size):
    world = World(2, variable)
    assert Exact(Constant()).null
    found = world.expected(Exact(Constant()), size)
    assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-6)


class Twice(Even):
    """Two permutations that are given, one after the other."""

    def __init__(self, *orders):
        super().__init__(4)
        self.orders = orders

    def permutation(self, n):
        order = torch.tensor(self.orders[0])
        self.orders = (*self.orders[1:], self.orders[0])
        assert n == len(order)
        return order


@pytest.mark.parametrize("future", [0.0, 1.0])
def test_shuffled_teaches_nothing_on_average(future):
    """Over all orders of the tokens, and of the sentences whose future is dealt out."""
    world, orders = World(2, variable=False), list(permutations(range(2)))
    noises = [Twice(*pair) if future else Twice(pair[0]) for pair in product(orders, repeat=2)]
    objective = Exact(Shuffled(LogOdds()), future=future)
    assert objective.null
    assert world.expected(objective, 2, noises[:1]).abs().max() > 0.01
    found = world.expected(objective, 2, noises)
    assert_close(found, torch.zeros_like(found), rtol=0, atol=2e-6)


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_tokens_that_a_policy_leaves_out_are_no_trouble():
    vocab = Vocab(("a", "b", "c"))
    generator = lively(Markov(vocab, 3))
    judge = Mediator(vocab, 3, lively(Markov(vocab, 3), seed=1))
    tokens = torch.zeros(20, 3, dtype=torch.long)
    batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    for future in (0.0, 1.0):
        outcome = Exact(LogOdds(), future)(Game(generator, judge, TopK(2), Noise(0, "exact")), batch)
        gradient = torch.autograd.grad(outcome.loss, generator.table.weight)[0]
        assert outcome.loss.isfinite()
        assert gradient.isfinite().all()
        assert gradient.any()


def test_no_gradient_reaches_the_mediator_and_dropout_is_silent():
    vocab = Vocab(("a", "b"), has_eos=True)
    generator, judge = LSTM(vocab, 3, dropout=0.9).train(), Mediator(vocab, 3, LSTM(vocab, 3))
    game = lambda: Game(generator, judge, Categorical(), Noise(0, "exact"))  # noqa: E731
    tokens = torch.zeros(20, 3, dtype=torch.long)
    batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    losses = [Exact(LogOdds(), 1.0)(game(), batch).loss for _ in range(2)]
    assert losses[0].equal(losses[1])
    losses[0].backward()
    assert all(weight.grad is None for weight in judge.parameters())


def test_what_it_cannot_use_is_refused():
    vocab = Vocab(("a", "b"))
    for reward, name in ((Minimax(), "Minimax"), (Shuffled(Minimax()), "Minimax")):
        with pytest.raises(UserError, match=rf"{name} would be another game. Use model/reward=log_odds"):
            Exact(reward)
    generator = Markov(vocab, 2)
    with pytest.raises(UserError, match=r"asks a mediator.*is Conv. Use model/discriminator=mediator"):
        Exact(LogOdds()).check(generator, Conv(vocab, 2))
    Exact(LogOdds()).check(generator, Mediator(vocab, 2, generator))
