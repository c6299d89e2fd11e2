"""Several runs of one sweep beside each other: which words were swept, and what became of each run.

Runs are compared by their goal, the number that a sweep minimises: the true JSD on the test sentences, or what a fresh
critic proves of it where the truth is not known. A run's own page has the rest.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, final

from textgan_lit.errors import UserError, shown
from textgan_lit.folder import holds_a_run
from textgan_lit.functional.significance import half_width
from textgan_lit.report import chart, scorecard
from textgan_lit.report.chart import Chart, Link, Table
from textgan_lit.report.parallel import parallel
from textgan_lit.report.record import Record, Row, is_number, read
from textgan_lit.report.scorecard import JSD
from textgan_lit.report.sections import Report, Section

FRESH = "quality/fresh_bound_"  # how its key begins
PAGE = "report.html"  # of a run, in its folder
SEED = "seed"  # what distinguishes repetitions, not configurations


def runs(folder: Path) -> list[Path]:
    """The runs of a sweep, those below ``folder``; none where it is a run itself."""
    if not folder.is_dir() or holds_a_run(folder):
        return []
    found = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/evaluations.jsonl")]
    return sorted(found, key=lambda path: [(len(part), part) for part in path.relative_to(folder).parts])  # 2 before 10


def of(folder: Path, runs: Sequence[Path], beside: Path | None = None) -> Report:
    """The report of the runs that have ended. ``beside``: the folder that the page will be in, which leads to the runs'
    own pages."""
    records, left_out = [], []
    for path in runs:
        name = shown(str(path.relative_to(folder)))
        try:
            record = read(path)
        except UserError:
            left_out.append(f"{name}, where nothing was evaluated yet")
            continue
        left_out += [f"{said} in {name}" for said in record.left_out]
        records.append(record)
    goal = Goal.of(records)
    for record in records:
        if goal.value(record) is None:
            left_out.append(
                f"{shown(str(record.folder.relative_to(folder)))}, which has no {goal.name} in a closing.json"
            )
    records = [record for record in records if goal.value(record) is not None]
    if not records:
        raise UserError(f"No run in {shown(str(folder))} has ended with a {goal.name}: there is nothing to compare.")
    return Sweep(folder, records, goal, beside).report(left_out)


class Goal(NamedTuple):
    """What runs are compared by: lower is better."""

    key: str
    name: str

    @classmethod
    def of(cls, records: Sequence[Record]) -> Goal:
        keys = [key for record in records for key in _judged(record)]
        fresh = [key for key in keys if key.startswith(FRESH) and not key.endswith("_se")]
        return cls(fresh[0], "fresh critic's bound on JSD") if fresh and JSD not in keys else cls(JSD, "true JSD")

    def value(self, record: Record) -> float | None:
        value = _judged(record).get(self.key)
        return float(value) if is_number(value) and math.isfinite(value) else None


def _judged(record: Record) -> Row:
    """On the test sentences: of the game where one was played, else of likelihood."""
    return record.closing.get("game") or record.closing.get("likelihood") or {}


@final
class Sweep:
    """The runs that are compared, and the words by which they differ."""

    def __init__(self, folder: Path, records: Sequence[Record], goal: Goal, beside: Path | None):
        self.folder, self.records, self.goal, self.beside = folder, records, goal, beside
        self.swept = _swept(records)
        self.keys = sorted({key for words in self.swept for key in words})
        self.values = [goal.value(record) for record in records]

    def report(self, left_out: list[str]) -> Report:
        sections = [self.configurations(), self.parallel(), self.scorecard(), self.best(), self.runs()]
        facts = {"runs": str(len(self.records)), "swept": ", ".join(self.keys) or "nothing"}
        there = [section for section in sections if section.parts]
        return Report(self.folder.resolve().name, facts, there, [], left_out)

    def configurations(self) -> Section:
        """Runs that differ in their seed alone, together."""
        ranked = sorted(self.groups().items(), key=lambda item: statistics.mean(self._of(item[1])))
        names = [name for name, _ in ranked[0][0]]
        rows = [[*(word for _, word in key), len(places), spread(self._of(places))] for key, places in ranked]
        note = "The best first; mean and 95 % interval of the mean over seeds (Student's t)."
        table = Table("Configurations", [*names, "seeds", f"{self.goal.name}, nats a sentence"], rows)
        drawn = self._courses([(_named(key), places) for key, places in ranked[: len(chart.DASHES)]])
        return Section("Configurations", note, [table, *drawn])

    def groups(self) -> dict[tuple[tuple[str, str], ...], list[int]]:
        found: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for place, words in enumerate(self.swept):
            found.setdefault(tuple(item for item in words.items() if item[0] != SEED), []).append(place)
        return found

    def _of(self, places: Iterable[int]) -> list[float]:
        return [self.values[place] for place in places]

    def _courses(self, ranked: Sequence[tuple[str, Sequence[int]]]) -> list[Chart]:
        """The goal over generator turns: means over seeds with their interval, where evaluations have it."""
        rows: dict[int | float, Row] = {}
        for label, places in ranked:
            seen: dict[int | float, list[int | float]] = {}
            for place in places:
                for turns, value in self._course(self.records[place]).items():
                    seen.setdefault(turns, []).append(value)
            for turns, values in seen.items():
                told = {label: statistics.mean(values)}
                told |= {f"{label}_se": half_width(values) / 2} if len(values) > 1 else {}
                rows.setdefault(turns, {"turns/all": turns, "turns/generator": turns}).update(told)
        if len(rows) < 2:
            return []
        note = "Mean over seeds and its 95 % interval; on the validation sentences."
        note += f" The best {len(ranked)} are shown." if len(ranked) < len(self.groups()) else ""
        found = [rows[turns] for turns in sorted(rows)]
        title = f"{self.goal.name[0].upper()}{self.goal.name[1:]} over training"
        drawn = chart.course("seeds", title, note, "nats a sentence", found, {label: label for label, _ in ranked})
        return [] if drawn is None else [drawn]

    def _course(self, record: Record) -> dict[int | float, int | float]:
        """generator turns → the goal, at the last of the evaluations that fall on them."""
        rows = [row for row in record.evaluations if chart.finite(row.get(self.goal.key)) is not None]
        return {row["turns/generator"]: row[self.goal.key] for row in rows if "turns/generator" in row}

    def parallel(self) -> Section:
        note = f"One line a run, from its words to its {self.goal.name}."
        section = Section("What was swept, and what it led to", note)
        if self.keys and len(self.records) > 1:
            lines = [list(words.values()) for words in self.swept]
            title = "From words to truth" if self.goal.key == JSD else "From words to what a fresh critic proves"
            section.parts = [parallel("sweep", title, self.keys, lines, self.goal.name, self.values)]
        return section

    def scorecard(self) -> Section:
        """Where the truth is known."""
        note = "How each number ranks the runs, beside the truth: 1 where it ranks them alike, −1 the other way round."
        section, found = Section("Scorecard of the proxies", note), scorecard.scores(self._rows())
        columns = ["number", "good", "runs", "rank correlation", "95 %", "the run that it picks", "JSD lost by that"]
        lines = [
            [
                *(
                    score.objective.label,
                    scorecard.WORDS[score.objective.good],
                    score.runs,
                    round(score.correlation, 3),
                ),
                "–" if math.isnan(score.low) else f"{score.low:.2f} to {score.high:.2f}",
                *(self._link(score.pick), round(score.lost, 6)),
            ]
            for score in found
        ]
        if lines:
            table = Table("Scorecard of the proxies", columns, lines)
            note = "Spearman's, over all runs."
            drawn = chart.bars("scorecard", "Rank correlation with the true JSD", note, "rank correlation", table, 0, 3)
            section.parts = [table, drawn]
        return section

    def best(self) -> Section:
        rows, lines = self._rows(), []
        for objective in scorecard.objectives(rows):
            if (place := scorecard.best(objective, rows)) is not None:
                words = [self.swept[place][key] for key in self.keys]
                value, good = rows[place][objective.key], scorecard.WORDS[objective.good]
                lines.append([objective.label, good, self._link(place), *words, value, self.values[place]])
        columns = ["objective", "good", "run", *self.keys, "its value", f"its {self.goal.name}"]
        note = "Different numbers choose different runs. On the test sentences."
        return Section("The best by each objective", note, [Table("The best by each objective", columns, lines)])

    def _rows(self) -> list[Row]:
        return [_judged(record) for record in self.records]

    def runs(self) -> Section:
        rows: list[list[object]] = []
        for place, record in enumerate(self.records):
            last, words = record.evaluations[-1], self.swept[place].values()
            spent = last.get("turns/generator"), last.get("system/seconds")
            rows.append([self._link(place), *words, self.values[place], *spent])
        rows.sort(key=lambda row: row[-3])
        columns = ["run", *self.keys, self.goal.name, "generator turns", "seconds"]
        note = "The best first." + " Each leads to its own page." * (self.beside is not None)
        return Section("Runs", note, [Table("Runs", columns, rows)])

    def _link(self, place: int) -> Link | str:
        record = self.records[place]
        name = str(record.folder.relative_to(self.folder))
        if self.beside is None:
            return name
        return Link(name, Path(os.path.relpath(record.folder / PAGE, self.beside)).as_posix())


def _named(words: Iterable[tuple[str, str]]) -> str:
    """A configuration in a legend."""
    return shown(", ".join(f"{key}={word}" for key, word in words) or "all seeds")


def _swept(records: Sequence[Record]) -> list[dict[str, str]]:
    """For each run the words that not all have in common."""
    words = [dict(word.lstrip("+").partition("=")[::2] for word in record.overrides) for record in records]
    keys = {key for found in words for key in found}
    differ = {key for key in keys if len({found.get(key) for found in words}) > 1}
    return [{key: found.get(key, "–") for key in sorted(differ)} for found in words]


def spread(values: Sequence[float]) -> str:
    """Mean ± half of the 95 % interval; the mean alone of a single value.

    >>> spread([0.2, 0.3]), spread([0.25])
    ('0.2500 ± 0.6353', '0.2500')
    """
    mean = f"{statistics.mean(values):.4f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {half_width(values):.4f}"
