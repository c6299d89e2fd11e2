"""A comparison as plain rows: one for each arm, number and view, for a CSV, a data frame or a notebook."""

from __future__ import annotations

import difflib
import math
import os
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from textgan_lit.errors import UserError, shown
from textgan_lit.functional.significance import half_width
from textgan_lit.report import scorecard
from textgan_lit.report.arms import closing_row
from textgan_lit.report.comparison import Comparison, Line, of

COLUMNS = (
    *("view", "clock", "where", "number", "good"),
    *("seeds", "started", "mean", "low", "high", "control", "pairs", "difference"),
    *("difference_low", "difference_high", "p", "p_holm", "seeds_to_tell"),
    *("share_of_gain", "share_low", "share_high"),
)


Place = str | os.PathLike[str]


def compare(
    runs: Place | Sequence[Place], control: str | Sequence[str] = (), number: str | None = None
) -> list[dict[str, Any]]:
    """What ``textgan compare`` says of runs over their seeds, an arm a row; ``pandas.DataFrame(compare(SWEEP))``.

    ``runs`` are the folder of a sweep, or several folders, of sweeps or of runs, or opened runs. Arms are at their ends
    (``view`` is "end") and where their clocks meet. ``control`` gives overrides that the control has; by default it is
    found. ``number`` is another one that runs end with, such as "quality/bleu2_1000", in place of the goal: the true
    JSD, or where that is not known a fresh critic's bound on it. What is not known is None.

    Raises:
        UserError: where a folder holds no run, none has ended with a number to compare, or not with this one.
    """
    places = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    found = of([os.fspath(place) for place in places], [control] if isinstance(control, str) else control)
    goal, told = number or found.found.goal.key, list(rows(found))
    if not any(row["number"] == goal for row in told):
        known = sorted({row["number"] for row in told})
        near = ", ".join(difflib.get_close_matches(goal, known, 4, 0.4) or known[:12])
        raise UserError(f"compare(number={shown(goal)}): these runs do not end with this number. Nearest: {near}.")
    return [row for row in told if row["number"] == goal]


def rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Each with ``arm`` (its name), ``overrides`` and all of ``COLUMNS``; what is not known is None."""
    arms = comparison.found.arms
    measured = [closing_row(record) for arm in arms for record in arm.runs.values()]
    objectives = scorecard.objectives(measured) or [scorecard.Objective(*comparison.found.goal, "down")]
    for view in comparison.views:
        at = {"view": view.name or "end", "clock": view.clock, "where": view.where if view.clock else None}
        for objective in objectives:
            told = at | {"number": objective.key, "good": objective.good}
            for line in comparison.lines(objective.key, view):
                arm = {"arm": line.arm.name, "overrides": line.arm.overrides}
                yield arm | dict.fromkeys(COLUMNS) | told | _numbers(line)


def _numbers(line: Line) -> dict[str, Any]:
    values, test, share = list(line.values.values()), line.test, line.share
    mean, half = statistics.fmean(values), half_width(values)
    found: dict[str, Any] = {
        "seeds": len(values),
        "started": line.arm.started,
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
    }
    if line.control is not None:
        found["control"] = line.control.name
    if test is not None:
        found |= {"pairs": test.pairs, "difference": test.difference}
        found |= {"difference_low": test.difference - test.half, "difference_high": test.difference + test.half}
        found |= {"p": test.p, "p_holm": line.p, "seeds_to_tell": test.needed}
    if share is not None:
        found |= {"share_of_gain": share.value, "share_low": share.low, "share_high": share.high}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in found.items()}
