"""The plots as files fit for a paper, and their numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from textgan_lit.errors import UserError, shown
from textgan_lit.report.chart import Chart, theme
from textgan_lit.report.page import converter
from textgan_lit.run.files import replace

MARK = ".textgan-report"  # in a folder whose figures are ours to replace
WIDTH = 420  # of the plot's inside: with its axis a little more than a column of a paper, in points


def write(charts: Iterable[Chart], folder: Path, overwrite: bool = False) -> list[Path]:
    """Writes ``name.{svg,pdf,png,csv}`` of every chart, curves at the last evaluation; what was written."""
    convert, look = converter(), theme(dark=False) | {"background": "white"}
    files: dict[str, str | bytes] = {}
    for chart in charts:
        spec = chart.spec | {"width": WIDTH}
        files[f"{chart.name}.svg"] = convert.vegalite_to_svg(spec, config=look, allowed_base_urls=[])
        files[f"{chart.name}.pdf"] = convert.vegalite_to_pdf(spec, config=look, allowed_base_urls=[])
        files[f"{chart.name}.png"] = convert.vegalite_to_png(spec, config=look, ppi=300, allowed_base_urls=[])
        files[f"{chart.name}.csv"] = _csv(chart)
    taken = [name for name in files if (folder / name).exists()]
    if taken and not overwrite and not (folder / MARK).exists():
        raise UserError(f"{shown(str(folder))} holds {taken[0]} already. Choose another folder, or give --overwrite.")
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / MARK, "The figures beside this file are written by `textgan report --figures`.\n")
    for name, content in files.items():
        replace(folder / name, content)
    return [folder / name for name in files]


def _csv(chart: Chart) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(chart.table.columns)
    writer.writerows(chart.table.rows)
    return file.getvalue()
