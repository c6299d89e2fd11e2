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
    rows = [row for row in rows if any(key in row for key in series.values())]
    stacked = more.pop("stacked", False)
    base = _over_time(thinned(rows), series, stacked) | sized(more.pop("height", 240))
    value = {"field": "value", "type": "quantitative", "title": unit, "scale": _scale(**more)}
    cut = "domain" in more
    banded = any(_error(key) in row for key in series.values() for row in rows)
    layers = _areas(value) if stacked else _lines(value, banded, 36 if len(rows) <= 60 else 12, cut)
    wanted = [*clocks(rows).values(), *(key for pair in series.values() for key in (pair, _error(pair)))]
    columns = [key for key in wanted if any(key in row for row in rows)]
    table = Table(title, columns, [[row.get(key) for key in columns] for row in rows])
    return Chart(name, title, note, base | {"layer": layers(list(series))}, table, controls=("clock",))


def _error(key: str) -> str:
    """Where a key's standard error stands: truth/jsd_se, but bound/se of bound/value."""
    return "bound/se" if key == "bound/value" else f"{key}_se"


def _over_time(rows: Sequence[Row], series: Mapping[str, str], stacked: bool) -> Spec:
    moving, values = clocks(rows), []
    for number, row in enumerate(rows):
        times, below = {clock: finite(row.get(key)) for clock, key in moving.items()}, 0.0
        for label, key in series.items():
            value, error = finite(row.get(key)), finite(row.get(_error(key)))
            if value is None and key not in row:
                continue
            band = {} if value is None or error is None else {"low": value - 2 * error, "high": value + 2 * error}
            if stacked and value is not None:
                band = {"low": below, "high": below + value}
                below += value
            values.append(times | {"n": number, "series": label, "value": value} | band)
    return {"data": {"values": values}} | on_a_clock(rows)


def on_a_clock(rows: Sequence[Row]) -> Spec:
    """``time`` is read off the clock that is chosen, of those that the values have by name."""
    return {
        "params": [{"name": "clock", "value": next(iter(clocks(rows)))}],
        "transform": [{"calculate": "datum[clock]", "as": "time"}],
    }


def moment(row: Row) -> str:
    """Where an evaluation stands, as the console names it."""
    played = [name for name in ("likelihood", "discriminator", "generator") if row.get(f"turns/{name}")]
    return f"after {row[f'turns/{played[-1]}']:,.0f} {played[-1]} turns" if played else "before the first turn"


def sized(height: int) -> Spec:
    """As wide as its place."""
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def _scale(domain: Sequence[float] | None = None, zero: bool = False) -> Spec:
    return {"domain": list(domain), "nice": False} if domain else {"zero": zero}


TIME = {
    "field": "time",
    "type": "quantitative",
    "scale": {"nice": False, "padding": 6},  # whole points at both ends
    # both ends' numbers stay inside, and none touches the next
    "axis": {"title": {"signal": "clock"}, "format": "~s", "labelFlush": 12, "labelSeparation": 6},
}


def _coloured(labels: Sequence[str], **more: Any) -> Spec:
    legend = {"title": None, "orient": "top", "direction": "vertical", "symbolOpacity": 1, "symbolType": "stroke"}
    legend = legend | {"symbolStrokeWidth": 2.5} | more if len(labels) > 1 else None
    return {"color": {"field": "series", "type": "nominal", "scale": {"domain": list(labels)}, "legend": legend}}


def _dashed(labels: Sequence[str]) -> Spec:
    """Lines that differ in more than their colour; in a legend of one with the colours."""
    scale = {"domain": list(labels), "range": DASHES[: len(labels)]}
    dash = {"field": "series", "type": "nominal", "scale": scale} | ({} if len(labels) > 1 else {"legend": None})
    return _coloured(labels) | {"strokeDash": dash}


def _lines(value: Spec, banded: bool, size: int, cut: bool) -> Any:
    def layers(labels: Sequence[str]) -> list[Spec]:
        ends = {"y": value | {"field": "low"}, "y2": {"field": "high"}}
        band = {"mark": {"type": "area", "opacity": 0.2, "clip": cut}}
        band["encoding"] = {"x": TIME} | ends | _coloured(labels)
        line = {"mark": {"type": "line", "strokeWidth": 2, "clip": cut}}
        line["encoding"] = {"x": TIME, "y": value, "order": {"field": "n"}} | _dashed(labels)
        point = {"mark": {"type": "circle", "size": size, "opacity": 1, "clip": cut}}
        point["encoding"] = {"x": TIME, "y": value, "tooltip": _told(banded)} | _coloured(labels)
        return [*([band] if banded else []), line, point]

    return layers


