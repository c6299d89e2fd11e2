"""The discriminator's loss, by hand and over every sentence of a small world."""

from dataclasses import dataclass
from math import log

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import LENGTH, PARTS, Additive, Even, fractions, jsd, listed, mixture, population
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator_loss import (
    Hinge,
    Mediation,
    Minimax,
    Relativistic,
)
from textgan_lit.model.game import Game
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.penalty import R1
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import Samples, TextBatch, Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)  # a 0, b 1, eos 2, pad 4


class Table(Discriminator):
    """A score for every token, or for the first token of a sentence."""

    def __init__(self, of_tokens, scores="sentence"):
        super().__init__(VOCAB, 3)
        self.scores = scores
        self.of_tokens = torch.nn.Parameter(torch.tensor([*of_tokens, 77.0, 77.0]))  # bos, pad

    def forward(self, tokens, mask, density=None):
        return self.of_tokens[tokens if self.scores == "token" else tokens[:, 0]]


def game(discriminator, said):
    """G always says the same: the tokens ``said``, then eos."""
    generator = Markov(VOCAB, 3, positional=True)
    table = generator.table.weight.data.view(3, VOCAB.inputs, VOCAB.size)
    for position, token in enumerate([*said, VOCAB.eos]):
        table[position, :, token] = 1e4
    return Game(generator, discriminator, Categorical(), Noise(0, "discriminator_loss"))


def real(*rows):
    tokens = torch.tensor(rows)
    return TextBatch(tokens, tokens != VOCAB.pad)


def test_one_score_a_sentence_by_hand():
    # Real sentences begin with a, a and b; generated ones with b. D(a) = ¾, D(b) = ¼.
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0]), [1]), real([0, 2, 4], [0, 1, 2], [1, 2, 4]))
    wanted = 0.5 * (2 * log(4 / 3) + log(4)) / 3 + 0.5 * log(4 / 3)
    assert_close(outcome.loss.item(), wanted)
    assert_close(outcome.logs["accuracy"].item(), 0.5 * 2 / 3 + 0.5)
    assert_close(outcome.logs["bce"], outcome.loss.detach())


def test_one_score_a_token_is_a_mean_over_tokens_and_not_over_padding():
    # Real: "a b eos", "eos"; generated: "a eos" twice. D(a) = ¾, D(b) = ¼, D(eos) = ½; padding scores 77.
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0], "token"), [0]), real([0, 1, 2], [2, 4, 4]))
    of_real = (log(4 / 3) + log(4) + 2 * log(2)) / 4
    of_fake = (log(4) + log(2)) / 2
    assert_close(outcome.loss.item(), 0.5 * of_real + 0.5 * of_fake)
    assert_close(outcome.logs["accuracy"].item(), 0.5 * 1 / 4 + 0.5 * 1 / 2)  # a score of exactly 0 says "generated"


def test_a_token_that_both_sides_write_as_often_teaches_nothing_whoever_writes_longer_sentences():
    # Real: "a b eos"; generated: "a eos". P(a) = G(a) and P(eos) = G(eos), so their best score is log 1 = 0. Divided by
    # the 5 tokens of both sides: a −½/5 + ½/5, b −½/5, eos −½/5 + ½/5. Over each side's own 3 and 2 tokens, a would
    # have ½ (−½/3 + ½/2), and its best score would be log 2/3, the ratio of the lengths.
    judge = Table([0.0, 0.0, 0.0], "token")
    outcome = Minimax()(game(judge, [0]), real([0, 1, 2]))
    outcome.loss.backward()
    assert_close(judge.of_tokens.grad[:3], torch.tensor([0.0, -0.1, 0.0]), rtol=0, atol=1e-7)
    # D(a) = ¾, D(b) = ¼, D(eos) = ½
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0], "token"), [0]), real([0, 1, 2]))
    assert_close(outcome.loss.item(), (log(4 / 3) + log(4) + log(2) + log(4) + log(2)) / 5)
    assert_close(outcome.logs["accuracy"].item(), 2 / 5)  # the real a and the generated eos


@pytest.mark.parametrize("scores", ["sentence", "token"])
def test_padding_is_taught_nothing(scores):
    judge = Table([1.0, 2.0, 3.0], scores)
    Minimax()(game(judge, []), real([2, 4, 4], [0, 2, 4])).loss.backward()
    assert (judge.of_tokens.grad[3:] == 0).all()
    assert judge.of_tokens.grad[:3].abs().sum() > 0


def test_real_is_pulled_up_and_generated_is_pushed_down():
    judge = Table([0.0, 0.0, 0.0])
    Minimax()(game(judge, [1]), real([0, 2, 4])).loss.backward()
    assert judge.of_tokens.grad[:2].tolist() == [-0.25, 0.25]  # ½ (D − 1), ½ D at D = ½


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
def test_the_best_d_loses_log_2_minus_the_divergence(variable):
    oracle, generator = fractions(1, variable), fractions(2, variable)
    judged = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Even(PARTS))
    world = listed(oracle, generator)
    best = log(2) - jsd(world.p, world.g)
    assert 0.1 < best < 0.65
    assert_close(Minimax()(judged, population(oracle)).loss.item(), best, rtol=0, atol=1e-5)


@dataclass(frozen=True)
class Told(Game):
    """Says what it is told to say."""

    said: TextBatch

    def sample(self, n):
        return Samples(*self.said, torch.zeros(self.said.tokens.shape), torch.zeros(len(self.said.tokens), 0))


