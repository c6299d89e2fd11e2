"""Plots as files."""

import csv

import pytest

from tests.helpers.runs import made
from textgan_lit.errors import UserError
from textgan_lit.report import export, sections
from textgan_lit.report.record import read

BEGINS = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG", "csv": b"steps/"}


@pytest.fixture
def charts(tmp_path):
    report = sections.of(read(made(tmp_path / "run")))
    return [chart for chart in sections.charts(report) if chart.name in ("truth", "prefix-jsd")]


def test_every_plot_is_written_in_every_form(charts, tmp_path):
    written = export.write(charts, tmp_path / "figures")
    assert sorted(path.name for path in written) == sorted(
        f"{name}.{form}" for name in ("truth", "prefix-jsd") for form in BEGINS
    )
    for path in written:
        assert path.read_bytes().startswith(BEGINS[path.suffix[1:]]), path.name
    with (tmp_path / "figures" / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["truth/jsd"]) for row in rows] == [0.5, 0.4, 0.3, 0.2]


def test_only_figures_of_ours_are_replaced(charts, tmp_path):
    charts = [chart for chart in charts if chart.name == "truth"]
    (tmp_path / "truth.svg").write_text("mine")
    with pytest.raises(UserError, match=r"holds truth\.svg already.*--overwrite"):
        export.write(charts, tmp_path)
    assert (tmp_path / "truth.svg").read_text() == "mine"
    export.write(charts, tmp_path, overwrite=True)
    export.write(charts, tmp_path)  # they are ours now
