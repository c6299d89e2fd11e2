"""The sampled KL divergence: its expectation and its expected gradient, summed over all that can be drawn."""

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.functional.policy_gradient import sampled_kl


@pytest.fixture
def distributions():
    """Logits of G now, and log-probabilities of G when it wrote, and of the reference."""
    stream = torch.Generator().manual_seed(0)
    logits, before, reference = torch.randn(3, 7, generator=stream, dtype=torch.double)
    return logits.requires_grad_(), before.log_softmax(0), reference.log_softmax(0)


@pytest.mark.parametrize("moved", [False, True], ids=["as it wrote", "since it wrote"])
def test_drawn_from_what_wrote_it_is_the_divergence_with_its_gradient(distributions, moved):
    logits, before, reference = distributions
    logp = logits.log_softmax(0)
    before = before if moved else logp.detach()
    found = (before.exp() * sampled_kl(*(some.unsqueeze(1) for some in (logp, before, reference))).squeeze(1)).sum()
    wanted = (logp.exp() * (logp - reference)).sum()
    assert_close(found, wanted)
    gradients = [torch.autograd.grad(some, logits, retain_graph=True)[0] for some in (found, wanted)]
    assert gradients[1].abs().max() > 0.01
    assert_close(*gradients)


def test_it_is_schulmans_where_nothing_has_moved(distributions):
    logits, _, reference = distributions
    logp = logits.log_softmax(0).detach()
    ratio = (reference - logp).exp()
    found = sampled_kl(logp.unsqueeze(1), logp.unsqueeze(1), reference.unsqueeze(1)).squeeze(1)
    assert_close(found, ratio - 1 - ratio.log())
    assert (found >= 0).all()


def test_a_token_that_g_has_given_up_adds_nothing_that_is_none():
    found = sampled_kl(torch.tensor([[-1e4]]), torch.tensor([[-1.0]]), torch.tensor([[-1e4]]))
    assert found.item() == 0.0
