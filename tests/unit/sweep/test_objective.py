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
    ("keys", "said"), [(["steps/all"], "neither way"), (["truth/jsd"] * 3, "3 keys"), (["truth/jsd_se"], "neither way")]
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


def swept(folder, column, points, axes=("truth/entropy_g", "truth/nll_oracle")):
    folder.mkdir(exist_ok=True)
    rows = [dict(zip((*axes, f"{axes[1]}_se"), (*point, 9.0), strict=True)) for point in points]
    (folder / "frontier.json").write_text(json.dumps({column: rows}))
    return folder


LIKELIHOOD = [(1.0, 3.0), (2.0, 4.0)]


@pytest.mark.parametrize(
    "axes", [("truth/entropy_g", "truth/nll_oracle"), ("frontier/entropy_9", "quality/lm_score_9")]
)
def test_the_gap_is_to_likelihood_of_the_same_entropy(tmp_path, axes):
    reference = swept(tmp_path / "mle", "likelihood", LIKELIHOOD, axes)
    wanted = objectives(["likelihood_gap"], str(reference))
    assert (wanted[0].direction, values(reference, wanted, None)) == ("minimize", [0.0])
    better = swept(tmp_path / "game", "game", [(1.5, 3.25), (0.5, 2.25)], axes)
    assert values(better, wanted, None) == [pytest.approx(-0.25)]


def test_a_gap_that_cannot_be_had_is_said(tmp_path):
    reference = str(swept(tmp_path / "mle", "likelihood", LIKELIHOOD))
    wanted = objectives(["likelihood_gap"], reference)
    with pytest.raises(
        UserError, match=r"0\.100 to 0\.200 nats, share nothing with likelihood's, 1\.000 to 2\.000\. More"
    ):
        values(swept(tmp_path / "cold", "game", [(0.1, 1.0), (0.2, 1.0)]), wanted, None)
    with pytest.raises(UserError, match="they cannot be compared"):
        values(swept(tmp_path / "text", "game", LIKELIHOOD, ("frontier/entropy_9", "quality/lm_score_9")), wanted, None)


def test_the_run_to_measure_against_is_looked_at_before_any_trial(tmp_path):
    for keys, against in ((["likelihood_gap"], None), (["truth/jsd"], "somewhere")):
        with pytest.raises(UserError, match="go together"):
            objectives(keys, against)
    with pytest.raises(UserError, match="says nothing"):
        objectives(["likelihood_gap"], str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="has no entropy and cost of likelihood"):
        objectives(["likelihood_gap"], str(swept(tmp_path / "mle", "game", LIKELIHOOD)))
