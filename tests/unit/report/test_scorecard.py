"""Which numbers would have chosen the right run."""

import math

import pytest

from textgan_lit.report import scorecard
from textgan_lit.report.scorecard import Objective

ROWS = [  # true JSD 0.1 … 0.4
    {"truth/jsd": 0.1, "truth/nll_test": 1.0, "quality/bleu2_9": 0.9, "quality/bleu5_9": 0.1, "bound/value": 0.2},
    {"truth/jsd": 0.2, "truth/nll_test": 2.0, "quality/bleu2_9": 0.9, "quality/bleu5_9": 0.2, "bound/value": 0.2},
    {"truth/jsd": 0.3, "truth/nll_test": 3.0, "quality/bleu2_9": 0.9, "quality/bleu5_9": 0.3, "bound/value": 0.2},
    {"truth/jsd": 0.4, "truth/nll_test": 4.0, "quality/bleu2_9": 0.9, "quality/bleu5_9": 0.4, "bound/value": 0.2},
]


def test_a_number_that_ranks_as_the_truth_does_has_1_and_one_that_ranks_the_other_way_has_minus_1():
    found = {score.objective.label: score for score in scorecard.scores(ROWS)}
    assert found.keys() == {
        "NLL_test",
        "BLEU, n = 5",
    }  # the highest order; a bound that is always the same ranks nothing
    assert (found["NLL_test"].correlation, found["NLL_test"].pick, found["NLL_test"].lost) == (1.0, 0, 0.0)
    worst = found["BLEU, n = 5"]  # the higher the better, and it is highest where the truth is worst
    assert (worst.correlation, worst.pick, worst.lost) == (-1.0, 3, pytest.approx(0.3))


def test_what_should_be_as_real_text_is_is_best_where_it_is_nearest():
    values = (0.9, 0.45, 0.2, 0.6)  # from 0.5: 0.4, 0.05, 0.3, 0.1
    rows = [{"quality/self_bleu5_9": value, "quality/self_bleu5_9_real": 0.5} for value in values]
    (objective,) = scorecard.objectives(rows)
    assert objective == Objective("quality/self_bleu5_9", "Self-BLEU, n = 5", "real")
    assert scorecard.best(objective, rows) == 1
    assert objective.loss({"quality/self_bleu5_9": 0.9}) is None


def test_infinite_numbers_do_not_rank():
    rows = [*ROWS, {"truth/jsd": 0.5, "truth/nll_test": math.inf}]
    assert {score.objective.label: score.runs for score in scorecard.scores(rows)}["NLL_test"] == 4
