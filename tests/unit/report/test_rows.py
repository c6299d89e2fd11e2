"""A comparison as plain rows."""

import pytest

from tests.helpers.runs import made
from textgan_lit.errors import UserError
from textgan_lit.report.comparison import of
from textgan_lit.report.rows import COLUMNS, compare, rows


@pytest.fixture
def folder(tmp_path):
    """Of two arms with three seeds each."""
    for control, jsds in {"constant": (0.50, 0.51, 0.52), "none": (0.30, 0.32, 0.31)}.items():
        for seed, jsd in enumerate(jsds):
            made(tmp_path / f"{control}{seed}", (f"model/control={control}", f"seed={seed}"), jsd)
    return tmp_path


def test_every_arm_has_a_row_for_each_number_with_its_test(folder):
    found = list(rows(of([folder])))
    assert all(row.keys() == {"arm", "overrides", *COLUMNS} for row in found)
    told = {row["arm"]: row for row in found if row["number"] == "truth/jsd"}
    assert told.keys() == {"control=none", "control=constant"}
    game, control = told["control=none"], told["control=constant"]
    assert (game["view"], game["where"], game["good"], game["seeds"]) == ("end", None, "down", 3)
    assert game["overrides"] == {"model/control": "none"}
    assert (game["mean"], game["difference"]) == pytest.approx((0.31, -0.2))
    assert (game["control"], game["pairs"], game["share_of_gain"]) == ("control=constant", 3, None)
    assert (control["control"], control["p"], control["seeds_to_tell"]) == (None, None, None)


def test_what_is_asked_for_is_the_goal_or_another_number(folder):
    """Of a sweep's folder, or of those of its runs."""
    both, runs = ["control=none", "control=constant"], sorted(folder.iterdir())
    for places in (folder, str(folder), [folder], runs):
        found = compare(places)
        assert [(row["arm"], row["number"], row["view"]) for row in found] == [
            (arm, "truth/jsd", "end") for arm in both
        ]
    assert [row["difference"] for row in found] == [pytest.approx(-0.2), None]
    (game, control) = compare(folder, "control=none")
    assert (game["difference"], control["difference"]) == (None, pytest.approx(0.2))
    assert [row["mean"] for row in compare(folder, number="truth/nll_oracle")] == pytest.approx([2.31, 2.51])
    assert list(game)[:2] == ["arm", "overrides"]


def test_what_no_run_ends_with_is_refused_with_those_near_it(folder):
    with pytest.raises(
        UserError, match=r"compare\(number=truth/jds\): .* do not end with this number\. Nearest: truth/jsd"
    ):
        compare(folder, number="truth/jds")
    with pytest.raises(UserError, match=r"nowhere is no folder\. Give the folder of a sweep, or those of runs"):
        compare(["nowhere"])
