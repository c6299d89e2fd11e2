"""What is claimed of a gradient, as sums over all sentences."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.audited import Players
from textgan_lit.audit.enumeration import Table
from textgan_lit.audit.hypotheses import worth
from textgan_lit.model import reward
from textgan_lit.model.baseline import Zero
from textgan_lit.model.credit import RewardToGo, Terminal
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.noise import Noise

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.mark.parametrize("kind", [reward.Minimax, reward.LogOdds, reward.Ratio, reward.Probability])
def test_two_ways_to_the_exact_gradient_meet_at_the_best_d(players, kind):
    """The divergence differentiated, and the policy gradient theorem with D* held fixed."""
    enumeration = players.enumeration
    best = Table(enumeration.oracle, enumeration.generator, enumeration.policy, "sentence")
    game = Game(enumeration.generator, best, enumeration.policy, Noise(0))
    objective = ScoreFunction(kind(), Terminal(), Zero())
    by_worth = enumeration.of_worth(worth(objective, game, enumeration.sentences))
    assert_close(by_worth, enumeration.of_divergence(kind.divergence), rtol=1e-3, atol=1e-6)


def test_prefixes_rewards_are_discounted_by_their_distance():
    players = Players(variable=False)
    enumeration = players.enumeration
    table = Table(enumeration.oracle, enumeration.generator, enumeration.policy, "token")
    game = Game(enumeration.generator, table, enumeration.policy, Noise(0))
    a, b, c = table(*enumeration.sentences).unbind(1)
    found = worth(ScoreFunction(reward.LogOdds(), RewardToGo(0.5), Zero()), game, enumeration.sentences)
    assert_close(found, torch.stack([a + b / 2 + c / 4, b + c / 2, c], 1))
