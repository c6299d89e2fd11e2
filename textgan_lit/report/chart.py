"""Plots as Vega-Lite specifications: plain containers, drawn by a browser or as a file.

Numbers and names of a run stand in ``data`` only, in fields of ours: nothing that a run says becomes a field, an
expression or a link. Colours are Okabe and Ito's, which the colour-blind can tell apart, and lines differ in their
dashes, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST = 200  # moments of a training that a plot shows: more are finer than a screen
DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [1, 3]]
Spec = dict[str, Any]


@dataclass
class Table:
    """Numbers as they are; ``title`` says of what."""

    title: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Link:
    """A cell that leads to another page beside this one; ``path`` is relative to it, with slashes."""

    text: str
    path: str

    def __str__(self) -> str:
        return self.text


@dataclass
class Chart:
    """``name`` is the stem of its files; ``table`` has the numbers for those who do not look."""

    name: str
    title: str
    note: str
    spec: Spec
    table: Table
    controls: tuple[str, ...] = field(default=())


def theme(dark: bool) -> Spec:
    """How everything looks, as a configuration that Vega and Vega-Lite both take."""
    ink, soft, line = ("#f0f0f0", "#b8bcc4", "#3a3f47") if dark else ("#1a1a1a", "#50555c", "#dddfe3")
    colours = ["#f0f0f0", "#56b4e9", "#e69f00", "#2dc99a", "#e59ac0"]
    if not dark:
        colours = ["#1a1a1a", "#0072b2", "#d55e00", "#00805c", "#b0508a"]
    text = {"labelColor": soft, "labelFontSize": 11}
    text |= {"titleColor": ink, "titleFontSize": 12, "titleFontWeight": "normal"}
    stacked = {"top": {"direction": "vertical", "anchor": "start"}}  # two legends beside each other outgrow a telephone
    return {
        "background": "transparent",
        "axis": text | {"gridColor": line, "domainColor": soft, "tickColor": soft},
        "legend": text
        | {"labelColor": ink, "labelFontSize": 12, "labelLimit": 400, "symbolSize": 140, "layout": stacked},
        "range": {"category": colours},
        "style": {"cell": {"stroke": "transparent"}},
    }


def thinned(rows: Sequence[Any], most: int = MOST) -> list[Any]:
    """At most ``most`` of them, evenly, the first and the last among them.

    >>> thinned(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(rows) <= most:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (most - 1))] for place in range(most)]


def finite(value: Any) -> float | None:
    """For JSON, which knows no infinity: a plot has a gap there."""
    return float(f"{value:.6g}") if isinstance(value, int | float) and math.isfinite(value) else None


def sized(height: int) -> Spec:
    """As wide as its place."""
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def coloured(labels: Sequence[str], **more: Any) -> Spec:
    legend = {"title": None, "orient": "top", "direction": "vertical", "symbolOpacity": 1, "symbolType": "stroke"}
    legend = legend | {"symbolStrokeWidth": 2.5} | more if len(labels) > 1 else None
    return {"color": {"field": "series", "type": "nominal", "scale": {"domain": list(labels)}, "legend": legend}}


def dashed(labels: Sequence[str]) -> Spec:
    """Lines that differ in more than their colour; in a legend of one with the colours."""
    scale = {"domain": list(labels), "range": DASHES[: len(labels)]}
    dash = {"field": "series", "type": "nominal", "scale": scale} | ({} if len(labels) > 1 else {"legend": None})
    return coloured(labels) | {"strokeDash": dash}


def bars(name: str, title: str, note: str, unit: str, table: Table, label: int, value: int) -> Chart:
    """One bar a row of ``table``, by the columns ``label`` and ``value``."""
    values = [{"label": str(row[label]), "value": finite(row[value]), "n": n} for n, row in enumerate(table.rows)]
    names = {"field": "label", "type": "nominal", "sort": {"field": "n"}, "title": None, "axis": {"labelLimit": 160}}
    encoding = {"y": names, "x": {"field": "value", "type": "quantitative", "title": unit}}
    told = [{"field": "label", "title": "what"}, {"field": "value", "title": unit, "format": ",.1f"}]
    bar = {"mark": {"type": "bar", "color": "#0072b2"}, "encoding": encoding | {"tooltip": told}}
    spec = sized(34 * len(values)) | {"data": {"values": values}} | bar
    return Chart(name, title, note, spec, table)
