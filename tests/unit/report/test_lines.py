"""Lines over training and by position: their numbers, their bands, and what is left out."""

import json
import math

import pytest

from tests.helpers.runs import MOMENTS, evaluation
from textgan_lit.report import chart, lines

ROWS = [evaluation(steps) for steps in MOMENTS]


def course(rows, series, **more):
    return lines.course("name", "title", "note", "unit", rows, series, **more)


def test_a_course_has_a_band_of_two_standard_errors_over_every_clock_that_moves():
    seen = course(ROWS, {"truth": "truth/jsd", "D": "bound/value"})
    first, second = seen.spec["data"]["values"][:2]
    assert first["value"] == 0.5
    assert (first["low"], first["high"]) == pytest.approx((0.48, 0.52))
    assert (second["low"], second["high"]) == pytest.approx((0.36, 0.44))
    assert first["generator steps"] == 0
    assert first["all steps"] == 100
    assert first["seconds"] == 10.0
    assert "tokens" not in first  # none was given here, so this clock stands still
    assert seen.table.columns[-4:] == ["truth/jsd", "truth/jsd_se", "bound/value", "bound/se"]


def test_parts_stand_on_top_of_each_other():
    seen = course(ROWS[:1], {"H(P)": "truth/entropy_p", "KL": "truth/kl_pg_token"}, stacked=True)
    lower, upper = seen.spec["data"]["values"]
    assert (lower["low"], lower["high"]) == (0.0, 1.7)
    assert (upper["low"], upper["high"]) == pytest.approx((1.7, 2.0))


def test_what_is_infinite_is_a_gap_in_the_plot_and_itself_in_the_table():
    seen = course([*ROWS, evaluation(300, **{"truth/jsd": math.inf})], {"truth": "truth/jsd"})
    assert seen.spec["data"]["values"][-1]["value"] is None
    assert seen.table.rows[-1][seen.table.columns.index("truth/jsd")] == math.inf
    json.dumps(seen.spec, allow_nan=False)


def test_a_long_run_is_thinned_with_its_ends_kept():
    rows = [evaluation(steps) for steps in range(100, 3000)]
    seen = course(rows, {"truth": "truth/jsd"})
    times = [row["all steps"] for row in seen.spec["data"]["values"]]
    assert len(times) == chart.MOST
    assert (times[0], times[-1]) == (100, 2999)
    assert len(seen.table.rows) == 2900  # files have them all


def test_a_curve_begins_at_its_last_moment():
    seen = lines.curve("name", "title", "note", "unit", ROWS, {"free": "curve/free_running_kl"})
    assert seen.spec["params"] == [{"name": "at", "value": 3}]
    assert seen.spec["data"]["values"][2] == {"n": 0, "position": 3, "series": "free", "value": None}  # it was NaN


def test_nothing_to_draw_is_no_chart():
    assert course(ROWS, {"D": "bound/else"}) is None
    assert lines.curve("name", "title", "note", "unit", ROWS, {"x": "curve/else"}) is None


def test_of_all_of_pretraining_one_moment_stands_at_the_start_of_the_game():
    rows = [evaluation(steps, **{"steps/generator": max(0, steps - 150)}) for steps in MOMENTS]
    values = course(rows, {"truth": "truth/jsd"}).spec["data"]["values"]
    assert [value.get("generator steps") for value in values] == [None, 0, 50, 100]
    assert [value["all steps"] for value in values] == list(MOMENTS)
    assert {"filter": "isValid(datum.time)"} in course(rows, {"truth": "truth/jsd"}).spec["transform"]
