"""The discriminator's loss."""

import inspect
from dataclasses import dataclass
from functools import partial
from math import exp, log

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import LENGTH, PARTS, Additive, Even, fractions, jsd, kl, listed, mixture, population
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model import adversary as adversaries
from textgan_lit.model.adversary import (
    FGAN,
    LARGEST,
    Adversary,
    Hinge,
    LeastSquares,
    Mediation,
    Minimax,
    Relativistic,
    Wasserstein,
)
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.game import Game
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.penalty import R1, GradientPenalty
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import Rollout, TextBatch, Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)  # a 0, b 1, eos 2, pad 4


ESTIMATORS = [Minimax, LeastSquares, Relativistic, FGAN, partial(FGAN, divergence="reverse_kl")]
CRITICS = [Hinge, Wasserstein, partial(FGAN, divergence="total_variation")]


def name(make):
    return make.__name__ if inspect.isclass(make) else make.keywords["divergence"]


class Table(Discriminator):
    """A score for every word, or for the first word of a sentence."""

    def __init__(self, of_words, scores="sentence"):
        super().__init__(VOCAB, 3)
        self.scores = scores
        self.of_words = torch.nn.Parameter(torch.tensor([*of_words, 77.0, 77.0]))  # bos, pad

    def forward(self, words, mask, density=None):
        return self.of_words[words if self.scores == "word" else words[:, 0]]


def game(discriminator, said):
    """G always says the same: the words ``said``, then eos."""
    generator = Markov(VOCAB, 3, positional=True)
    table = generator.table.weight.data.view(3, VOCAB.inputs, VOCAB.size)
    for position, word in enumerate([*said, VOCAB.eos]):
        table[position, :, word] = 1e4
    return Game(generator, discriminator, Categorical(), Noise(0, "adversary"))


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


def test_one_score_a_word_is_a_mean_over_words_and_not_over_padding():
    # Real: "a b eos", "eos"; generated: "a eos" twice. D(a) = ¾, D(b) = ¼, D(eos) = ½; padding scores 77.
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0], "word"), [0]), real([0, 1, 2], [2, 4, 4]))
    of_real = (log(4 / 3) + log(4) + 2 * log(2)) / 4
    of_fake = (log(4) + log(2)) / 2
    assert_close(outcome.loss.item(), 0.5 * of_real + 0.5 * of_fake)
    assert_close(outcome.logs["accuracy"].item(), 0.5 * 1 / 4 + 0.5 * 1 / 2)  # a score of exactly 0 says "generated"


def test_a_word_that_both_sides_write_as_often_teaches_nothing_whoever_writes_longer_sentences():
    # Real: "a b eos"; generated: "a eos". P(a) = G(a) and P(eos) = G(eos), so their best score is log 1 = 0. Divided by
    # the 5 words of both sides: a −½/5 + ½/5, b −½/5, eos −½/5 + ½/5. Over each side's own 3 and 2 words, a would have
    # ½ (−½/3 + ½/2), and its best score would be log 2/3, the ratio of the lengths.
    judge = Table([0.0, 0.0, 0.0], "word")
    outcome = Minimax()(game(judge, [0]), real([0, 1, 2]))
    outcome.loss.backward()
    assert_close(judge.of_words.grad[:3], torch.tensor([0.0, -0.1, 0.0]), rtol=0, atol=1e-7)
    # D(a) = ¾, D(b) = ¼, D(eos) = ½
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0], "word"), [0]), real([0, 1, 2]))
    assert_close(outcome.loss.item(), (log(4 / 3) + log(4) + log(2) + log(4) + log(2)) / 5)
    assert_close(outcome.logs["accuracy"].item(), 2 / 5)  # the real a and the generated eos


@pytest.mark.parametrize("scores", ["sentence", "word"])
def test_padding_is_taught_nothing(scores):
    judge = Table([1.0, 2.0, 3.0], scores)
    Minimax()(game(judge, []), real([2, 4, 4], [0, 2, 4])).loss.backward()
    assert (judge.of_words.grad[3:] == 0).all()
    assert judge.of_words.grad[:3].abs().sum() > 0


