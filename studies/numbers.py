"""From the files of finished runs to the numbers of a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from studies.study import Run
from textgan_lit.functional import significance
from textgan_lit.run import untrusted

BEST = "likelihood_best_temperature"
PLAYERS = "steps/players"  # steps of D and G, D's first ones among them
SECONDS = "seconds"  # CPU seconds since the likelihood pretraining, evaluations included: neighbours hardly count
Column = Mapping[str, Any]  # as in a study's YAML: studies/README.md
Row = Mapping[str, float]


def read(run: Run, name: str) -> Any:
    """What a file says; nothing where the run has left none."""
    try:
        return untrusted.json(run.folder, name)
    except FileNotFoundError:
        return {}


def closing(run: Run) -> dict[str, dict[str, float]]:
    return read(run, "closing.json")


def frontier(run: Run) -> dict[str, list[dict[str, float]]]:
    """The temperatures beside each other; empty for a run that did not keep them."""
    return read(run, "frontier.json")


def across(run: Run) -> dict[str, Row]:
    """What was said on held-out sentences of the training file; empty where the test's have no file of their own."""
    return read(run, "across_files.json")


def own_name(run: Run) -> str:
    return own(closing(run))


def own(columns: Mapping[str, Row]) -> str:
    """The column that is the method's own: the game's where one was played, else likelihood's."""
    return "game" if "game" in columns else "likelihood"


def course(run: Run) -> list[dict[str, float]]:
    """The evaluations from the end of the likelihood pretraining on, with the two axes that games are compared on."""
    rows = []
    with suppress(FileNotFoundError):  # nobody ever moved
        rows = [row for _, row in untrusted.lines(run.folder, "evaluations.jsonl")]
    rows = [row for row in rows if row.get("steps/pretrain", 0) == rows[-1].get("steps/pretrain", 0)]
    for row in rows:
        row[PLAYERS] = row.get("steps/discriminator", 0) + row.get("steps/generator", 0)
        if "system/cpu_seconds" in row:  # runs of before it was measured count, too
            row[SECONDS] = row["system/cpu_seconds"] - rows[0]["system/cpu_seconds"]
    return rows


def at(run: Run, key: str, axis: str, where: float) -> float:
    """``key`` between two evaluations, by a straight line; a game that ended before stays what it was."""
    rows = course(run)
    return float(np.interp(where, [row[axis] for row in rows], [row[key] for row in rows]))


def least(peers: Sequence[Run], axis: str) -> float:
    """Where the first of ``peers`` stood at its end, those left out whose game ended before its time."""
    ends = [course(peer)[-1] for peer in peers]
    return min(row[axis] for row in ends if row[PLAYERS] == max(end[PLAYERS] for end in ends))


def tuned(rivals: Sequence[Run]) -> dict[str, float]:
    """Likelihood restarted: of all runs and temperatures the best on validation sentences, judged on the test's."""

    def held_out(run: Run) -> float:
        return min(row["truth/jsd"] for row in frontier(run)["likelihood"])

    return closing(min(rivals, key=held_out))[BEST]


def number(run: Run, column: Column, peers: Sequence[Run] = (), rivals: Sequence[Run] = ()) -> float | None:
    """One run's number in a column; None where it was not measured.

    ``peers`` are the runs of the same seed in the table, ``rivals`` those of the same seed that ``tuned`` chooses from.
    """
    key, row = column["key"], column.get("row", "game")
    row = own_name(run) if row == "own" else row
    if "at" in column:
        ((axis, where),) = column["at"].items()
        axis = {"steps": PLAYERS, "seconds": SECONDS}[axis]
        value = at(run, key, axis, least(peers, axis) if where == "least" else where)
    elif row == "last":
        value = course(run)[-1].get(key)
    elif row == "tuned":
        value = tuned(rivals).get(key) if rivals and all(rival.finished for rival in rivals) else None
    else:
        value = closing(run).get(row, {}).get(key)
    if "over" not in column:
        return value
    base = number(run, {"key": key, "row": column["over"]}, peers, rivals)
    return None if value is None or not base else value / base - 1


def half_width(values: Sequence[float], kind: str) -> float:
    """Of the 95 % interval of the mean (Student's t; ``ci``), or the standard deviation (``sd``)."""
    return statistics.stdev(values) if kind == "sd" else significance.half_width(values)


def spread(values: Sequence[float], kind: str = "ci", form: str = ".3f") -> str:
    """Mean ± half-width; the mean alone of a single value."""
    if not values:
        return "–"
    mean = f"{statistics.mean(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ± {half_width(values, kind):{form}}"


def change(values: Sequence[float], kind: str = "ci") -> str:
    """A paired change in percent, with every seed's own."""
    if not values:
        return "–"
    percent = [100 * value for value in values]
    return f"{spread(percent, kind, '+.0f').replace('± +', '± ')} % ({' '.join(f'{part:+.0f}' for part in percent)})"