def _told(banded: bool) -> list[Spec]:
    ends = [{"field": "low", "title": "from", "format": ".4f"}, {"field": "high", "title": "to", "format": ".4f"}]
    return [
        {"field": "series", "title": "what"},
        {"field": "time", "title": "at", "format": ",.6~g"},
        {"field": "value", "title": "value", "format": ".4f"},
        *(ends if banded else []),
    ]


def _areas(value: Spec) -> Any:
    """Parts on top of each other, the first at the bottom; not in the first colour, which is the whole's."""

    def layers(labels: Sequence[str]) -> list[Spec]:
        shown = _coloured(["", *labels], values=list(labels), symbolType="square")
        place = {"x": TIME, "y": value | {"field": "high"}}
        area = {"mark": {"type": "area", "opacity": 0.55}, "encoding": place | {"y2": {"field": "low"}} | shown}
        point = {"mark": {"type": "circle", "size": 36, "opacity": 1}}
        point["encoding"] = place | {"tooltip": _told(False)} | shown
        return [area, point]

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
    spec = {"data": {"values": values}, "params": [{"name": "at", "value": len(moments) - 1}]} | sized(240)
    longest = max(len(row) for row in rows) - 2
    columns = ["turns/all", "curve", *(f"word {place + 1}" for place in range(longest))]
    spec |= {"layer": [ghosts, line, point]}
    return Chart(name, title, note, spec, Table(title, columns, rows), controls=("at",))


def reliability(moments: Sequence[Row]) -> Chart | None:
    """How often D is right to say real, by how sure it is, at one moment; a point a tenth, as large as its share."""
    keys = tuple(f"curve/reliability_{name}" for name in ("confidence", "frequency", "share"))
    values, rows = [], []
    for number, row in enumerate(moments):
        if all(isinstance(row.get(key), list) for key in keys):
            for said, true, share in zip(*(row[key] for key in keys), strict=False):
                rows.append([row["turns/all"], said, true, share])
                seen = {"said": finite(said), "true": finite(true), "share": finite(share)}
                values.append({"n": number} | seen)
    if not values:
        return None
    title = "Reliability"
    note = "Points below the line: D is surer of real than it should be. Larger points are more sentences."
    spec = sized(240) | {"params": [{"name": "at", "value": len(moments) - 1}, {"name": "ink", "value": "#1a1a1a"}]}
    columns = ["turns/all", "D says real", "are real", "share of sentences"]
    table = Table(title, columns, rows)
    return Chart("reliability", title, note, spec | {"layer": _diagram(values)}, table, controls=("at",))


def _diagram(values: list[Row]) -> list[Spec]:
    unit = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": "%"}}
    place = {"x": unit | {"field": "said", "title": "D says real"}, "y": unit | {"field": "true", "title": "are real"}}
    right = [{"said": 0, "true": 0}, {"said": 1, "true": 1}]
    shares = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [25, 900]}, "legend": None}
    told = [{"field": name, "title": title, "format": ".1%"} for name, title in _SHARES.items()]
    seen = {"data": {"values": values}, "transform": [{"filter": "datum.n == at"}]}
    even = {"type": "line", "strokeDash": [2, 3], "color": {"expr": "ink"}}
    line = {"type": "line", "strokeWidth": 1.5, "color": "#0072b2"}
    point = {"type": "circle", "opacity": 0.85, "color": "#0072b2"}
    return [
        {"data": {"values": right}, "mark": even, "encoding": place},
        seen | {"mark": line, "encoding": place | {"order": {"field": "said"}}},
        seen | {"mark": point, "encoding": place | {"size": shares, "tooltip": told}},
    ]


_SHARES = {"said": "D says real", "true": "are real", "share": "of all sentences"}


@dataclass
class Plane:
    """Two numbers of a frontier against each other, by how their keys begin."""

    name: str
    title: str
    note: str
    across: str
    up: str
    axes: tuple[str, str]
    ideal: str = ""  # the key that both are equal to at best


TRUE = Plane(
    "frontier",
    "Quality against coverage, over temperatures",
    "Down and to the left is better; no choice of temperature can move both ways at once.",
    "truth/nll_oracle",
    "truth/nll_test",
    ("NLL_oracle (nats a word)", "NLL_test (nats a word)"),
    "truth/entropy_p",
)
SURFACE = Plane(
    "frontier-bleu",
    "BLEU against Self-BLEU, over temperatures",
    "Up and to the left is better: quality that does not come from saying the same.",
    "frontier/self_bleu",
    "frontier/bleu",
    ("Self-BLEU", "BLEU"),
)