def test_real_is_pulled_up_and_generated_is_pushed_down():
    judge = Table([0.0, 0.0, 0.0])
    Minimax()(game(judge, [1]), real([0, 2, 4])).loss.backward()
    assert judge.of_words.grad[:2].tolist() == [-0.25, 0.25]  # ½ (D − 1), ½ D at D = ½


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
def test_the_best_d_loses_log_2_minus_the_divergence(variable):
    oracle, generator = fractions(1, variable), fractions(2, variable)
    judged = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Even(PARTS))
    world = listed(oracle, generator)
    best = log(2) - jsd(world.p, world.g)
    assert 0.1 < best < 0.65
    assert_close(Minimax()(judged, population(oracle)).loss.item(), best, rtol=0, atol=1e-5)


# --- every loss, over a free table of scores: what it estimates -------------------------------------------------------

P = torch.tensor([0.4, 0.3, 0.2, 0.07, 0.03], dtype=torch.float64)
G = torch.tensor([0.1, 0.15, 0.3, 0.05, 0.4], dtype=torch.float64)


def expected(adversary, score, p=P, g=G):
    """½ of the mean loss on real and ½ of that on generated sentences, over every pair of the two."""
    real, fake = score.unsqueeze(1).expand(len(p), -1), score.unsqueeze(0).expand(len(p), -1)
    of_real, of_fake = adversary.losses(real, fake)
    return 0.5 * (torch.outer(p, g) * (of_real + of_fake)).sum()


def slope(adversary, score):
    return torch.autograd.functional.jacobian(lambda table: expected(adversary, table), score)


def test_every_adversary_is_under_these_laws():
    kinds = {kind for _, kind in inspect.getmembers(adversaries, inspect.isclass)}
    kinds = {kind for kind in kinds if issubclass(kind, Adversary) and kind is not Adversary}
    assert kinds == {getattr(make, "func", make) for make in (*ESTIMATORS, *CRITICS)}
    assert all(make().log_odds for make in (*ESTIMATORS, Mediation))
    assert not any(make().log_odds for make in CRITICS)


@pytest.mark.parametrize("make", ESTIMATORS, ids=name)
def test_what_claims_log_odds_is_least_at_log_p_over_g(make):
    adversary, best = make(), (P / G).log()
    assert slope(adversary, torch.zeros_like(P)).abs().max() > 0.01
    assert slope(adversary, best).abs().max() < 1e-14
    bend = torch.linalg.eigvalsh(torch.autograd.functional.hessian(lambda s: expected(adversary, s), best))
    flat = 1 if make is Relativistic else 0  # along a constant
    assert (bend[:flat].abs() < 1e-14).all()
    assert (bend[flat:] > 1e-3).all()


@pytest.mark.parametrize("make", CRITICS, ids=name)
def test_what_claims_none_is_not(make):
    assert slope(make(), (P / G).log()).abs().max() > 0.01


def test_a_relativistic_score_is_right_up_to_a_constant():
    best = (P / G).log() + 3.0
    assert slope(Relativistic(), best).abs().max() < 1e-14
    assert slope(Minimax(), best).abs().max() > 0.01


M = (P + G) / 2
LEAST = [  # twice the least value: the table of docs/theory.md
    (Minimax, 2 * log(2) - 2 * jsd(P, G)),
    (LeastSquares, (P * G / (P + G)).sum().item()),
    (FGAN, 1 - kl(P, G)),
    (partial(FGAN, divergence="reverse_kl"), 1 - kl(G, P)),
    # a pair is told apart by who is the real one: two distributions over pairs, P × G and G × P
    (Relativistic, 2 * log(2) - 2 * jsd(torch.outer(P, G).flatten(), torch.outer(G, P).flatten())),
]


@pytest.mark.parametrize(("make", "least"), LEAST, ids=lambda value: name(value) if callable(value) else "")
def test_the_least_value_is_a_divergence(make, least):
    # of pairs the two losses are one, so ½ + ½ of it is the whole
    times = 1 if make is Relativistic else 2
    wanted = least / 2 if make is Relativistic else least
    assert_close(times * expected(make(), (P / G).log()).item(), wanted)


def test_the_least_value_of_critics():
    sign = (P / G).log().sign()
    assert_close(2 * expected(Hinge(), sign).item(), 2 * torch.minimum(P, G).sum().item())
    assert_close(2 * expected(CRITICS[2](), 1e3 * sign).item(), -0.5 * (P - G).abs().sum().item())
    assert_close(2 * expected(Wasserstein(), sign).item(), -(P - G).abs().sum().item())  # of scores from −1 to 1


