"""Plots as Vega-Lite specifications: plain containers, drawn by a browser or as a file.

Numbers and names of a run stand in ``data`` only, in fields of ours: nothing that a run says becomes a field, an
expression or a link. Colours are Okabe and Ito's, which the colour-blind can tell apart, and lines differ in their
dashes, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textgan_lit.report.record import TOKENS, Row

CLOCKS = {"generator turns": "turns/generator", "all turns": "turns/all", TOKENS: TOKENS, "seconds": "system/seconds"}
MOST = 200  # moments of a training that a plot shows: more are finer than a screen
DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [1, 3]]
Spec = dict[str, Any]


@dataclass
class Table:
    """Numbers as they are; ``title`` says of what."""

    title: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass
class Chart:
    """``name`` is the stem of its files; ``table`` has the numbers for those who do not look."""

    name: str
    title: str
    note: str
    spec: Spec
    table: Table
    wide: bool = False
    controls: tuple[str, ...] = field(default=())


def theme(dark: bool) -> Spec:
    """How everything looks, as a configuration that Vega and Vega-Lite both take."""
    ink, soft, line = ("#f0f0f0", "#b8bcc4", "#3a3f47") if dark else ("#1a1a1a", "#50555c", "#dddfe3")
    colours = ["#f0f0f0", "#56b4e9", "#e69f00", "#2dc99a", "#e59ac0"]
    if not dark:
        colours = ["#1a1a1a", "#0072b2", "#d55e00", "#00805c", "#b0508a"]
    text = {"labelColor": soft, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": None if dark else "transparent",
        "axis": text | {"gridColor": line, "domainColor": soft, "tickColor": soft},
        "legend": text | {"labelColor": ink, "labelFontSize": 12, "labelLimit": 400, "symbolSize": 140},
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


def clocks(rows: Sequence[Row]) -> dict[str, str]:
    """Those that move, by name; the first is the one to begin with."""
    found = {name: key for name, key in CLOCKS.items() if len({row[key] for row in rows if key in row}) > 1}
    return found or {"all turns": "turns/all"}


def finite(value: Any) -> float | None:
    """For JSON, which knows no infinity: a plot has a gap there."""
    return float(f"{value:.6g}") if isinstance(value, int | float) and math.isfinite(value) else None


def course(
    name: str, title: str, note: str, unit: str, rows: Sequence[Row], series: Mapping[str, str], **more: Any
) -> Chart | None:
    """Lines over training, ``series`` by label → key, with a band of 2 ``key_se`` where that is known."""
    series = {label: key for label, key in series.items() if any(finite(row.get(key)) is not None for row in rows)}
    if not series:
        return None
    rows = thinned([row for row in rows if any(key in row for key in series.values())])
    stacked = more.pop("stacked", False)
    base = _over_time(rows, series) | _sized(more.pop("height", 240))
    value = {"field": "value", "type": "quantitative", "title": unit, "scale": _scale(**more)}
    layers = _areas(value) if stacked else _lines(value, any(_error(key) in row for key in series.values() for row in rows))
    wanted = [*clocks(rows).values(), *(key for pair in series.values() for key in (pair, _error(pair)))]
    columns = [key for key in wanted if any(key in row for row in rows)]
    table = Table(title, columns, [[row.get(key) for key in columns] for row in rows])
    return Chart(name, title, note, base | {"layer": layers(list(series))}, table, controls=("clock",))


def _error(key: str) -> str:
    """Where a key's standard error stands: truth/jsd_se, but bound/se of bound/value."""
    return "bound/se" if key == "bound/value" else f"{key}_se"


def _over_time(rows: Sequence[Row], series: Mapping[str, str]) -> Spec:
    moving = clocks(rows)
    values = []
    for number, row in enumerate(rows):
        times = {clock: finite(row.get(key)) for clock, key in moving.items()}
        for place, (label, key) in enumerate(series.items()):
            value, error = finite(row.get(key)), finite(row.get(_error(key)))
            band = {} if value is None or error is None else {"low": value - 2 * error, "high": value + 2 * error}
            if key in row:
                values.append(times | {"n": number, "series": label, "place": place, "value": value} | band)
    return {
        "data": {"values": values},
        "params": [{"name": "clock", "value": next(iter(moving))}],
        "transform": [{"calculate": "datum[clock]", "as": "time"}],
    }


def _sized(height: int) -> Spec:
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def _scale(domain: Sequence[float] | None = None, zero: bool = False) -> Spec:
    return {"domain": list(domain), "nice": False} if domain else {"zero": zero}