class Prefixes(Discriminator):
    """Every prefix has a score of its own; what stands on padding scores 77."""

    scores = "token"

    def __init__(self, vocab, length, score):
        super().__init__(vocab, length)
        self.score = torch.nn.Parameter(score)

    @staticmethod
    def number(tokens, vocab):
        place = vocab.inputs ** torch.arange(tokens.shape[1])
        return (tokens * place).cumsum(1) + place.cumsum(0)

    def forward(self, tokens, mask, density=None):
        return self.score[self.number(tokens, self.vocab)].where(mask, 77.0)


def test_tokens_are_compared_where_both_sentences_have_one():
    """Sentences of unequal length: every pair, as often as it is probable; the best score is that of each prefix."""
    oracle, generator = fractions(1, variable=True), fractions(2, variable=True)
    world = listed(oracle, generator)
    numbers = Prefixes.number(world.sentences.tokens, oracle.vocab)
    reached = world.sentences.mask
    p, g = (torch.zeros(int(numbers.max()) + 1, dtype=torch.float64) for _ in "pg")
    for x, of in ((p, world.p), (g, world.g)):
        x.index_add_(0, numbers[reached], of.unsqueeze(1).expand_as(numbers)[reached])
    best = torch.where(p > 0, (p / g).log(), 0.0).float()
    rows = torch.cartesian_prod(*[torch.arange(len(world.p))] * 2)
    (left, right), weight = rows.unbind(1), (world.p[rows[:, 0]] * world.g[rows[:, 1]]).float()

    def gradient(score):
        # a batch in which each pair stands once, and counts as often as it is probable
        judge = Prefixes(oracle.vocab, LENGTH, score)
        loss = torch.zeros(())
        real, fake = (TextBatch(*(part[side] for part in world.sentences)) for side in (left, right))
        relativistic = Relativistic()
        relativistic.losses = lambda *pair: tuple(
            of * weight.unsqueeze(1) for of in Relativistic.losses(relativistic, *pair)
        )
        loss = relativistic(Told(generator, judge, Categorical(), Noise(0), fake), real).loss
        return torch.autograd.grad(loss, judge.score)[0].abs().max()

    level = torch.randn(LENGTH, generator=torch.Generator().manual_seed(0))  # each position has its own
    shift = torch.zeros_like(best)
    shift[numbers[reached]] = level.expand_as(numbers)[reached]
    assert gradient(torch.zeros_like(best)) > 1e-6
    assert gradient(best) < 1e-9
    assert gradient(best + shift) < 1e-9


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
def test_mediation_is_likelihood_of_the_even_mixture(variable):
    """Half and half of sentences, also where one side writes longer ones."""
    oracle, generator = fractions(1, variable), fractions(6, variable)
    world = listed(oracle, generator)
    best = mixture(world.p, world.g, world.sentences, oracle.vocab)
    m, length = (world.p + world.g) / 2, world.sentences.mask.sum(1)
    assert variable == (abs((world.p * length).sum() - (world.g * length).sum()) > 0.1)
    game = Game(generator, Mediator(oracle.vocab, LENGTH, best), Categorical(), Even(PARTS))
    outcome = Mediation()(game, population(oracle))
    assert_close(outcome.loss.double(), -(m * m.log()).sum() / (m * length).sum(), rtol=1e-5, atol=1e-5)
    assert_close(outcome.logs["nll"], outcome.loss.detach())
    (gradient,) = torch.autograd.grad(outcome.loss, best.table.weight)
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-6)
    # and what it then says is log P/G
    density = generator.logp(world.sentences, Categorical())
    score = game.discriminator(*world.sentences, density).double()
    written = world.g > 0
    assert_close(score[written], (world.p / world.g).log()[written], rtol=1e-3, atol=1e-3)


def test_a_penalty_is_added_and_logged():
    vocab = Vocab(("a", "b"))
    judge = Additive(vocab, 2)
    players = (Markov(vocab, 2), judge, Categorical())
    batch = every_sentence(vocab, 2)
    plain = Hinge()(Game(*players, Noise(0)), batch)
    outcome = Hinge(R1(weight=3.0))(Game(*players, Noise(0)), batch)
    wanted = 1.5 * judge.weight.square().sum()
    assert_close(outcome.loss, plain.loss + wanted)
    assert_close(outcome.logs["penalty"], wanted.detach())
    assert not outcome.logs["penalty"].requires_grad
    assert "penalty" not in plain.logs


def test_a_penalty_wants_a_discriminator_that_reads_between_tokens():
    with pytest.raises(UserError, match=r"R1 asks.*Optimal reads whole tokens only"):
        Minimax(R1()).check(Markov(VOCAB, 3), Optimal(VOCAB, 3, Markov(VOCAB, 3)))


def test_a_mediator_is_taught_by_mediation_and_nothing_else_is():
    generator, mediator = Markov(VOCAB, 3), Mediator(VOCAB, 3, Markov(VOCAB, 3))
    Mediation().check(generator, mediator)
    with pytest.raises(UserError, match=r"not by Hinge. Use model/discriminator_loss=mediation"):
        Hinge().check(generator, mediator)
    with pytest.raises(UserError, match=r"but the discriminator is Conv. Use model/discriminator=mediator"):
        Mediation().check(generator, Conv(VOCAB, 3))
    with pytest.raises(UserError, match=r"mediation takes no penalty"):
        Mediation(R1())
