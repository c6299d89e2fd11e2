"""What each loss of the discriminator estimates, over a free table of scores, and what it needs for that."""

import inspect
from functools import partial
from math import exp, log

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import LENGTH, PARTS, Even, fractions, jsd, kl, listed, population
from textgan_lit.errors import UserError
from textgan_lit.model import discriminator_loss as discriminator_losses
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator_loss import (
    FGAN,
    LARGEST,
    DiscriminatorLoss,
    Hinge,
    LeastSquares,
    Mediation,
    Minimax,
    Relativistic,
    Wasserstein,
)
from textgan_lit.model.game import Game
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.penalty import GradientPenalty
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)  # a 0, b 1, eos 2, pad 4
ESTIMATORS = [Minimax, LeastSquares, Relativistic, FGAN, partial(FGAN, divergence="reverse_kl")]
CRITICS = [Hinge, Wasserstein, partial(FGAN, divergence="total_variation")]


def name(make):
    return make.__name__ if inspect.isclass(make) else make.keywords["divergence"]


P = torch.tensor([0.4, 0.3, 0.2, 0.07, 0.03], dtype=torch.float64)
G = torch.tensor([0.1, 0.15, 0.3, 0.05, 0.4], dtype=torch.float64)


def expected(discriminator_loss, score, p=P, g=G):
    """½ of the mean loss on real and ½ of that on generated sentences, over every pair of the two."""
    real, fake = score.unsqueeze(1).expand(len(p), -1), score.unsqueeze(0).expand(len(p), -1)
    of_real, of_fake = discriminator_loss.losses(real, fake)
    return 0.5 * (torch.outer(p, g) * (of_real + of_fake)).sum()


def slope(discriminator_loss, score):
    return torch.autograd.functional.jacobian(lambda table: expected(discriminator_loss, table), score)


def test_every_adversary_is_under_these_laws():
    kinds = {kind for _, kind in inspect.getmembers(discriminator_losses, inspect.isclass)}
    kinds = {kind for kind in kinds if issubclass(kind, DiscriminatorLoss) and kind is not DiscriminatorLoss}
    assert kinds == {getattr(make, "func", make) for make in (*ESTIMATORS, *CRITICS)}
    assert all(make().log_odds for make in (*ESTIMATORS, Mediation))
    assert not any(make().log_odds for make in CRITICS)


@pytest.mark.parametrize("make", ESTIMATORS, ids=name)
def test_what_claims_log_odds_is_least_at_log_p_over_g(make):
    discriminator_loss, best = make(), (P / G).log()
    assert slope(discriminator_loss, torch.zeros_like(P)).abs().max() > 0.01
    assert slope(discriminator_loss, best).abs().max() < 1e-14
    bend = torch.linalg.eigvalsh(torch.autograd.functional.hessian(lambda s: expected(discriminator_loss, s), best))
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
    discriminator_loss = Minimax(smoothing=0.1)
    best = torch.logit(0.9 * P / (P + G))
    assert slope(discriminator_loss, best).abs().max() < 1e-14
    assert slope(discriminator_loss, (P / G).log()).abs().max() > 0.01
    assert (best <= log(9)).all()
    real, fake = torch.tensor([0.7]), torch.tensor([-0.3])
    of_real, of_fake = discriminator_loss.losses(real, fake)  # 0.9 of "real", 0.1 of "generated"
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


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
@pytest.mark.parametrize(("make", "least"), LEAST[:4], ids=lambda value: name(value) if callable(value) else "")
def test_a_step_is_the_expected_loss(make, least, variable):
    oracle, generator = fractions(1, variable), fractions(2, variable)
    world = listed(oracle, generator)
    judged = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Even(PARTS))
    wanted = expected(make(), (world.p / world.g).log(), world.p, world.g)
    assert_close(make()(judged, population(oracle)).loss.double(), wanted, rtol=1e-4, atol=1e-5)


def test_wasserstein_wants_a_bound_on_the_slope():
    generator, judge = Markov(VOCAB, 3), Conv(VOCAB, 3)
    with pytest.raises(UserError, match=r"grows without end.*model/penalty=gradient_penalty"):
        Wasserstein().check(generator, judge)
    Wasserstein(GradientPenalty()).check(generator, judge)
    for make in (*ESTIMATORS, *CRITICS[::2]):
        make().check(generator, Conv(VOCAB, 3))
