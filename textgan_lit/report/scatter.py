"""Planes: two numbers against each other, D's confidence against its truth and the frontier over temperatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textgan_lit.report.chart import Chart, Spec, Table, coloured, dashed, finite, sized
from textgan_lit.report.record import Row


def reliability(moments: Sequence[Row]) -> Chart | None:
    """How often D is right to say real, by how sure it is, at one moment; a point a tenth, as large as its share."""
    keys = tuple(f"curve/reliability_{name}" for name in ("confidence", "frequency", "share"))
    values, rows = [], []
    for number, row in enumerate(moments):
        if all(isinstance(row.get(key), list) for key in keys):
            for said, true, share in zip(*(row[key] for key in keys), strict=False):
                rows.append([row["steps/all"], said, true, share])
                seen = {"said": finite(said), "true": finite(true), "share": finite(share)}
                values.append({"n": number} | seen)
    if not values:
        return None
    title = "Reliability"
    note = "Points below the line: D is surer of real than it should be. Larger points are more sentences."
    spec = sized(240) | {"params": [{"name": "at", "value": len(moments) - 1}, {"name": "ink", "value": "#1a1a1a"}]}
    columns = ["steps/all", "D says real", "are real", "share of sentences"]
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
    ("NLL_oracle (nats a token)", "NLL_test (nats a token)"),
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

    text = {"type": "text", "fontSize": 11, "color": {"expr": "ink"}}
    named = [row | {"told": f"T = {row['T']:g}"} for row in marked]
    diamond = {"type": "point", "shape": "diamond", "size": 110, "filled": True, "color": {"expr": "ink"}, "opacity": 1}
    best = [
        layer(ideal, diamond, tooltip=[told[0], *told[2:]]),
        layer(ideal, text | {"align": "left", "dx": 9}, text={"field": "series"}),
    ]
    return [
        layer(values, {"type": "line", "strokeWidth": 1.5}, order={"field": "T"}, **dashed(labels)),
        layer(values, {"type": "circle", "size": 50, "opacity": 1}, tooltip=told, **coloured(labels)),
        layer(named, text | {"dy": -10}, text={"field": "told"}),
        *(best if ideal else []),
    ]
