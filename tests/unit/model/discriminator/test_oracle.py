"""D*: P / (P + G), finite wherever it is asked."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.discriminators import LENGTH
from textgan_lit.model.discriminator.oracle import LIMIT, Optimal
from textgan_lit.model.policy import Categorical, TopK


def test_optimal_is_p_over_p_plus_g(vocab, real, fake, sentences):
    p, g = (player.logp(sentences, Categorical()).sum(1).double().exp() for player in (real, fake))
    assert_close(p.sum().item(), 1.0, rtol=0, atol=1e-5)
    score = Optimal(vocab, LENGTH, real)(*sentences, fake.logp(sentences, Categorical())).double()
    assert_close(score, p.log() - g.log(), rtol=1e-4, atol=1e-5)
    assert_close(score.sigmoid(), p / (p + g), rtol=1e-4, atol=1e-5)
    # No D earns more in the game than D*: nudge any one of its logits and E_P log D + E_G log(1 − D) falls.
    value = p * score.sigmoid().log() + g * (-score).sigmoid().log()
    for nudged in (score - 0.1, score + 0.1):
        assert (p * nudged.sigmoid().log() + g * (-nudged).sigmoid().log() < value).all()


def test_optimal_stays_finite_where_one_of_the_two_is_impossible(vocab, real, fake, sentences):
    with torch.no_grad():
        real.output.bias[0] = float("-inf")  # P never says "a"; under top-2, G leaves tokens out as well
    density = fake.logp(sentences, TopK(2))
    never_p, never_g = (sentences.tokens == 0).any(1), density.isinf().any(1)
    score = Optimal(vocab, LENGTH, real)(*sentences, density)
    assert (never_p & never_g).any()
    assert (score[never_p & ~never_g] == -LIMIT).all()
    assert (score[~never_p & never_g] == LIMIT).all()
    assert (score[never_p & never_g] == 0).all()
    assert (score[~never_p & ~never_g].abs() < 100).all()


def test_optimal_has_nothing_to_train_and_nothing_to_save(vocab, real, fake, sentences):
    judge = Optimal(vocab, LENGTH, real.train())
    assert not list(judge.parameters())
    assert not judge.state_dict()
    judge.train()
    assert not real.training  # P is frozen, dropout and all
    assert not judge(*sentences, fake.logp(sentences, Categorical())).requires_grad


def test_optimal_takes_its_oracle_to_where_the_tokens_are(vocab, real, sentences):
    tokens, mask = sentences.tokens.to("meta"), sentences.mask.to("meta")
    assert Optimal(vocab, LENGTH, real)(tokens, mask, torch.zeros(tokens.shape, device="meta")).device.type == "meta"


def test_optimal_asks_for_the_density(vocab, real, sentences):
    with pytest.raises(ValueError, match=r"pass density"):
        Optimal(vocab, LENGTH, real)(*sentences)


def test_samples_of_p_itself_score_zero_on_average(vocab, real):
    """D* of G = P: log P − log G is 0 for every sentence, so D says ½ of each."""
    rollout = real.sample(torch.rand(50, LENGTH, generator=torch.Generator().manual_seed(6)), Categorical())
    score = Optimal(vocab, LENGTH, real)(rollout.tokens, rollout.mask, rollout.logp)
    assert_close(score, torch.zeros_like(score), rtol=0, atol=1e-5)
