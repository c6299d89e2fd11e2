"""Penalties on the slope of a score: by hand, where the slope is known, and differentiated a second time."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import Additive, lively
from textgan_lit.errors import UserError
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator.transformer import Transformer
from textgan_lit.model.game import Game
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.penalty import R1, GradientPenalty
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)  # a 0, b 1, eos 2, pad 4
LENGTH = 3
REAL = TextBatch(torch.tensor([[0, 2, 4], [1, 0, 1]]), torch.tensor([[True, True, False], [True] * 3]))
FAKE = TextBatch(torch.tensor([[2, 4, 4], [0, 1, 2]]), torch.tensor([[True, False, False], [True] * 3]))
KINDS = {
    Conv: {"filters": [(1, 3), (2, 4)], "embedding": 3, "dropout": 0.0},
    Recurrent: {"embedding": 3, "hidden": 5, "dropout": 0.0},
    Transformer: {"width": 8, "heads": 2, "dropout": 0.0},
}


def game(discriminator):
    return Game(Markov(VOCAB, LENGTH), discriminator, Categorical(), Noise(0, "penalty"))


@pytest.fixture
def linear():
    """Slopes ‖(1, 2, 2)‖² = 9, ‖(0, 4, 0)‖² = 16 and ‖(0, 0, 12)‖² = 144 at the three positions."""
    judge = Additive(VOCAB, LENGTH)
    judge.weight.data = torch.tensor([[1.0, 2.0, 2.0], [0.0, 4.0, 0.0], [0.0, 0.0, 12.0]])
    return judge


def test_r1_by_hand(linear):
    # real sentences of 2 and 3 tokens: ½ · 0.2 · ½ (9 + 16 + 9 + 16 + 144)
    assert_close(R1(weight=0.2)(game(linear), REAL, FAKE).item(), 0.1 * (25 + 169) / 2)


def test_the_gradient_penalty_by_hand(linear):
    # the longer of two sentences: 2 and 3 tokens, slopes of 5 and 13. 0.5 · ½ (4² + 12²)
    assert_close(GradientPenalty(weight=0.5)(game(linear), REAL, FAKE).item(), 0.5 * (16 + 144) / 2)


def test_their_gradients_by_hand(linear):
    # of ½ · 1 · mean ‖w‖²: w, at the third position half of it, since one of two sentences has it
    (gradient,) = torch.autograd.grad(R1(weight=1.0)(game(linear), REAL, FAKE), linear.weight)
    assert_close(gradient, linear.weight.detach() * torch.tensor([[1.0], [1.0], [0.5]]))
    # of mean (‖w‖ − 1)²: (‖w‖ − 1) w/‖w‖ of each
    (gradient,) = torch.autograd.grad(GradientPenalty(weight=1.0)(game(linear), REAL, FAKE), linear.weight)
    shares = torch.tensor([4 / 5 + 12 / 13, 4 / 5 + 12 / 13, 12 / 13]).unsqueeze(1)
    assert_close(gradient, linear.weight.detach() * shares)


def test_the_gradient_penalty_looks_at_points_between_a_pair():
    """A score of ½ Σ tokens²: its slope is the point itself."""

    class Square(Discriminator):
        accepts_soft = True

        def forward(self, tokens, mask, density=None):
            seen.append(tokens.detach())
            return 0.5 * tokens.square().sum((1, 2))

    seen = []
    found = GradientPenalty(weight=1.0)(game(Square(VOCAB, LENGTH)), REAL, FAKE)
    share = Noise(0, "penalty").uniform(2, 1, 1)
    ends = (one_hot(*REAL, 3), one_hot(*FAKE, 3))
    point = (1 - share) * ends[0] + share * ends[1]
    assert 0 < share.min() < share.max() < 1
    assert share[0] != share[1]
    assert_close(seen[0], point)
    assert_close(found, (point.flatten(1).norm(dim=1) - 1).square().mean())


def test_a_slope_of_0_has_a_finite_gradient():
    judge = Additive(VOCAB, LENGTH)
    judge.weight.data.zero_()
    penalty = GradientPenalty(weight=2.0)(game(judge), REAL, FAKE)
    assert_close(penalty.item(), 2.0, rtol=1e-4, atol=0)
    assert torch.autograd.grad(penalty, judge.weight)[0].isfinite().all()


@pytest.mark.parametrize("penalty", [R1(weight=1.0), GradientPenalty(weight=1.0)], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_derivative_reaches_the_parameters(kind, penalty):
    """Against the difference of the penalty itself along its own gradient; torch's, in all of its layers."""
    judge = lively(kind(VOCAB, LENGTH, **KINDS[kind]))
    weights = list(judge.parameters())
    gradients = torch.autograd.grad(
        penalty(game(judge), REAL, FAKE), weights, allow_unused=True, materialize_grads=True
    )
    reached = sum(gradient.any() for gradient, weight in zip(gradients, weights, strict=True) if weight.dim() > 1)
    assert reached == sum(weight.dim() > 1 for weight in weights)
    size = sum(gradient.square().sum() for gradient in gradients).sqrt()
    values, step = [], 2e-3
    for sign in (1, -2):
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight += sign * step * gradient / size
        values.append(penalty(game(judge), REAL, FAKE).detach())
    assert_close((values[0] - values[1]) / (2 * step), size, rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("penalty", [R1(weight=10.0), GradientPenalty()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_padding_contributes_nothing(kind, penalty):
    """Neither what is called a token there, nor how much of it there is."""
    judge = lively(kind(VOCAB, LENGTH + 2, **KINDS[kind]))
    other = [TextBatch(tokens.masked_fill(~mask, 1), mask) for tokens, mask in (REAL, FAKE)]
    wider = [
        TextBatch(*(torch.nn.functional.pad(part, (0, 2), value=VOCAB.pad * (part.dtype == torch.long)) for part in of))
        for of in (REAL, FAKE)
    ]
    wanted = penalty(game(judge), REAL, FAKE)
    assert wanted > 1e-3
    assert_close(penalty(game(judge), *other), wanted)
    assert_close(penalty(game(judge), *wider), wanted)


def test_tokens_that_cannot_be_read_softly_are_refused():
    generator = Markov(VOCAB, LENGTH)
    for judge in (Optimal(VOCAB, LENGTH, generator), DensityAware(VOCAB, LENGTH, generator, Conv(VOCAB, LENGTH))):
        for penalty in (R1(), GradientPenalty()):
            with pytest.raises(
                UserError, match=rf"{type(judge).__name__} reads whole tokens only. Use model/discrimin"
            ):
                penalty.check(judge)
    for kind, options in KINDS.items():
        R1().check(kind(VOCAB, LENGTH, **options))
