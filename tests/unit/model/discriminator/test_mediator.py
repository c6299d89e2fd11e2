"""The mediator's score is log P/G, and stays finite."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.discriminators import LENGTH
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.policy import Categorical, TopK


@torch.no_grad()
def test_the_mediator_says_log_p_over_g(vocab, real, fake, sentences):
    """Of a model that is the mixture of the two: whatever P is."""
    p, g = (player.logp(sentences, Categorical()).sum(1).double().exp() for player in (real, fake))
    judge = Mediator(vocab, LENGTH, fake)
    log_m = ((p + g) / 2).log().float()
    judge.model.logp = lambda *_: log_m.unsqueeze(1)
    score = judge(*sentences, g.log().float().unsqueeze(1) * torch.eye(LENGTH)[0])
    assert_close(score.double(), (p / g).log().clamp_min(-10.0), rtol=1e-3, atol=2e-3)


def test_the_mediator_stays_finite_and_asks_for_the_density(vocab, real, fake, sentences):
    judge = Mediator(vocab, LENGTH, real)
    density = judge.model.logp(sentences, Categorical()).detach()
    assert (judge(*sentences, density + 1.0 * sentences.mask) == -10).all()  # M below G/2: no mixture of G
    assert judge(*sentences, fake.logp(sentences, TopK(2))).isfinite().all()
    with pytest.raises(ValueError, match="pass density"):
        judge(*sentences)
    fake.likelihood = "none"
    with pytest.raises(UserError, match=r"which Markov does not know\. Use .*model=lstm"):
        Mediator(vocab, LENGTH, fake)
