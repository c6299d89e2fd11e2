"""A score that follows the generator's own density."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.discriminators import LENGTH, SMALL
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.policy import Categorical, TopK


@pytest.fixture
def aware(vocab, fake, unlike):
    return DensityAware(vocab, LENGTH, fake, unlike(Conv(vocab, LENGTH, **SMALL[Conv])))


@torch.no_grad()
def test_one_that_is_given_the_density_updates_with_the_generator(vocab, aware, real, fake, sentences, unlike):
    """At first it is its critic. Then it changes by exactly what log G changes by: log P/G0 in, log P/G out."""
    start = fake.logp(sentences, Categorical())
    critic = aware.critic(*sentences)
    assert_close(aware(*sentences, start), critic)
    unlike(fake, seed=8)  # the generator learns
    moved = fake.logp(sentences, Categorical())
    assert_close(aware(*sentences, moved), critic + (start - moved).sum(1))
    aware.critic.forward = lambda *_: (real.logp(sentences, Categorical()) - start).sum(1)
    assert_close(aware(*sentences, moved), Optimal(vocab, LENGTH, real)(*sentences, moved), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_where_it_starts_is_the_generator_that_it_met(vocab, aware, fake, sentences, unlike):
    unlike(fake, seed=8)
    aware.sync_with(fake)
    assert_close(aware(*sentences, fake.logp(sentences, Categorical())), aware.critic(*sentences))
    assert not any(weight.requires_grad for weight in aware.reference.parameters())
    assert not aware.train().reference.training
    assert aware.critic.training


def test_its_score_stays_finite_where_the_generator_leaves_tokens_out(aware, fake, sentences):
    assert aware(*sentences, fake.logp(sentences, TopK(2))).isfinite().all()


def test_it_refuses_what_it_cannot_use(vocab, fake, real, aware):
    fake.likelihood = "bound"
    with pytest.raises(UserError, match=r"knows only a bound on. Use model/generator=lstm"):
        DensityAware(vocab, LENGTH, fake, Conv(vocab, LENGTH))
    for critic in (Optimal(vocab, LENGTH, real), aware):
        with pytest.raises(UserError, match=r"given the density itself. Use .*critic=conv"):
            DensityAware(vocab, LENGTH, real, critic)
    with pytest.raises(ValueError, match="pass density"):
        aware(torch.zeros(1, LENGTH, dtype=torch.long), torch.ones(1, LENGTH, dtype=torch.bool))
