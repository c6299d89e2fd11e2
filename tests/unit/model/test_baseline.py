"""Baselines by hand. That they change no expectation: laws/test_gradients.py; over ranks: test_distributed.py."""

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.errors import UserError
from textgan_lit.model.baseline import BatchMean, LeaveOneOut, MovingAverage, SelfNormalised, Standardised, Zero
from textgan_lit.model.control import Shuffled
from textgan_lit.model.credit import Terminal
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.reward import LogOdds, Minimax, Probability, Ratio

# Three sentences of 3, 2 and 1 tokens. What stands on padding must not count.
MASK = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
VALUE = torch.tensor([[1.0, 2.0, 3.0], [4.0, 6.0, 99.0], [7.0, 99.0, 99.0]])


def of_tokens(baseline):
    """Value less advantage. Only tokens count; on padding, 0 here."""
    return ((VALUE - baseline(VALUE, MASK)) * MASK).tolist()


def test_zero():
    assert of_tokens(Zero()) == [[0, 0, 0]] * 3


def test_the_batch_mean_is_over_the_sentences_that_reach_a_position():
    # (1 + 4 + 7) / 3 = 4; (2 + 6) / 2 = 4; 3 alone
    assert of_tokens(BatchMean()) == [[4, 4, 3], [4, 4, 0], [4, 0, 0]]


def test_leave_one_out_is_the_mean_of_the_others_that_reach_a_position():
    # (4 + 7) / 2, (1 + 7) / 2, (1 + 4) / 2; the other of two; nobody else: 0
    assert of_tokens(LeaveOneOut()) == [[5.5, 6, 0], [4, 2, 0], [2.5, 0, 0]]


def test_leave_one_out_of_a_single_sentence_is_none():
    assert LeaveOneOut()(VALUE[:1], MASK[:1]).equal(VALUE[:1])


def test_standardised_counts_in_standard_deviations_of_a_position():
    # first tokens 1, 4, 7: mean 4, variance (9 + 0 + 9)/3 = 6; second 2, 6: mean 4, deviation 2; third 3 alone: 0
    root = 6**0.5
    wanted = torch.tensor([[-3 / root, -1, 0], [0, 1, 0], [3 / root, 0, 0]])
    assert_close(Standardised()(VALUE, MASK) * MASK, wanted)


def test_standardised_does_not_see_the_scale_of_rewards_nor_their_level():
    wanted = Standardised()(VALUE, MASK) * MASK
    assert_close(Standardised()(100 * VALUE - 7, MASK) * MASK, wanted)
    assert (Standardised()(torch.ones_like(VALUE), MASK) * MASK == 0).all()  # a constant is no gradient at all


def test_self_normalised_weights_add_up_to_their_number():
    # means 4, 4 and 3: value / mean − 1
    wanted = torch.tensor([[1 / 4 - 1, 2 / 4 - 1, 0], [0, 6 / 4 - 1, 0], [7 / 4 - 1, 0, 0]])
    found = SelfNormalised()(VALUE, MASK) * MASK
    assert_close(found, wanted)
    assert_close(found.sum(0), torch.zeros(3), rtol=0, atol=1e-6)
    assert_close(SelfNormalised()(100 * VALUE, MASK) * MASK, wanted)  # weights up to a factor
    assert ((SelfNormalised()(torch.zeros_like(VALUE), MASK)) * MASK).isfinite().all()


@pytest.mark.parametrize("baseline", [Standardised(), SelfNormalised()], ids=lambda b: type(b).__name__)
def test_the_unit_is_what_a_large_batch_is_divided_by(baseline):
    """Three sentences of chances ½, ¼, ¼, and a batch that has them two, one and one time: its advantages differ by the
    rewards' differences over the unit."""
    reward, chance, often = torch.tensor([1.0, 4.0, 7.0]), torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0, 0, 1, 2])
    found = baseline(reward[often].unsqueeze(1), torch.ones(4, 1, dtype=torch.bool)).squeeze(1)
    assert_close(found - found[0], (reward[often] - 1) / baseline.unit(reward, chance))


@pytest.mark.parametrize("reward", [LogOdds(), Minimax(), Shuffled(LogOdds())], ids=lambda r: type(r).__name__)
def test_weights_cannot_be_negative(reward):
    with pytest.raises(UserError, match=rf"{type(reward).__name__} may be negative. Use model/reward=ratio"):
        ScoreFunction(reward, Terminal(), SelfNormalised())
    for positive in (Ratio(), Probability(), Shuffled(Ratio())):
        ScoreFunction(positive, Terminal(), SelfNormalised())


def test_the_moving_average_knows_earlier_batches_only():
    # The mean token is worth (1+2+3 + 4+6 + 7) / 6 = 23/6. Batches of 23/6, then 5 twice, decay ½:
    # 0 at first; 23/6; (½ · 23/6 + 5) / (½ + 1); (¼ · 23/6 + ½ · 5 + 5) / (¼ + ½ + 1)
    baseline, five = MovingAverage(decay=0.5), torch.full_like(VALUE, 5.0)
    seen = [(value - baseline(value, MASK)).mean().item() for value in (VALUE, five, five, five)]
    wanted = [0.0, 23 / 6, (23 / 12 + 5) / 1.5, (23 / 24 + 7.5) / 1.75]
    assert_close(torch.tensor(seen), torch.tensor(wanted))


def test_the_moving_average_without_decay_is_the_last_batch():
    baseline = MovingAverage(decay=0.0)
    baseline(torch.full_like(VALUE, 9.0), MASK)
    baseline(VALUE, MASK)
    assert_close(baseline(VALUE, MASK), VALUE - 23 / 6)


def test_the_moving_average_is_saved():
    baseline, resumed = MovingAverage(), MovingAverage()
    baseline(VALUE, MASK)
    resumed.load_state_dict(baseline.state_dict())
    assert resumed(VALUE, MASK).equal(baseline(VALUE, MASK))
    assert not list(baseline.parameters())
