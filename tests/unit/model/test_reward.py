"""Rewards by hand. That each is the divergence it names: laws/test_gradients.py."""

from math import inf, log

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.model.reward import LogOdds, LogProbability, Minimax, Probability, Ratio, Sign

# D = ¼, ½, ¾ have the odds ⅓, 1, 3.
SCORES = torch.tensor([-log(3), 0.0, log(3)])
BY_HAND = {
    Minimax: [-0.5 * log(3 / 2), 0.0, -0.5 * log(1 / 2)],  # −½ log(2 · ¾), −½ log(2 · ½), −½ log(2 · ¼)
    LogOdds: [-log(3), 0.0, log(3)],
    Ratio: [1 / 3, 1.0, 3.0],
    Probability: [0.25, 0.5, 0.75],
    LogProbability: [log(0.25), log(0.5), log(0.75)],
    Sign: [-0.5, 0.0, 0.5],
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_by_hand(kind):
    assert_close(kind()(SCORES), torch.tensor(BY_HAND[kind]))


@pytest.mark.parametrize("kind", BY_HAND)
def test_fooling_the_discriminator_more_never_pays_less(kind):
    reward = kind()(torch.linspace(-20, 20, 101))
    assert (reward.diff() >= 0).all()
    assert reward.isfinite().all()


@pytest.mark.parametrize("kind", [kind for kind in BY_HAND if kind not in (Ratio, LogOdds)])
def test_a_score_however_sure_breaks_nothing(kind):
    assert not kind()(torch.tensor([-1e4, 1e4])).isnan().any()
    assert kind()(torch.tensor([-1e4])) > -inf


@pytest.mark.parametrize("kind", BY_HAND)
def test_shapes_are_kept(kind):
    scores = torch.randn(3, 4)
    assert kind()(scores).shape == (3, 4)
    assert_close(kind()(scores)[1, 2], kind()(scores[1, 2]))
