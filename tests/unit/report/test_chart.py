"""How every chart looks: it compiles, and its colours can be read."""

import pytest

from tests.helpers.runs import made
from textgan_lit.report import chart, sections
from textgan_lit.report.page import converter
from textgan_lit.report.record import read


def test_every_chart_compiles_without_a_warning_and_draws_marks(tmp_path, capfd):
    drawn = {"mark-line", "mark-area", "mark-rect", "mark-symbol"}
    for seen in sections.charts(sections.of(read(made(tmp_path / "run")))):
        svg = converter().vegalite_to_svg(seen.spec | {"width": 300}, show_warnings=True)
        assert any(mark in svg for mark in drawn), seen.name
        assert "NaN" not in svg.replace("aria-label", ""), seen.name
    assert "WARN" not in capfd.readouterr().err


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_can_be_read_on_its_ground(dark):
    ground = 0.008 if dark else 0.93  # relative luminance of the cards
    for colour in chart.theme(dark)["range"]["category"]:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        contrast = (max(light, ground) + 0.05) / (min(light, ground) + 0.05)
        assert contrast >= 3, f"{colour}: {contrast:.1f}"  # WCAG's least for what is not text
