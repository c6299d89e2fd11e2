"""Makes one HTML page of a run, to look at and to send: plots, tables and samples, and nothing to fetch.

Or, with --figures, its plots as files. A folder of several runs (a sweep) gives a page that compares them, and each run
its own, which that page leads to.
See docs/report.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textgan_lit.errors import UserError, shown
from textgan_lit.run import untrusted

if TYPE_CHECKING:
    from textgan_lit.report.sections import Report


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, or of a sweep")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="the page (default: RUN/report.html)")
    parser.add_argument("--figures", metavar="DIR", type=Path, help="SVG, PDF, PNG and CSV of every plot instead")
    parser.add_argument(
        "--control", metavar="RUN", nargs="+", type=Path, default=[], help="null controls that the run is held against"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are not a report's, too")
    return parser


def run(options: argparse.Namespace) -> int:
    from textgan_lit.report import arms, page

    page.converter()  # whose absence is said before anything is read
    try:
        runs = arms.runs(options.run)
        if runs and options.control:
            raise UserError(
                f"--control is for one run: the controls of {shown(str(options.run))} are found among its own."
            )
        _write(_of_sweep(options, runs) if runs else _of_run(options), options)
    except OSError as error:
        raise UserError(f"{shown(str(error.filename))} cannot be used ({error.strerror}).") from error
    return 0


def _of_run(options: argparse.Namespace) -> Report:
    from textgan_lit.report import sections
    from textgan_lit.report.record import read

    return sections.of(read(options.run), [read(folder) for folder in options.control])


def _of_sweep(options: argparse.Namespace, runs: Sequence[Path]) -> Report:
    """With the page of each of its runs, in its folder; of those in which something was evaluated."""
    from textgan_lit.report import comparison, page, sections, sweep
    from textgan_lit.report.record import read

    compared = comparison.of([options.run])
    if _pages(options):
        for folder in runs:
            with suppress(UserError):  # which the sweep's page says
                text = page.page(sections.of(read(folder), compared.partners(folder)))
                _page(text, folder / sweep.PAGE, options.overwrite)
    return sweep.of(options.run, compared, _output(options).parent if _pages(options) else None)


def _write(report: Report, options: argparse.Namespace) -> None:
    from textgan_lit.report import export, page, sections

    for said in report.left_out:
        print(f"left out: {said}")
    if options.figures is not None:
        written = export.write(sections.charts(report), options.figures, options.overwrite)
        print(f"{len(written)} files in {options.figures}")
    if _pages(options):
        print(_page(page.page(report), _output(options), options.overwrite))


def _pages(options: argparse.Namespace) -> bool:
    return options.figures is None or options.output is not None


def _output(options: argparse.Namespace) -> Path:
    from textgan_lit.report.sweep import PAGE

    return options.output or options.run / PAGE


def _page(text: str, path: Path, overwrite: bool) -> Path:
    from textgan_lit.report.page import MARK
    from textgan_lit.run.files import replace

    if path.is_dir():
        raise UserError(f"{shown(str(path))} is a folder. Give a file: -o {shown(str(path / 'report.html'))}")
    if path.exists() and not overwrite and MARK.encode() not in untrusted.start(path.parent, path.name, 4096):
        raise UserError(f"{shown(str(path))} is there, and no report. Choose another file, or give --overwrite.")
    replace(path, text)
    return path