def test_smoothing_takes_a_share_of_real_sentences_for_generated_ones():
    adversary = Minimax(smoothing=0.1)
    best = torch.logit(0.9 * P / (P + G))
    assert slope(adversary, best).abs().max() < 1e-14
    assert slope(adversary, (P / G).log()).abs().max() > 0.01
    assert (best <= log(9)).all()
    real, fake = torch.tensor([0.7]), torch.tensor([-0.3])
    of_real, of_fake = adversary.losses(real, fake)  # 0.9 of "real", 0.1 of "generated"
    assert_close(of_real, -0.9 * real.sigmoid().log() - 0.1 * (1 - real.sigmoid()).log())
    assert_close(of_fake, -(1 - fake.sigmoid()).log())


def test_beyond_the_largest_log_odds_exp_goes_on_along_its_tangent():
    score = torch.tensor([-1.0, LARGEST - 1e-3, LARGEST + 1e-3, LARGEST + 2, 1e4], requires_grad=True)
    for kind, side in (("kl", 1), ("reverse_kl", 0)):
        loss = FGAN(divergence=kind).losses(-score, score)[side]
        (gradient,) = torch.autograd.grad(loss.sum(), score)
        top = exp(LARGEST)
        wanted = torch.tensor([exp(-1), top * (1 - 1e-3), top * (1 + 1e-3), top * 3, top * (1e4 - LARGEST + 1)])
        assert_close(loss, wanted, rtol=1e-5, atol=0)
        assert_close(gradient, torch.tensor([exp(-1), top * (1 - 1e-3), top, top, top]), rtol=1e-5, atol=0)


# --- as they are played -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
@pytest.mark.parametrize(("make", "least"), LEAST[:4], ids=lambda value: name(value) if callable(value) else "")
def test_a_turn_is_the_expected_loss(make, least, variable):
    oracle, generator = fractions(1, variable), fractions(2, variable)
    world = listed(oracle, generator)
    judged = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Even(PARTS))
    wanted = expected(make(), (world.p / world.g).log(), world.p, world.g)
    assert_close(make()(judged, population(oracle)).loss.double(), wanted, rtol=1e-4, atol=1e-5)


@dataclass(frozen=True)
class Told(Game):
    """Says what it is told to say."""

    said: TextBatch

    def sample(self, n):
        return Rollout(*self.said, torch.zeros(self.said.tokens.shape), torch.zeros(len(self.said.tokens), 0))


class Prefixes(Discriminator):
    """Every prefix has a score of its own; what stands on padding scores 77."""

    scores = "word"

    def __init__(self, vocab, length, score):
        super().__init__(vocab, length)
        self.score = torch.nn.Parameter(score)

    @staticmethod
    def number(words, vocab):
        place = vocab.inputs ** torch.arange(words.shape[1])
        return (words * place).cumsum(1) + place.cumsum(0)

    def forward(self, words, mask, density=None):
        return self.score[self.number(words, self.vocab)].where(mask, 77.0)


def test_words_are_compared_where_both_sentences_have_one():
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


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_wasserstein_wants_a_bound_on_the_slope():
    generator, judge = Markov(VOCAB, 3), Conv(VOCAB, 3)
    with pytest.raises(UserError, match=r"grows without end.*model/penalty=gradient_penalty"):
        Wasserstein().check(generator, judge)
    Wasserstein(GradientPenalty()).check(generator, judge)
    for make in (*ESTIMATORS, *CRITICS[::2]):
        make().check(generator, Conv(VOCAB, 3))


def test_a_penalty_wants_a_discriminator_that_reads_between_words():
    with pytest.raises(UserError, match=r"R1 asks.*Optimal reads whole words only"):
        Minimax(R1()).check(Markov(VOCAB, 3), Optimal(VOCAB, 3, Markov(VOCAB, 3)))


def test_a_mediator_is_taught_by_mediation_and_nothing_else_is():
    generator, mediator = Markov(VOCAB, 3), Mediator(VOCAB, 3, Markov(VOCAB, 3))
    Mediation().check(generator, mediator)
    with pytest.raises(UserError, match=r"not by Hinge. Use model/adversary=mediation"):
        Hinge().check(generator, mediator)
    with pytest.raises(UserError, match=r"but the discriminator is Conv. Use model/discriminator=mediator"):
        Mediation().check(generator, Conv(VOCAB, 3))
    with pytest.raises(UserError, match=r"mediation takes no penalty"):
        Mediation(R1())
