"""Makes one HTML page of a run, to look at and to send: plots, tables and samples, and nothing to fetch.

Or, with --figures, its plots as files. A folder of several runs (a sweep) gives a page that compares them, and each run
its own, which that page leads to.
See docs/report.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from textgan_lit.errors import UserError, shown
from textgan_lit.run import untrusted


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, or of a sweep")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="the page (default: RUN/report.html)")
    parser.add_argument("--figures", metavar="DIR", type=Path, help="SVG, PDF, PNG and CSV of every plot instead")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are not a report's, too")
    return parser


def run(options: argparse.Namespace) -> int:
    from textgan_lit.report import arms, export, page, sections, sweep
    from textgan_lit.report.record import read

    page.converter()  # whose absence is said before anything is read
    try:
        runs, output = arms.runs(options.run), options.output or options.run / sweep.PAGE
        pages = options.figures is None or options.output is not None
        if runs and pages:
            runs_pages(runs, options.overwrite)
        report = (
            sweep.of(options.run, runs, output.parent if pages else None) if runs else sections.of(read(options.run))
        )
        for said in report.left_out:
            print(f"left out: {said}")
        if options.figures is not None:
            written = export.write(sections.charts(report), options.figures, options.overwrite)
            print(f"{len(written)} files in {options.figures}")
        if pages:
            print(_page(page.page(report), output, options.overwrite))
    except OSError as error:
        raise UserError(f"{shown(str(error.filename))} cannot be used ({error.strerror}).") from error
    return 0


def runs_pages(runs: Iterable[Path], overwrite: bool) -> None:
    """Each run's own page, in its folder; of those in which something was evaluated."""
    from textgan_lit.report import page, sections, sweep
    from textgan_lit.report.record import read

    for folder in runs:
        try:
            record = read(folder)
        except UserError:
            continue  # which the sweep's page says
        _page(page.page(sections.of(record)), folder / sweep.PAGE, overwrite)


def _page(text: str, path: Path, overwrite: bool) -> Path:
    from textgan_lit.report.page import MARK
    from textgan_lit.run.files import replace

    if path.is_dir():
        raise UserError(f"{shown(str(path))} is a folder. Give a file: -o {shown(str(path / 'report.html'))}")
    if path.exists() and not overwrite and MARK.encode() not in untrusted.start(path.parent, path.name, 4096):
        raise UserError(f"{shown(str(path))} is there, and no report. Choose another file, or give --overwrite.")
    replace(path, text)
    return path