def frontier(record: Mapping[str, Sequence[Row]], plane: Plane = TRUE) -> Chart | None:
    """Both generators over temperatures, by the first keys that begin as the plane's do."""
    labels = {"likelihood": "likelihood's generator", "game": "the game's generator"}
    values, rows, ideal = [], [], None
    keys = [_begins(record, start) for start in (plane.across, plane.up)]
    for name, label in labels.items():
        for row in sorted(record.get(name, ()), key=lambda row: row.get("temperature", 0)):
            across, up, temperature = (finite(row.get(key)) for key in (*keys, "temperature"))
            if None not in (across, up, temperature):
                rows.append([name, temperature, across, up, row.get("truth/jsd")])
                values.append({"series": label, "T": temperature, "across": across, "up": up})
                ideal = finite(row.get(plane.ideal))
    if not values:
        return None
    points = [] if ideal is None else [{"series": "the ideal: H(P) on both", "across": ideal, "up": ideal}]
    layers = _plane(values, points, plane.axes)
    spec = sized(300) | {"params": [{"name": "ink", "value": "#1a1a1a"}], "layer": layers}
    columns = ["generator", "temperature", *keys, "truth/jsd"]
    return Chart(plane.name, plane.title, plane.note, spec, Table(plane.title, columns, rows))


def _begins(record: Mapping[str, Sequence[Row]], start: str) -> str:
    """``frontier/bleu`` is ``frontier/bleu5_1000``: names say how many sentences were seen."""
    keys = {key for rows in record.values() for row in rows for key in row}
    return start if start in keys else min((key for key in keys if key.startswith(start)), default=start)


def _plane(values: list[Row], ideal: list[Row], axes: tuple[str, str]) -> list[Spec]:
    labels = list(dict.fromkeys(row["series"] for row in values))
    lines = [[row for row in values if row["series"] == label] for label in labels]
    marked = [end(line, key=lambda row: row["T"]) for line in lines for end in (min, max)]
    place, told = {}, [{"field": "series", "title": "what"}, {"field": "T", "title": "temperature"}]
    for axis, field_, title in (("x", "across", axes[0]), ("y", "up", axes[1])):
        whole = {"field": field_, "type": "quantitative", "title": title}
        place[axis] = whole | {"scale": {"zero": False, "padding": 12}, "axis": {"tickCount": 8}}
        told.append({"field": field_, "title": title, "format": ".4f"})

    def layer(data: list[Row], mark: Spec, **encoding: Any) -> Spec:
        return {"data": {"values": data}, "mark": mark, "encoding": place | encoding}

    words = {"type": "text", "fontSize": 11, "color": {"expr": "ink"}}
    named = [row | {"told": f"T = {row['T']:g}"} for row in marked]
    diamond = {"type": "point", "shape": "diamond", "size": 110, "filled": True, "color": {"expr": "ink"}, "opacity": 1}
    best = [
        layer(ideal, diamond, tooltip=[told[0], *told[2:]]),
        layer(ideal, words | {"align": "left", "dx": 9}, text={"field": "series"}),
    ]
    return [
        layer(values, {"type": "line", "strokeWidth": 1.5}, order={"field": "T"}, **_dashed(labels)),
        layer(values, {"type": "circle", "size": 50, "opacity": 1}, tooltip=told, **_coloured(labels)),
        layer(named, words | {"dy": -10}, text={"field": "told"}),
        *(best if ideal else []),
    ]


def bars(name: str, title: str, note: str, unit: str, table: Table, label: int, value: int) -> Chart:
    """One bar a row of ``table``, by the columns ``label`` and ``value``."""
    values = [{"label": str(row[label]), "value": finite(row[value]), "n": n} for n, row in enumerate(table.rows)]
    names = {"field": "label", "type": "nominal", "sort": {"field": "n"}, "title": None, "axis": {"labelLimit": 160}}
    encoding = {"y": names, "x": {"field": "value", "type": "quantitative", "title": unit}}
    told = [{"field": "label", "title": "what"}, {"field": "value", "title": unit, "format": ",.1f"}]
    bar = {"mark": {"type": "bar", "color": "#0072b2"}, "encoding": encoding | {"tooltip": told}}
    spec = sized(34 * len(values)) | {"data": {"values": values}} | bar
    return Chart(name, title, note, spec, table)
