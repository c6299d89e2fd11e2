"""The log-probability of a chosen token: against torch's own, with its gradient, at the edges."""

import math

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.functional.likelihood import nll, relative, token_logp


@pytest.fixture
def drawn():
    stream = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 6, generator=stream, dtype=torch.double).mul(3).requires_grad_()
    tokens = torch.randint(0, 6, (3, 4), generator=stream)
    mask = torch.arange(4) < torch.tensor([[4], [2], [1]])
    return logits, tokens.masked_fill(~mask, 99), mask


def test_it_is_torchs_log_softmax(drawn):
    logits, tokens, mask = drawn
    expected = logits.log_softmax(-1).gather(-1, (tokens * mask).unsqueeze(-1)).squeeze(-1) * mask
    found = token_logp(logits, tokens, mask)
    assert_close(found, expected)
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    assert_close(*(torch.autograd.grad((weight * logp).sum(), logits)[0] for logp in (found, expected)))


def test_its_gradient_is_that_of_finite_differences(drawn):
    logits, tokens, mask = drawn
    assert torch.autograd.gradcheck(lambda x: token_logp(x, tokens, mask), logits)


def test_it_cannot_be_differentiated_twice_by_mistake(drawn):
    logits, tokens, mask = drawn
    with pytest.raises(RuntimeError, match="once"):
        torch.autograd.grad(token_logp(logits, tokens, mask).sum(), logits, create_graph=True)


def test_rare_tokens_keep_their_digits():
    # e⁻²⁰⁰ is no float32, its logarithm is.
    logp = token_logp(torch.tensor([[-200.0, 0.0, 1.0]]), torch.tensor([0]), torch.tensor([True]))
    assert logp.item() == pytest.approx(-200 - math.log(1 + math.e), abs=1e-4)


def test_tokens_that_are_left_out_have_no_gradient_and_spoil_none():
    logits = torch.tensor([[0.0, -math.inf, 1.0]], requires_grad=True)
    left_in, left_out = (token_logp(logits, torch.tensor([token]), torch.tensor([True])) for token in (0, 1))
    assert left_out.item() == -math.inf
    left_in.sum().backward()
    chance = 1 / (1 + math.e)
    assert_close(logits.grad, torch.tensor([[1 - chance, 0.0, chance - 1]]))


def test_a_relative_entropy_and_its_gradient_are_torchs(drawn):
    logits = drawn[0]
    reference = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(2), dtype=torch.double).log_softmax(-1)
    logp = logits.log_softmax(-1)
    wanted, found = (logp.exp() * (logp - reference)).sum(-1), relative(logits, reference)
    assert_close(found, wanted)
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    assert_close(*(torch.autograd.grad((weight * some).sum(), logits)[0] for some in (found, wanted)))
    assert torch.autograd.gradcheck(lambda x: relative(x, reference), logits)
    with pytest.raises(RuntimeError, match="once"):
        torch.autograd.grad(relative(logits, reference).sum(), logits, create_graph=True)


def test_what_is_left_out_adds_nothing_to_it():
    logits = torch.tensor([[0.0, -math.inf, 0.0]], requires_grad=True)
    found = relative(logits, torch.tensor([[0.25, 0.5, 0.25]]).log().clamp_min(-1e4))
    assert found.item() == pytest.approx(math.log(2))
    found.sum().backward()
    assert_close(logits.grad, torch.zeros(1, 3))


def test_nll_is_nats_over_tokens():
    mask = torch.tensor([[True, True], [True, False]])
    assert nll(torch.tensor([[-1.0, -2.0], [-6.0, 0.0]]), mask).item() == 3.0
