"""A sweep finds what it is told to look for, so it must not be told to look for a trick."""

import json
import math

import pytest

from textgan_lit.errors import UserError
from textgan_lit.sweep.objective import objectives, values


@pytest.mark.parametrize("key", ["truth/nll_oracle", "quality/bleu5_1000", "quality/self_bleu4_*", "truth/kl_gp"])
def test_a_number_that_a_trick_can_have_is_no_objective_alone(key):
    with pytest.raises(UserError, match="a sweep would find that"):
        objectives([key])


def test_beside_one_that_pays_for_the_trick_it_is_one():
    assert [one.direction for one in objectives(["quality/bleu5_*", "quality/self_bleu5_*"])] == [
        "maximize",
        "minimize",
    ]


@pytest.mark.parametrize(
    ("key", "direction"),
    {
        "truth/jsd": "minimize",
        "truth/horizon": "maximize",
        "quality/fresh_bound_*": "minimize",
        "frontier/hypervolume_*": "maximize",
    }.items(),
)
def test_honest_numbers_know_their_way(key, direction):
    assert objectives([key])[0].direction == direction


@pytest.mark.parametrize(
    ("keys", "said"), [(["turns/all"], "neither way"), (["truth/jsd"] * 3, "3 keys"), (["truth/jsd_se"], "neither way")]
)
def test_others_are_refused(keys, said):
    with pytest.raises(UserError, match=said):
        objectives(keys)


@pytest.fixture
def played(tmp_path):
    row = {"quality/fresh_bound_100_se": 9.0, "quality/fresh_bound_100": 0.2, "truth/jsd": 0.5}
    (tmp_path / "closing.json").write_text(json.dumps({"likelihood": {"truth/jsd": 0.7}, "game": row}))
    return tmp_path


def test_the_games_numbers_are_read(played):
    assert values(played, objectives(["truth/jsd", "quality/fresh_bound_*"]), None) == [0.5, 0.2]
    assert values(played, objectives([]), 0.25) == [0.25]


def test_likelihoods_where_no_game_was_played(played):
    (played / "closing.json").write_text(json.dumps({"likelihood": {"truth/jsd": 0.7}}))
    assert values(played, objectives(["truth/jsd"]), None) == [0.7]


@pytest.mark.parametrize(("keys", "returned"), [([], None), ([], math.nan), (["truth/horizon"], 1.0)])
def test_what_was_not_measured_is_said(played, keys, returned):
    with pytest.raises(UserError, match=r"nothing to compare|has no truth/horizon"):
        values(played, objectives(keys), returned)
