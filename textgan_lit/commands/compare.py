"""Compares runs over seeds: means, paired tests against a control, and which proxies rank as the truth does.

Runs whose overrides differ only by their seed are one arm. The control is an arm with model/control=constant or
shuffled, or of likelihood alone, unless --control names it. See docs/commands.md.
"""

from __future__ import annotations

import argparse
import csv
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textgan_lit.commands import output
from textgan_lit.errors import UserError, shown
from textgan_lit.run import terminal

if TYPE_CHECKING:
    from io import TextIOBase

    from textgan_lit.report.chart import Table
    from textgan_lit.report.comparison import Comparison

SHOWN = 30  # rows of a table in a terminal


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
    from textgan_lit.report.comparison import of

    if options.out is None:
        _show(of(options.folders, options.control))
        return 0
    with output.opened(options) as file:
        comparison = of(options.folders, options.control)
        {".csv": _csv, ".md": _markdown}[kind](comparison, file)
    print(options.out)
    return 0


def _tables(comparison: Comparison) -> Iterator[Table]:
    yield from map(comparison.table, comparison.views)
    yield from (table for table in (comparison.scores(), comparison.missing()) if table is not None)


def _show(comparison: Comparison) -> None:
    from rich import box, table
    from rich.text import Text

    out = terminal.console()
    for told in _tables(comparison):
        drawn = table.Table(title=Text(told.title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for place, (name, *cells) in enumerate(zip(told.columns, *told.rows, strict=True)):
            number = place > 0 and all(cell[:1].isdigit() or cell[:1] in "–+-<>" for cell in cells)
            widest = max(len(part) for cell in cells for part in _folded(cell).splitlines())
            head = textwrap.fill(name, max(5, widest)) if number else name
            drawn.add_column(Text(head), justify="right" if number else "left", no_wrap=number, overflow="fold")
        for row in told.rows[:SHOWN]:
            drawn.add_row(Text(row[0]), *(Text(_folded(cell)) for cell in row[1:]))
        out.print(drawn)
        if len(told.rows) > SHOWN:
            out.print(f" … and {len(told.rows) - SHOWN:,} more: --out FILE.md has them all.\n", highlight=False)
    for note in _notes(comparison):
        out.print(note, highlight=False)


def _folded(cell: str) -> str:
    """What stands in brackets behind a number is on a line of its own: six columns of numbers fit 80 characters.

    >>> _folded("-0.2000 ± 0.0248 (2 pairs)"), _folded("k=(3)")
    ('-0.2000 ± 0.0248\\n(2 pairs)', 'k=(3)')
    """
    return cell.replace(" (", "\n(") if cell[:1] in "+-0123456789" else cell


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
    """A row for each arm, number and view; what is not known is empty."""
    from textgan_lit.report.rows import COLUMNS, rows

    table = csv.writer(file, lineterminator="\n")
    keys = list(comparison.found.arms[0].overrides)
    table.writerow([*COLUMNS[:5], *keys, *COLUMNS[5:]])
    for row in rows(comparison):
        told = ["" if row[name] is None else row[name] for name in COLUMNS]
        table.writerow([*told[:5], *row["overrides"].values(), *told[5:]])
