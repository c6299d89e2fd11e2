"""Lines: numbers over training by a clock, and by position at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from textgan_lit.report.chart import Chart, Spec, Table, coloured, dashed, finite, sized, thinned
from textgan_lit.report.record import TOKENS, Row

CLOCKS = {"generator steps": "steps/generator", "all steps": "steps/all", TOKENS: TOKENS, "seconds": "system/seconds"}


def clocks(rows: Sequence[Row]) -> dict[str, str]:
    """Those that move, by name; the first is the one to begin with."""
    found = {name: key for name, key in CLOCKS.items() if len({row[key] for row in rows if key in row}) > 1}
    return found or {"all steps": "steps/all"}


def course(
    name: str, title: str, note: str, unit: str, rows: Sequence[Row], series: Mapping[str, str], **more: Any
) -> Chart | None:
    """Lines over training, ``series`` by label → key, with a band of 2 ``key_se`` where that is known.

    ``by`` is a clock of its own, name → key; else the reader chooses one.
    """
    series = {label: key for label, key in series.items() if any(finite(row.get(key)) is not None for row in rows)}
    if not series:
        return None
    rows = [row for row in rows if any(key in row for key in series.values())]
    stacked, by = more.pop("stacked", False), more.pop("by", None)
    base = _over_time(rows, series, stacked, by or clocks(rows)) | sized(more.pop("height", 240))
    value = {"field": "value", "type": "quantitative", "title": unit, "scale": _scale(**more)}
    cut = "domain" in more
    banded = any(_error(key) in row for key in series.values() for row in rows)
    layers = _areas(value) if stacked else _lines(value, banded, 36 if len(rows) <= 60 else 12, cut)
    wanted = [*(by or clocks(rows)).values(), *(key for pair in series.values() for key in (pair, _error(pair)))]
    columns = [key for key in wanted if any(key in row for row in rows)]
    table = Table(title, columns, [[row.get(key) for key in columns] for row in rows])
    return Chart(name, title, note, base | {"layer": layers(list(series))}, table, () if by else ("clock",))


def _error(key: str) -> str:
    """Where a key's standard error stands: truth/jsd_se, but bound/se of bound/value."""
    return "bound/se" if key == "bound/value" else f"{key}_se"


def _over_time(rows: Sequence[Row], series: Mapping[str, str], stacked: bool, moving: Mapping[str, str]) -> Spec:
    values, seen = [], times(rows, moving)
    shown = {key: set(thinned([n for n, row in enumerate(rows) if key in row])) for key in series.values()}
    for number, row in enumerate(rows):
        below = 0.0
        for label, key in series.items():
            value, error = finite(row.get(key)), finite(row.get(_error(key)))
            if number not in shown[key]:
                continue
            band = {} if value is None or error is None else {"low": value - 2 * error, "high": value + 2 * error}
            if stacked and value is not None:
                band = {"low": below, "high": below + value}
                below += value
            values.append(seen[number] | {"n": number, "series": label, "value": value} | band)
    return {"data": {"values": values}} | on_a_clock(moving)


def on_a_clock(moving: Mapping[str, str]) -> Spec:
    """``time`` is taken from the chosen clock, which values have by name; a value without it is left out."""
    return {
        "params": [{"name": "clock", "value": next(iter(moving))}],
        "transform": [{"calculate": "datum[clock]", "as": "time"}, {"filter": "isValid(datum.time)"}],
    }


def times(rows: Sequence[Row], moving: Mapping[str, str]) -> list[Row]:
    """Where each row stands on the clocks. Of rows before a clock moves only the last has a time: all of pretraining
    would be one upright line at 0 generator steps.

    >>> times([{"a": 0, "b": 1}, {"a": 0, "b": 2}, {"a": 1, "b": 3}], {"A": "a", "B": "b"})
    [{'B': 1.0}, {'A': 0.0, 'B': 2.0}, {'A': 1.0, 'B': 3.0}]
    """
    found: list[Row] = [{} for _ in rows]
    for clock, key in moving.items():
        seen = [finite(row.get(key)) for row in rows]
        still = sum(1 for _ in takewhile(lambda time, first=seen[:1]: [time] == first, seen))
        for number in range(max(still - 1, 0), len(rows)):
            found[number][clock] = seen[number]
    return found


def moment(row: Row) -> str:
    """Where an evaluation stands, as the console names it."""
    steps = {"pretraining": "pretrain", "discriminator": "discriminator", "generator": "generator"}
    played = [(name, row[f"steps/{key}"]) for name, key in steps.items() if row.get(f"steps/{key}")]
    return f"after {played[-1][1]:,.0f} {played[-1][0]} steps" if played else "before the first step"


def _scale(domain: Sequence[float] | None = None, zero: bool = False) -> Spec:
    return {"domain": list(domain), "nice": False} if domain else {"zero": zero}


TIME = {
    "field": "time",
    "type": "quantitative",
    "scale": {"nice": False, "padding": 6},  # whole points at both ends
    # both ends' numbers stay inside, and none touches the next
    "axis": {"title": {"signal": "clock"}, "format": "~s", "labelFlush": 12, "labelSeparation": 6, "tickMinStep": 1},
}


def _lines(value: Spec, banded: bool, size: int, cut: bool) -> Any:
    def layers(labels: Sequence[str]) -> list[Spec]:
        ends = {"y": value | {"field": "low"}, "y2": {"field": "high"}}
        band = {"mark": {"type": "area", "opacity": 0.2, "clip": cut}}
        band["encoding"] = {"x": TIME} | ends | coloured(labels)
        line = {"mark": {"type": "line", "strokeWidth": 2, "clip": cut}}
        line["encoding"] = {"x": TIME, "y": value, "order": {"field": "n"}} | dashed(labels)
        point = {"mark": {"type": "circle", "size": size, "opacity": 1, "clip": cut}}
        point["encoding"] = {"x": TIME, "y": value, "tooltip": _told(banded)} | coloured(labels)
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
        shown = coloured(["", *labels], values=list(labels), symbolType="square")
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
            rows.append([row["steps/all"], label, *found])
            for position, seen in enumerate(found):
                values.append({"n": number, "position": position + 1, "series": label, "value": finite(seen)})
    labels = list(series)
    place = {"field": "position", "type": "quantitative", "title": "token", "axis": {"format": "d", "tickMinStep": 1}}
    encoding = {"x": place | {"scale": {"nice": False}}, "y": {"field": "value", "type": "quantitative", "title": unit}}
    told = [{"field": "series", "title": "what"}, {"field": "position", "title": "token"}]
    told.append({"field": "value", "title": "value", "format": ".4f"})
    ghosts = {"mark": {"type": "line", "strokeWidth": 1, "opacity": 0.15}}
    ghosts["encoding"] = encoding | {"detail": {"field": "n"}} | coloured(labels)
    chosen = [{"filter": "datum.n == at"}]
    line = {"mark": {"type": "line", "strokeWidth": 2.5}, "transform": chosen, "encoding": encoding | dashed(labels)}
    point = {"mark": {"type": "circle", "size": 40, "opacity": 1}, "transform": chosen}
    point["encoding"] = encoding | {"tooltip": told} | coloured(labels)
    spec = {"data": {"values": values}, "params": [{"name": "at", "value": len(moments) - 1}]} | sized(240)
    longest = max(len(row) for row in rows) - 2
    columns = ["steps/all", "curve", *(f"token {place + 1}" for place in range(longest))]
    spec |= {"layer": [ghosts, line, point]}
    return Chart(name, title, note, spec, Table(title, columns, rows), controls=("at",))