TIME = {"field": "time", "type": "quantitative", "axis": {"title": {"signal": "clock"}, "format": "~s"}}


def _coloured(labels: Sequence[str]) -> Spec:
    legend = {"title": None, "orient": "top", "direction": "vertical", "symbolType": "stroke", "symbolStrokeWidth": 2.5}
    return {"color": {"field": "series", "type": "nominal", "scale": {"domain": list(labels)}, "legend": legend}}


def _dashed(labels: Sequence[str]) -> Spec:
    """Lines that differ in more than their colour; in a legend of one with the colours."""
    scale = {"domain": list(labels), "range": DASHES[: len(labels)]}
    return _coloured(labels) | {"strokeDash": {"field": "series", "type": "nominal", "scale": scale}}


def _lines(value: Spec, banded: bool) -> Any:
    def layers(labels: Sequence[str]) -> list[Spec]:
        ends = {"y": value | {"field": "low"}, "y2": {"field": "high"}}
        band = {"mark": {"type": "area", "opacity": 0.2, "clip": True}}
        band["encoding"] = {"x": TIME, "order": {"field": "n"}} | ends | _coloured(labels)
        line = {"mark": {"type": "line", "strokeWidth": 2, "clip": True}}
        line["encoding"] = {"x": TIME, "y": value, "order": {"field": "n"}} | _dashed(labels)
        point = {"mark": {"type": "circle", "size": 36, "opacity": 1, "clip": True}}
        point["encoding"] = {"x": TIME, "y": value, "tooltip": _told(banded)} | _coloured(labels)
        return [*([band] if banded else []), line, point]

    return layers


def _told(banded: bool) -> list[Spec]:
    ends = [{"field": "low", "title": "− 2 SE", "format": ".4f"}, {"field": "high", "title": "+ 2 SE", "format": ".4f"}]
    return [
        {"field": "series", "title": "what"},
        {"field": "time", "title": "at", "format": ",.6~g"},
        {"field": "value", "title": "value", "format": ".4f"},
        *(ends if banded else []),
    ]


def _areas(value: Spec) -> Any:
    """Parts on top of each other, the first at the bottom."""

    def layers(labels: Sequence[str]) -> list[Spec]:
        value_of = value | {"stack": "zero"}
        order = {"field": "place", "type": "quantitative"}
        area = {"mark": {"type": "area", "opacity": 0.45, "line": True, "clip": True}}
        shown = _coloured(labels)
        shown["color"]["legend"] = shown["color"]["legend"] | {"symbolType": "square"}
        area["encoding"] = {"x": TIME, "y": value_of, "order": order, "tooltip": _told(False)} | shown
        return [area]

    return layers


def curve(
    name: str, title: str, note: str, unit: str, moments: Sequence[Row], series: Mapping[str, str]
) -> Chart | None:
    """Numbers by position at one moment, chosen by ``at``; the other moments stand behind it, faintly."""
    series = {label: key for label, key in series.items() if any(isinstance(row.get(key), list) for row in moments)}
    if not series:
        return None
    values, rows = [], []
    for number, row in enumerate(moments):
        for label, key in series.items():
            found = row.get(key) if isinstance(row.get(key), list) else []
            rows.append([row["turns/all"], key, *found])
            for position, seen in enumerate(found):
                values.append({"n": number, "position": position + 1, "series": label, "value": finite(seen)})
    labels = list(series)
    place = {"field": "position", "type": "quantitative", "title": "word", "axis": {"format": "d", "tickMinStep": 1}}
    encoding = {"x": place | {"scale": {"nice": False}}, "y": {"field": "value", "type": "quantitative", "title": unit}}
    told = [{"field": "series", "title": "what"}, {"field": "position", "title": "word"}]
    told.append({"field": "value", "title": "value", "format": ".4f"})
    ghosts = {"mark": {"type": "line", "strokeWidth": 1, "opacity": 0.15}}
    ghosts["encoding"] = encoding | {"detail": {"field": "n"}} | _coloured(labels)
    chosen = [{"filter": "datum.n == at"}]
    line = {"mark": {"type": "line", "strokeWidth": 2.5}, "transform": chosen, "encoding": encoding | _dashed(labels)}
    point = {"mark": {"type": "circle", "size": 40, "opacity": 1}, "transform": chosen}
    point["encoding"] = encoding | {"tooltip": told} | _coloured(labels)
    spec = {"data": {"values": values}, "params": [{"name": "at", "value": len(moments) - 1}]} | _sized(240)
    longest = max(len(row) for row in rows) - 2
    columns = ["turns/all", "curve", *(f"word {place + 1}" for place in range(longest))]
    return Chart(name, title, note, spec | {"layer": [ghosts, line, point]}, Table(title, columns, rows), controls=("at",))


