"""The sheet: everything that was measured at the end, a line a number and a column an arm, published numbers beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.numbers import Row, across, closing, own, own_name, spread
from studies.study import Run, Study

NUMBERS = ("truth/", "quality/", "frontier/", "bound/value")
REAL = "_real"  # ends the key of what real text itself has
FILES = {"training_file": "training file's own", "test_file": "test file's"}  # in place of samples


def table(study: Study, runs: Sequence[Run]) -> str:
    config: dict[str, Any] = study.config["sheet"]
    arms = {arm: [run for run in runs if run.arm == arm and run.finished] for arm in config["arms"]}
    seeds = ", ".join(f"`{arm}` {len(mine)}" for arm, mine in arms.items())
    return "\n\n".join([f"Seeds: {seeds}.", *held_out(arms), *on_test(arms, config["published"])])


def held_out(arms: Mapping[str, Sequence[Run]]) -> list[str]:
    """Runs whose test sentences have a file of their own, on the training file's; real sentences of both beside."""
    found = {arm: [row for run in mine if (row := across(run))] for arm, mine in arms.items()}
    columns = {f"`{arm}`": [row[own(row)] for row in rows] for arm, rows in found.items() if rows}
    if not columns:
        return []
    everyone = [row for rows in found.values() for row in rows]
    columns |= {title: [row[name] for row in everyone][:1] for name, title in FILES.items()}  # the same for all
    return ["**On held-out sentences of the training file**", grid({}, columns)]


def on_test(arms: Mapping[str, Sequence[Run]], published: Mapping[str, Row]) -> list[str]:
    columns = {f"`{arm}`": [closing(run)[own_name(run)] for run in mine] for arm, mine in arms.items() if mine}
    title = "**On the test file, as published**"
    return [title, grid({f"{name}, published": row for name, row in published.items()}, columns)]


def grid(published: Mapping[str, Row], columns: Mapping[str, Sequence[Row]]) -> str:
    """A line a number, and real text's own at the end, which is the same for all runs."""
    finished = [row for rows in columns.values() for row in rows]
    real = [{key.replace(REAL, ""): row[key] for key in row if REAL in key} for row in finished][:1]
    head = ["", *published, *columns, "real text"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for key in dict.fromkeys(key for row in finished for key in row if wanted(key)):
        theirs = [said.get(key.removeprefix("quality/")) for said in published.values()]
        cells = ["–" if value is None else f"{value:.3f}" for value in theirs]
        cells += [spread([row[key] for row in rows if key in row]) for rows in (*columns.values(), real)]
        lines.append(f"| {key.partition('/')[2]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def wanted(key: str) -> bool:
    return key.startswith(NUMBERS) and not key.endswith("_se") and REAL not in key
