"""A study's page: its generated part between two markers, the prose around it as somebody wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from studies.numbers import Column, change, number, spread
from studies.study import Run, Study, StudyError, fill, matches
from studies.summary import settled

END = "<!-- studies: end -->"
PLAYED = "runs were played"
MANY = 4  # commands that a page shows unfolded
JSD = "truth/jsd"
COLUMNS: dict[str, Column] = {
    "likelihood": {"row": "likelihood", "key": JSD},
    "at its best T": {"row": "likelihood_best_temperature", "key": JSD},
    "the game": {"row": "game", "key": JSD},
    "change": {"row": "game", "over": "likelihood_best_temperature", "key": JSD},
}


def begin_of(name: str) -> str:
    """A study's own mark: several studies may share a page."""
    return f"<!-- studies: begin {name} (python -m studies writes up to the end mark) -->"


def write(study: Study, text: str) -> None:
    """Puts ``text`` between the study's markers on its page and leaves the rest as it is."""
    page, mark = study.page, begin_of(study.name)
    before, begin, rest = page.read_text().partition(mark) if page.exists() else ("", "", "")
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise StudyError(f"{page} needs the two lines {mark!r} and {END!r} where the table should stand.")
    page.write_text(settled(f"{before}{mark}\n\n{text.strip()}\n\n{END}{after}"))


def kept(study: Study) -> str:
    """The numbers that stand on the page: what there is of runs that were played where nobody kept them."""
    section = study.page.read_text().partition(begin_of(study.name))[2].partition(END)[0]
    told = re.split(r"^(?:!\[|```bash\npython -m studies )", section, maxsplit=1, flags=re.MULTILINE)[0].strip()
    return told if PLAYED in told else ""


def generated(study: Study, runs: Sequence[Run], body: str) -> str:
    """What stands between the markers: how complete it is, the body, the picture and the commands."""
    kind = {"ci": "95 % confidence interval (Student's t)", "sd": "standard deviation"}[
        study.config.get("spread", "ci")
    ]
    picture = study.picture
    told = [
        standing(study, runs),
        f"Mean ± {kind} over seeds; each has {study.config['varies']}. A change in % is paired, seed by seed; in "
        "brackets stands each seed's own.",
        body,
    ]
    parts = [
        *(told if any(run.finished for run in runs) else [kept(study)] if kept(study) else told),
        f"![{study.config['picture']['caption']}]({picture.name})" if picture.exists() else "",
        commands(study),
    ]
    return "\n\n".join(part for part in parts if part)


def commands(study: Study) -> str:
    """One for all, and the ordinary ones behind it; folded where they are many."""
    ordinary = list(dict.fromkeys(arm.shown for arm in study.arms))
    block = "\n".join(["```bash", *ordinary, "```"])
    if len(ordinary) > MANY:
        block = f"<details><summary>The {len(ordinary)} commands behind it</summary>\n\n{block}\n\n</details>"
    return f"```bash\npython -m studies {study.name}\n```\n\nIt plays what is missing of\n\n{block}"


def standing(study: Study, runs: Sequence[Run]) -> str:
    """Which seeds, and what was not run."""
    absent: dict[str, list[Run]] = {}
    entry = {arm.name: arm.entry for arm in study.arms}
    for run in runs:
        if not run.finished:
            absent.setdefault(entry[run.arm], []).append(run)
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in runs}))
    left = sum(map(len, absent.values()))
    line = f"Seeds {seeds}; {len(runs) - left} of {len(runs)} {PLAYED}."
    if not left:
        return line
    gaps = ", ".join(f"`{name}` ({len(some)})" for name, some in absent.items())
    return f"**Not done.** {line} Not run (how many): {gaps}."


def tables(study: Study, runs: Sequence[Run]) -> str:
    kind = study.config.get("spread", "ci")
    return "\n\n".join(table(part, runs, kind) for part in study.config.get("tables", [{}]))


def table(part: dict[str, Any], runs: Sequence[Run], kind: str) -> str:
    """One row an arm; arms of which nothing was run have none."""
    columns = part.get("columns", COLUMNS)
    shown = [run for run in runs if matches(run.arm, part.get("rows", ["*"])) and run.finished]
    lines = [f"| {part.get('of', 'arm')} | seeds | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for arm in sorted({run.arm for run in shown}, key=lambda arm: order(arm, part.get("rows", []))):
        mine = [run for run in shown if run.arm == arm]
        cells = [cell(column, mine, shown, rivals(part, arm, runs), kind) for column in columns.values()]
        lines.append(f"| `{arm}` | {len(mine)} | {' | '.join(cells)} |")
    title = f"**{part['title']}**\n\n" if "title" in part else ""
    return title + "\n".join(lines) if len(lines) > 2 else title + "Nothing of this was run yet."


def order(arm: str, rows: Sequence[str]) -> tuple[int, str]:
    """As the table lists its rows, then by name."""
    return next((place for place, row in enumerate(rows) if matches(arm, [row])), len(rows)), arm


def rivals(part: dict[str, Any], arm: str, runs: Sequence[Run]) -> list[Run]:
    """The runs that ``tuned`` may choose from for an arm: {family} is its name up to the first dash."""
    pattern = fill(part.get("rivals", ""), {"family": arm.partition("-")[0]})
    return [run for run in runs if matches(run.arm, [pattern])]


def cell(column: Column, mine: Sequence[Run], shown: Sequence[Run], others: Sequence[Run], kind: str) -> str:
    def of_seed(runs: Sequence[Run], seed: int) -> list[Run]:
        return [run for run in runs if run.seed == seed]

    found = [number(run, column, of_seed(shown, run.seed), of_seed(others, run.seed)) for run in mine]
    values = [value for value in found if value is not None]
    return change(values, kind) if "over" in column else spread(values, kind, column.get("form", ".3f"))
