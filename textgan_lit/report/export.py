"""The plots as files fit for a paper, and their numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from textgan_lit.errors import UserError, shown
from textgan_lit.report.chart import Chart, theme
from textgan_lit.report.page import converter
from textgan_lit.run.files import replace

MARK = ".textgan-report"  # in a folder whose figures are ours to replace
LOOK = theme(dark=False) | {"background": "white"}
WIDTH = 420  # of the plot's inside: with its axis a little more than a column of a paper, in points


class Picture(NamedTuple):
    """A plot that a notebook shows. ``spec`` is its Vega-Lite (``altair.Chart.from_dict``), ``svg`` the picture."""

    name: str
    title: str
    spec: dict[str, Any]
    svg: str

    def __repr__(self) -> str:
        return f"<Picture {self.name}: {self.title}>"

    def _repr_svg_(self) -> str:
        return self.svg


def picture(chart: Chart) -> Picture:
    """As it stands in a paper, curves at the last evaluation.

    Raises:
        UserError: where the library that draws is not installed.
    """
    convert, spec = converter(), chart.spec | {"width": WIDTH, "config": LOOK}
    return Picture(chart.name, chart.title, spec, convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def write(charts: Iterable[Chart], folder: Path, overwrite: bool = False) -> list[Path]:
    """Writes ``name.{svg,pdf,png,csv}`` of every chart, curves at the last evaluation; what was written."""
    convert = converter()
    files: dict[str, str | bytes] = {}
    for chart in charts:
        spec = chart.spec | {"width": WIDTH}
        files[f"{chart.name}.svg"] = convert.vegalite_to_svg(spec, config=LOOK, allowed_base_urls=[])
        files[f"{chart.name}.pdf"] = convert.vegalite_to_pdf(spec, config=LOOK, allowed_base_urls=[])
        files[f"{chart.name}.png"] = convert.vegalite_to_png(spec, config=LOOK, ppi=300, allowed_base_urls=[])
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
