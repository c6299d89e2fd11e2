"""Relaxed tokens: an exact draw at every temperature, and torch's own formula beside it."""

import pytest
import torch
from scipy.stats import chisquare
from torch import nn
from torch.testing import assert_close

from textgan_lit.functional.relaxation import SMALLEST, embed, gumbel_softmax, one_hot

LOGITS = torch.tensor([0.5, 0.2, 0.2, 0.1]).log() + 3.0  # any constant will do


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


def test_soft_tokens_mix_embeddings_and_hard_ones_look_them_up():
    table = nn.Embedding.from_pretrained(torch.tensor([[1.0, 0.0], [3.0, 1.0], [9.0, 9.0], [7.0, 7.0]]))
    assert embed(table, torch.tensor([[0, 3]])).tolist() == [[[1.0, 0.0], [7.0, 7.0]]]
    soft = torch.tensor([[0.25, 0.75], [0.0, 0.0]])  # of two tokens that can be emitted; on padding nothing
    assert embed(table, soft).tolist() == [[2.5, 0.75], [0.0, 0.0]]


def test_one_hot_tokens():
    tokens, mask = torch.tensor([[2, 0, 9]]), torch.tensor([[True, True, False]])
    assert one_hot(tokens, mask, 3).tolist() == [[[0, 0, 1], [1, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("hard", [False, True])
def test_the_largest_is_an_exact_draw(stream, temperature, hard):
    uniform = torch.rand(4000, 4, generator=stream)
    drawn = gumbel_softmax(LOGITS.expand(4000, -1), uniform, temperature, hard).argmax(1)
    assert chisquare(drawn.bincount(minlength=4), LOGITS.double().softmax(0) * 4000).pvalue > 0.01
    assert drawn.equal(gumbel_softmax(LOGITS.expand(4000, -1), uniform, 1.0, False).argmax(1))  # at every temperature


@pytest.mark.parametrize("size", [2, 3])
def test_the_largest_is_an_exact_draw_by_enumeration(size):
    """All of a fine grid of uniform numbers: shares without chance."""
    grid = (torch.arange(100) + 0.5) / 100
    uniform = torch.cartesian_prod(*[grid] * size)
    chances = torch.tensor([0.7, 0.2, 0.1][:size])
    drawn = gumbel_softmax(chances.log().expand(len(uniform), -1), uniform, 1.0, False).argmax(1)
    share = drawn.bincount(minlength=size) / len(uniform)
    assert_close(share, chances / chances.sum(), rtol=0, atol=5e-3)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_it_is_torchs_own_given_its_noise(hard, temperature):
    """torch draws E ~ Exp(1) and takes −log E; so do we with E = −log u."""
    logits = torch.randn(50, 6, requires_grad=True)
    torch.manual_seed(7)
    theirs = nn.functional.gumbel_softmax(logits, temperature, hard)
    torch.manual_seed(7)
    exponential = torch.empty_like(logits).exponential_()
    ours = gumbel_softmax(logits, (-exponential).exp(), temperature, hard)
    assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    weight = torch.randn(50, 6)
    of_ours, of_theirs = (torch.autograd.grad((weight * tokens).sum(), logits)[0] for tokens in (ours, theirs))
    assert_close(of_ours, of_theirs, rtol=1e-3, atol=1e-4)


def test_hard_tokens_are_one_hot_with_the_soft_ones_gradient(stream):
    logits = torch.randn(200, 5, generator=stream).requires_grad_()
    uniform = torch.rand(200, 5, generator=stream)
    hard, soft = (gumbel_softmax(logits, uniform, 0.7, of) for of in (True, False))
    assert_close(hard, nn.functional.one_hot(soft.argmax(1), 5).float(), rtol=0, atol=2e-7)
    assert (hard.detach().ne(0).sum(1) == 1).all()
    weight = torch.randn(200, 5, generator=stream)
    gradients = [torch.autograd.grad((weight * tokens).sum(), logits)[0] for tokens in (hard, soft)]
    assert gradients[0].abs().max() > 0.1
    assert_close(*gradients)


def test_the_gradient_by_hand():
    # Two tokens, u = (½, ½): g cancels, y = σ((l0 − l1)/τ). At l = (log 3, 0) and τ = 1 y0 = ¾, dy0/dl0 = ¾ · ¼.
    logits = torch.tensor([[3.0, 1.0]]).log().requires_grad_()
    soft = gumbel_softmax(logits, torch.full((1, 2), 0.5), 1.0, False)
    assert_close(soft.detach(), torch.tensor([[0.75, 0.25]]))
    assert_close(torch.autograd.grad(soft[0, 0], logits)[0], torch.tensor([[3 / 16, -3 / 16]]))
    # at τ = ½ the odds are squared, 9 : 1, and the slope is doubled
    soft = gumbel_softmax(logits, torch.full((1, 2), 0.5), 0.5, False)
    assert_close(torch.autograd.grad(soft[0, 0], logits)[0], 2 * torch.tensor([[9 / 100, -9 / 100]]))


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("least", [0.0, 2**-24, 1 - 2**-24, 1.0])
@pytest.mark.parametrize("middle", [0.0, 0.5])
def test_the_ends_of_the_uniform_numbers_are_finite(hard, least, middle):
    logits = torch.zeros(1, 3, requires_grad=True)
    tokens = gumbel_softmax(logits, torch.tensor([[least, middle, least]]), 0.1, hard)
    (gradient,) = torch.autograd.grad(tokens[0, 0], logits)
    assert tokens.isfinite().all()
    assert gradient.isfinite().all()
    assert tokens.sum().item() == pytest.approx(1.0)


def test_the_least_uniform_number_stays_the_least():
    assert 0 < SMALLEST < 2**-24
    tokens = gumbel_softmax(torch.zeros(2, 2), torch.tensor([[0.0, 2**-24], [1 - 2**-24, 1 - 2**-23]]), 1.0, False)
    assert tokens[0, 0] < tokens[0, 1]
    assert tokens[1, 0] > tokens[1, 1]


def test_what_a_policy_leaves_out_is_never_drawn(stream):
    logits = torch.tensor([0.0, float("-inf"), 1.0]).expand(100, -1).clone().requires_grad_()
    tokens = gumbel_softmax(logits, torch.rand(100, 3, generator=stream), 0.5, False)
    assert (tokens[:, 1] == 0).all()
    gradient = torch.autograd.grad((tokens * torch.arange(3.0)).sum(), logits)[0]
    assert gradient.isfinite().all()
    assert (gradient[:, 1] == 0).all()
