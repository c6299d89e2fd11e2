"""The sheet: everything that was measured at the end, a line a number and a column an arm, published numbers beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.numbers import closing, judged, spread
from studies.study import Run, Study

NUMBERS = ("truth/", "quality/", "frontier/", "bound/value")
REAL = "_real"  # ends the key of what real text itself has


def table(study: Study, runs: Sequence[Run]) -> str:
    config: dict[str, Any] = study.config["sheet"]
    columns = {arm: [own(run) for run in runs if run.arm == arm and run.finished] for arm in config["arms"]}
    finished = [row for rows in columns.values() for row in rows]
    real = [{key.replace(REAL, ""): row[key] for key in row if REAL in key} for row in finished]
    given: dict[str, dict[str, float]] = config["published"]
    head = ["", *(f"{name}, published" for name in given), *(f"`{arm}`" for arm in columns), "real text"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for key in dict.fromkeys(key for row in finished for key in row if wanted(key)):
        theirs = [said.get(key.removeprefix("quality/")) for said in given.values()]
        cells = ["–" if value is None else f"{value:.3f}" for value in theirs]
        cells += [spread([row[key] for row in rows if key in row]) for rows in columns.values()]
        cells.append(spread([row[key] for row in real[:1] if key in row]))  # the test sentences are the same for all
        lines.append(f"| {key.partition('/')[2]} | {' | '.join(cells)} |")
    seeds = ", ".join(f"`{arm}` {len(rows)}" for arm, rows in columns.items())
    return f"Seeds: {seeds}.\n\n" + "\n".join(lines)


def own(run: Run) -> dict[str, float]:
    return closing(run)[judged(run)]


def wanted(key: str) -> bool:
    return key.startswith(NUMBERS) and not key.endswith("_se") and REAL not in key
