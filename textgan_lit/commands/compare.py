"""Compares runs over seeds: means, paired tests against a control, and which proxies rank as the truth does.

Runs whose overrides differ only by their seed are one arm. The control is an arm with model/control=constant or
shuffled, or of likelihood alone, unless --control names it. See docs/commands.md.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgan_lit.commands import output
from textgan_lit.errors import UserError, shown
from textgan_lit.run import terminal

if TYPE_CHECKING:
    from io import TextIOBase

    from textgan_lit.report.chart import Table
    from textgan_lit.report.comparison import Comparison, Line

SHOWN = 30  # rows of a table in a terminal
CSV_COLUMNS = (
    *("seeds", "started", "mean", "low", "high", "control", "pairs", "difference"),
    *("difference_low", "difference_high", "p", "p_holm", "seeds_to_tell"),
    *("share_of_gain", "share_low", "share_high"),
)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", help="a sweep's folder, or several, or several runs'")
    parser.add_argument("--control", metavar="OVERRIDE", nargs="+", default=[], help="overrides that the control has")
    parser.add_argument("--out", metavar="FILE", help="FILE.csv: every number; FILE.md: the tables")
    parser.add_argument("--overwrite", action="store_true", help="an older FILE may go")
    return parser


def run(options: argparse.Namespace) -> int:
    kind = Path(options.out or "").suffix
    if options.out and kind not in (".csv", ".md"):
        raise UserError(f"--out {shown(options.out)}: wanted the name of a .csv or a .md file.")
    from textgan_lit.report.arms import gather
    from textgan_lit.report.comparison import compare

    if options.out is None:
        _show(compare(gather(_found(options.folders)), options.control))
        return 0
    with output.opened(options) as file:
        comparison = compare(gather(_found(options.folders)), options.control)
        {".csv": _csv, ".md": _markdown}[kind](comparison, file)
    print(options.out)
    return 0


def _found(folders: list[str]) -> list[tuple[str, Path]]:
    """Every run, by the name that is said of it: its place in the one folder that was given, else as it was given."""
    from textgan_lit.report.arms import runs
    from textgan_lit.run.folder import holds_a_run

    found = {}
    for folder in map(Path, folders):
        below = [folder] if holds_a_run(folder) else runs(folder)
        if not below:
            what = "holds no run" if folder.is_dir() else "is no folder"
            raise UserError(f"{shown(str(folder))} {what}. Give the folder of a sweep, or those of runs.")
        for path in below:
            found.setdefault(path.resolve(), str(path.relative_to(folder) if len(folders) == 1 < len(below) else path))
    return [(name, path) for path, name in found.items()]


def _tables(comparison: Comparison) -> Iterator[Table]:
    yield from map(comparison.table, comparison.views)
    yield from (table for table in (comparison.scores(), comparison.missing()) if table is not None)


def _show(comparison: Comparison) -> None:
    from rich import box, table
    from rich.text import Text

    out = terminal.console()
    for told in _tables(comparison):
        drawn = table.Table(title=Text(told.title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name, *cells in zip(told.columns, *told.rows, strict=True):
            number = all(cell[:1].isdigit() or cell[:1] in "–+-<>" for cell in cells)
            head = textwrap.fill(name, max(7, *map(len, cells))) if number else name
            drawn.add_column(Text(head), justify="right" if number else "left", no_wrap=number, overflow="fold")
        for row in told.rows[:SHOWN]:
            drawn.add_row(*map(Text, row))
        out.print(drawn)
        if len(told.rows) > SHOWN:
            out.print(f" … and {len(told.rows) - SHOWN:,} more: --out FILE.md has them all.\n", highlight=False)
    for note in _notes(comparison):
        out.print(note, highlight=False)


def _notes(comparison: Comparison) -> list[str]:
    return [*comparison.notes, *(f"Left out: {said}." for said in comparison.found.left_out)]


def _markdown(comparison: Comparison, file: TextIOBase) -> None:
    for told in _tables(comparison):
        lines = [told.columns, ["---"] * len(told.columns), *told.rows]
        body = "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)
        file.write(f"**{_escaped(told.title)}**\n\n{body}\n\n")
    file.write("".join(f"* {_escaped(note)}\n" for note in _notes(comparison)))


def _escaped(text: str) -> str:
    """A run's overrides are somebody else's: neither a cell's end, nor markup."""
    for sign in "\\|`*_<[":
        text = text.replace(sign, f"\\{sign}")
    return text


def _csv(comparison: Comparison, file: TextIOBase) -> None:
    """A row for each arm, number and view."""
    from textgan_lit.report import scorecard
    from textgan_lit.report.arms import closing_row

    arms = comparison.found.arms
    keys = list(arms[0].overrides)
    rows = [closing_row(record) for arm in arms for record in arm.runs.values()]
    objectives = scorecard.objectives(rows) or [scorecard.Objective(*comparison.found.goal, "down")]
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["view", "clock", "where", "number", "good", *keys, *CSV_COLUMNS])
    for view in comparison.views:
        at = [view.name or "end", view.clock or "", view.where if view.clock else ""]
        for objective in objectives:
            told = [*at, objective.key, objective.good]
            for line in comparison.lines(objective.key, view):
                table.writerow([*told, *line.arm.overrides.values(), *_numbers(line)])


def _numbers(line: Line) -> list[Any]:
    """Under ``CSV_COLUMNS``; what is not known is empty."""
    from textgan_lit.functional.significance import half_width

    values, test = list(line.values.values()), line.test
    mean, half = statistics.fmean(values), half_width(values)
    found = [len(values), line.arm.started, mean, mean - half, mean + half, line.control.name if line.control else ""]
    if test is not None:
        found += [test.pairs, test.difference, test.difference - test.half, test.difference + test.half]
        found += [test.p, line.p, test.needed, *(line.share or ())]
    found += [""] * (len(CSV_COLUMNS) - len(found))
    return ["" if value is None or (isinstance(value, float) and math.isnan(value)) else value for value in found]
