"""Controls by hand. That they teach nothing: laws/test_gradients.py, laws/test_audits.py."""

import torch

from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.reward import Minimax, Probability, Ratio

SCORES = torch.linspace(-3, 3, 7).view(7, 1)


def test_a_constant_pays_1_for_each_score():
    assert Constant()(SCORES).equal(torch.ones(7, 1))


def test_shuffled_pays_what_the_rewards_it_deals_pay():
    # Who gets it is the estimator's business: it alone knows the whole batch.
    shuffled = Shuffled(Probability())
    assert shuffled(SCORES).equal(Probability()(SCORES))
    assert shuffled.shuffles
    assert not Probability().shuffles


def test_shuffled_rewards_are_of_the_kind_that_was_chosen():
    assert Shuffled(Ratio()).positive
    assert not Shuffled(Minimax()).positive


def test_controls_say_that_they_must_not_teach():
    assert Constant().null
    assert Shuffled().null
    assert not Minimax().null
