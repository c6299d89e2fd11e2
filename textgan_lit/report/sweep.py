"""Several runs of one sweep beside each other: which overrides were swept, and what became of each run.

Arms are compared by their goal (arms.py) and tested against their control (comparison.py). A run's own page has the
rest.
"""

from __future__ import annotations

import math
import os
import statistics
from pathlib import Path
from typing import final

from textgan_lit.errors import shown
from textgan_lit.functional.significance import half_width
from textgan_lit.report import chart, comparison, scorecard, summary
from textgan_lit.report.arms import SEED, Arm, closing_row, short
from textgan_lit.report.chart import Chart, Link, Table
from textgan_lit.report.lines import course
from textgan_lit.report.quality import WAYS
from textgan_lit.report.record import Record, Row
from textgan_lit.report.sections import Report, Section, Text

PAGE = "report.html"  # of a run, in its folder


def of(folder: Path, compared: comparison.Comparison, beside: Path | None = None) -> Report:
    """The report of the runs in ``folder`` that have ended. ``beside``: the folder that the page will be in, which
    leads to the runs' own pages."""
    return Sweep(folder, compared, beside).report()


@final
class Sweep:
    """The runs that are compared, arm by arm, and the overrides by which they differ."""

    def __init__(self, folder: Path, compared: comparison.Comparison, beside: Path | None):
        found = compared.found
        self.folder, self.compared, self.found, self.goal, self.beside = folder, compared, found, found.goal, beside
        self.keys, self.records, self.swept = found.keys, [], []
        self.names = [short(key, found.keys) for key in found.keys]
        for arm in found.arms:
            for seed, record in arm.runs.items():
                overrides = arm.overrides | {SEED: seed}
                self.records.append(record)
                self.swept.append({key: overrides[key] for key in self.keys})
        self.values = [self.goal.value(record) for record in self.records]

    def report(self) -> Report:
        compared = self.compared
        sections = [self.configurations(compared), self.matched(compared), self.scorecard()]
        sections += [self.best(), self.runs()]
        missing = [f"{shown(run.name)} ({run.why})" for run in self.found.missing]
        told = summary.of_sweep(compared, self.records)
        there = [section for section in sections if section.parts]
        return Report(self.folder.resolve().name, told, summary.HOW_ARMS, there, [], missing + self.found.left_out)

    def configurations(self, compared: comparison.Comparison) -> Section:
        """Runs that differ in their seed alone, together."""
        lines = compared.lines(self.goal.key, compared.views[0])
        rows = [[*line.arm.overrides.values(), *compared.cells(line)] for line in lines]
        names = [name for key, name in zip(self.keys, self.names, strict=True) if key != SEED]
        columns = [*names, *compared.head(f"{self.goal.name}, nats a sentence")]
        section = Section("Configurations", "The best first; on the test sentences.", [])
        how = Text("How these numbers are to be read", "\n".join(compared.notes))
        section.parts = [Table("Configurations", columns, rows), how, *self._courses()]
        return section

    def matched(self, compared: comparison.Comparison) -> Section:
        """Where arms end apart on a clock."""
        note = (
            "At the farthest that all arms have come on a clock, on the validation sentences. A run that had ended by "
        )
        section, views = Section("At the same cost", f"{note}then stays what it was."), compared.views[1:]
        rows = [[view.name, *row] for view in views for row in compared.table(view).rows]
        if rows:
            section.parts = [Table(section.title, ["after", *compared.table(views[0]).columns], rows)]
        return section

    def _courses(self) -> list[Chart]:
        """The goal over generator steps: means over seeds with their interval, where evaluations have it."""
        rows: dict[int | float, Row] = {}
        drawn = {_named(arm): arm for arm in self.found.arms[: len(chart.DASHES)]}
        for label, arm in drawn.items():
            seen: dict[int | float, list[int | float]] = {}
            for record in arm.runs.values():
                for steps, value in self._course(record).items():
                    seen.setdefault(steps, []).append(value)
            for steps, values in seen.items():
                told = {label: statistics.mean(values)}
                told |= {f"{label}_se": half_width(values) / 2} if len(values) > 1 else {}
                rows.setdefault(steps, {"steps/all": steps, "steps/generator": steps}).update(told)
        if len(rows) < 2:
            return []
        note = "Mean over seeds and its 95 % interval; on the validation sentences."
        note += f" The best {len(drawn)} are shown." if len(drawn) < len(self.found.arms) else ""
        found = [rows[steps] for steps in sorted(rows)]
        title = f"{self.goal.name[0].upper()}{self.goal.name[1:]} over training"
        plot = course("seeds", title, note, "nats a sentence", found, {label: label for label in drawn})
        return [] if plot is None else [plot]

    def _course(self, record: Record) -> dict[int | float, int | float]:
        """generator steps → the goal, at the last of the evaluations that fall on them."""
        rows = [row for row in record.evaluations if chart.finite(row.get(self.goal.key)) is not None]
        return {row["steps/generator"]: row[self.goal.key] for row in rows if "steps/generator" in row}

    def scorecard(self) -> Section:
        """Where the truth is known."""
        note = "How each number ranks the runs, beside the truth: 1 where it ranks them alike, −1 the other way round."
        section = Section("Scorecard of the proxies", note)
        found = scorecard.scores(self._rows()) if len(self.found.arms) >= scorecard.FEWEST else []
        columns = ["number", "good", "runs", "rank correlation", "95 %", "the run that it picks", "JSD lost by that"]
        lines = [
            [
                *(
                    score.objective.label,
                    WAYS[score.objective.good],
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
                arm = ", ".join(self.swept[place].values())
                value, good = rows[place][objective.key], WAYS[objective.good]
                lines.append([objective.label, good, self._link(place), arm, value, self.values[place]])
        columns = ["objective", "good", "run", ", ".join(self.names), "its value", f"its {self.goal.name}"]
        note = "Different numbers choose different runs. On the test sentences."
        return Section("The best by each objective", note, [Table("The best by each objective", columns, lines)])

    def _rows(self) -> list[Row]:
        return [closing_row(record) for record in self.records]

    def runs(self) -> Section:
        rows: list[list[object]] = []
        for place, record in enumerate(self.records):
            last, overrides = (record.evaluations or [{}])[-1], self.swept[place].values()
            spent = last.get("steps/generator"), last.get("system/seconds")
            rows.append([self._link(place), *overrides, self.values[place], *spent])
        rows.sort(key=lambda row: row[-3])
        columns = ["run", *self.names, self.goal.name, "generator steps", "seconds"]
        note = "The best first." + " Each leads to its own page." * (self.beside is not None)
        return Section("Runs", note, [Table("Runs", columns, rows)])

    def _link(self, place: int) -> Link | str:
        record = self.records[place]
        name = str(record.folder.relative_to(self.folder))
        if self.beside is None:
            return name
        return Link(name, Path(os.path.relpath(record.folder / PAGE, self.beside)).as_posix())


def _named(arm: Arm) -> str:
    """In a legend."""
    return shown(arm.name)