def frontier(record: Mapping[str, Sequence[Row]]) -> Chart | None:
    """NLL_oracle against NLL_test over temperatures: down is quality in one, coverage in the other."""
    labels = {"likelihood": "likelihood's generator", "game": "the game's generator"}
    keys = ("truth/nll_oracle", "truth/nll_test")
    values, rows, ideal = [], [], None
    for name, label in labels.items():
        for row in sorted(record.get(name, ()), key=lambda row: row.get("temperature", 0)):
            across, up = (finite(row.get(key)) for key in keys)
            temperature = finite(row.get("temperature"))
            if None in (across, up, temperature):
                continue
            rows.append([name, temperature, across, up, row.get("truth/jsd")])
            values.append({"series": label, "T": temperature, "across": across, "up": up})
            ideal = finite(row.get("truth/entropy_p"))
    if not values:
        return None
    best = "the ideal, H(P) on both"
    points = [] if ideal is None else [{"series": best, "across": ideal, "up": ideal}]
    shown = [label for label in labels.values() if any(row["series"] == label for row in values)]
    across, up = (
        {"field": field, "type": "quantitative", "title": f"{title} (nats a word)", "scale": {"zero": False}}
        for field, title in (("across", "NLL_oracle"), ("up", "NLL_test"))
    )
    place = {"x": across, "y": up}
    told = [{"field": "series", "title": "what"}, {"field": "T", "title": "temperature"}]
    told += [{"field": field, "title": axis, "format": ".4f"} for field, axis in (("across", keys[0]), ("up", keys[1]))]
    line = {"mark": {"type": "line", "strokeWidth": 1.5}, "data": {"values": values}}
    line["encoding"] = place | {"order": {"field": "T"}} | _dashed(shown)
    dot = {"mark": {"type": "circle", "size": 50, "opacity": 1}, "data": {"values": values}}
    dot["encoding"] = place | {"tooltip": told} | _coloured(shown)
    ends = [min, max]
    marked = [end((row for row in values if row["series"] == label), key=lambda row: row["T"]) for label in shown for end in ends]
    label = {"mark": {"type": "text", "dy": -9, "fontSize": 11, "color": {"expr": "ink"}}, "data": {"values": marked}}
    label["encoding"] = place | {"text": {"field": "told"}}
    label["transform"] = [{"calculate": "'T = ' + datum.T", "as": "told"}]
    star = {"mark": {"type": "point", "shape": "diamond", "size": 110, "filled": True, "color": {"expr": "ink"}}}
    star |= {"data": {"values": points}, "encoding": place | {"tooltip": told[:1] + told[2:]}}
    name = {"mark": {"type": "text", "align": "left", "dx": 9, "fontSize": 11, "color": {"expr": "ink"}}}
    name |= {"data": {"values": points}, "encoding": place | {"text": {"field": "series"}}}
    spec = _sized(300) | {"params": [{"name": "ink", "value": "#1a1a1a"}], "layer": [line, dot, label, star, name]}
    columns = ["generator", "temperature", *keys, "truth/jsd"]
    title = "Quality against coverage, over temperatures"
    note = "Down and to the left is better; no choice of temperature can move both ways at once."
    return Chart("frontier", title, note, spec, Table(title, columns, rows), wide=True)


def bars(name: str, title: str, note: str, unit: str, table: Table, label: int, value: int) -> Chart:
    """One bar a row of ``table``, by the columns ``label`` and ``value``."""
    values = [{"label": str(row[label]), "value": finite(row[value]), "n": n} for n, row in enumerate(table.rows)]
    names = {"field": "label", "type": "nominal", "sort": {"field": "n"}, "title": None, "axis": {"labelLimit": 160}}
    encoding = {"y": names, "x": {"field": "value", "type": "quantitative", "title": unit}}
    told = [{"field": "label", "title": "what"}, {"field": "value", "title": unit, "format": ",.1f"}]
    bar = {"mark": {"type": "bar", "color": "#0072b2"}, "encoding": encoding | {"tooltip": told}}
    spec = _sized(34 * len(values)) | {"data": {"values": values}} | bar
    return Chart(name, title, note, spec, table)
