"""A comparison as plain rows."""

import pytest

from tests.helpers.runs import made
from textgan_lit.report.comparison import of
from textgan_lit.report.rows import COLUMNS, rows


def test_every_arm_has_a_row_for_each_number_with_its_test(tmp_path):
    for control, jsds in {"constant": (0.50, 0.51, 0.52), "none": (0.30, 0.32, 0.31)}.items():
        for seed, jsd in enumerate(jsds):
            made(tmp_path / f"{control}{seed}", (f"model/control={control}", f"seed={seed}"), jsd)
    found = list(rows(of([tmp_path])))
    assert all(row.keys() == {"arm", "overrides", *COLUMNS} for row in found)
    told = {row["arm"]: row for row in found if row["number"] == "truth/jsd"}
    assert told.keys() == {"control=none", "control=constant"}
    game, control = told["control=none"], told["control=constant"]
    assert (game["view"], game["where"], game["good"], game["seeds"]) == ("end", None, "down", 3)
    assert game["overrides"] == {"model/control": "none"}
    assert (game["mean"], game["difference"]) == pytest.approx((0.31, -0.2))
    assert (game["control"], game["pairs"], game["share_of_gain"]) == ("control=constant", 3, None)
    assert (control["control"], control["p"], control["seeds_to_tell"]) == (None, None, None)
