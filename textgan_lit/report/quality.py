"""The proxies of a run over training, each beside what real text itself has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from textgan_lit.report import chart, lines
from textgan_lit.report.chart import Chart, Spec, Table
from textgan_lit.report.record import Row

# the family, its order, what was seen and by whose model
KEY = re.compile(r"quality/([a-z_]+?)(\d+)?((?:-[\w.-]+?)?(?:_\d+)?(?:_unsmoothed)?)(_real)?")
SAMPLES, REAL = "samples", "real text"
WAYS = {"down": "↓", "up": "↑", "real": "≈ real text"}  # the good direction


class Family(NamedTuple):
    """Proxies that differ in the order of their n-grams alone. ``good`` says where samples should be: ``up``,
    ``down``, or as ``real`` text is."""

    title: str
    unit: str
    good: str
    note: str


FAMILIES = {
    "bleu": Family("BLEU", "0 to 1", "up", "N-grams that real sentences have, too. Blind to variety."),
    "self_bleu": Family("Self-BLEU", "0 to 1", "real", "How alike samples are; as alike as real text is right."),
    "distinct": Family("distinct-n", "share", "real", "Different n-grams of all; as many as real text has is right."),
    "ngram_jsd": Family("n-gram JSD", "nats", "down", "Between counts of n-grams; real text's halves are the floor."),
    "ms_jaccard": Family("MS-Jaccard", "0 to 1", "up", "N-grams in common; real text's halves are the ceiling."),
    "copied": Family("Copies", "share", "real", "Samples that are training sentences."),
    "copied_span": Family("Longest copied span", "tokens", "real", "Far above real text's: G recites."),
    "stutter": Family("Stutters", "share", "real", "Sentences that say n tokens twice in a row."),
    "repeats": Family("Repeats", "share", "real", "N-grams that were there before in their sentence."),
    "fresh_bound": Family("A fresh critic's bound on JSD", "nats a sentence", "down", "What a new D can prove."),
    "lm_score": Family("LM score", "nats a token", "real", "NLL of samples under a small language model."),
    "reverse_lm_score": Family(
        "Reverse LM score", "nats a token", "down", "NLL of real text under a model of samples."
    ),
    "feature_bound": Family(
        "A bound on JSD by frozen features", "nats a sentence", "down", "Real text's own is chance."
    ),
    "frechet": Family("Fréchet distance", "of hidden states", "down", "Real text's own is the floor."),
    "mauve": Family("MAUVE", "0 to 1", "up", "Clusters of hidden states in common; real text's own is the ceiling."),
}


class Proxy(NamedTuple):
    """What a key of a proxy says. ``seen``: of how many sentences, with what smoothing."""

    family: str
    order: int | None
    seen: str

    @property
    def variant(self) -> str:
        """What tells it from others of its family and order.

        >>> [Proxy("bleu", 2, seen).variant for seen in ("_1000", "_1000_unsmoothed", "-all-MiniLM-L6-v2_500")]
        ['', ', unsmoothed', ', all-MiniLM-L6-v2']
        """
        if self.seen.endswith("_unsmoothed"):
            return ", unsmoothed"
        return f", {self.seen[1:].rpartition('_')[0]}" if self.seen.startswith("-") else ""

    @property
    def count(self) -> str:
        """Of how many sentences: numbers of different counts do not compare."""
        found = re.search(r"_(\d+)", self.seen)
        return f", of {int(found[1]):,}" if found else ""

    @property
    def label(self) -> str:
        return FAMILIES[self.family].title + (f", n = {self.order}" if self.order else "") + self.variant


def proxy(key: str) -> Proxy | None:
    """None for what is no proxy of the samples: real text's own number, a standard error, anything else.

    >>> proxy("quality/self_bleu5_1000"), proxy("quality/bleu5_1000_real")
    (Proxy(family='self_bleu', order=5, seen='_1000'), None)
    """
    found = KEY.fullmatch(key)
    if found is None or found[1] not in FAMILIES or found[4]:
        return None
    return Proxy(found[1], int(found[2]) if found[2] else None, found[3])


def charts(rows: Sequence[Row]) -> list[Chart]:
    """One for each family that the rows have, orders beside each other; first the two that are read together."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        if (told := proxy(key)) is not None:
            labels = found.setdefault((told.family, told.variant), {})
            labels[f"n = {told.order}" if told.order else SAMPLES] = key
    order = list(FAMILIES)
    ranked = sorted(found, key=lambda item: (order.index(item[0]), item[1]))
    drawn = [_over_training(name, variant, rows, found[name, variant]) for name, variant in ranked]
    plane = _plane(rows, *(found.get((name, ""), {}) for name in ("bleu", "self_bleu")))
    return [one for one in (plane, *drawn) if one is not None]


def _over_training(name: str, variant: str, rows: Sequence[Row], series: Mapping[str, str]) -> Chart | None:
    """Samples' lines in full, real text's broken and of the same colour; with a band where the error is known."""
    family = FAMILIES[name]
    sides = {(label, side): f"{key}{end}" for label, key in series.items() for side, end in _SIDES.items()}
    sides = {at: key for at, key in sides.items() if any(chart.finite(row.get(key)) is not None for row in rows)}
    if not sides:
        return None
    rows = [row for row in rows if any(key in row for key in sides.values())]
    values = _values(chart.thinned(rows), sides)
    value = {"field": "value", "type": "quantitative", "title": family.unit, "scale": {"zero": False}}
    layers = _lines(value, list(series), [side for side in _SIDES if any(at[1] == side for at in sides)])
    spec = {"data": {"values": values}, **lines.on_a_clock(lines.clocks(rows)), "layer": layers} | chart.sized(200)
    columns = [*lines.clocks(rows).values(), *dict.fromkeys(key for key in sides.values())]
    title = f"{family.title}{variant} {WAYS[family.good]}"
    table = Table(title, columns, [[row.get(key) for key in columns] for row in rows])
    stem = re.sub(r"[^a-z0-9]+", "-", f"quality-{name}{variant}".lower())
    return Chart(stem, title, family.note, spec, table, controls=("clock",))


_SIDES = {SAMPLES: "", REAL: "_real"}


def _values(rows: Sequence[Row], sides: Mapping[tuple[str, str], str]) -> list[Row]:
    values, times = [], lines.times(rows, lines.clocks(rows))
    for number, row in enumerate(rows):
        for (label, side), key in sides.items():
            value, error = chart.finite(row.get(key)), chart.finite(row.get(f"{key}_se"))
            band = {} if value is None or error is None else {"low": value - 2 * error, "high": value + 2 * error}
            values.append(times[number] | {"n": number, "series": label, "side": side, "value": value} | band)
    return values


def _lines(value: Spec, labels: list[str], sides: list[str]) -> list[Spec]:
    legend: Any = {"title": None, "orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 2.5}
    dash = {"field": "side", "type": "nominal", "scale": {"domain": sides, "range": [[1, 0], [2, 3]][: len(sides)]}}
    dash["legend"] = legend if len(sides) > 1 else None
    colour = {"field": "series", "type": "nominal", "scale": {"domain": labels}}
    place = {"x": lines.TIME, "y": value, "color": colour | {"legend": legend if len(labels) > 1 else None}}
    told = [{"field": "side", "title": "of"}, {"field": "series", "title": "what"}]
    told += [{"field": "time", "title": "at", "format": ",.6~g"}, {"field": "value", "title": "value", "format": ".4f"}]
    line = {"type": "line", "strokeWidth": 2}
    return [
        {"mark": line, "encoding": place | {"strokeDash": dash, "order": {"field": "n"}}},
        {"mark": {"type": "circle", "size": 22, "opacity": 1}, "encoding": place | {"tooltip": told}},
    ]


def _plane(rows: Sequence[Row], bleu: Mapping[str, str], self_bleu: Mapping[str, str]) -> Chart | None:
    """BLEU against Self-BLEU of the highest order that both have: the two are only read together."""
    shared = [label for label in bleu if label in self_bleu]
    if not shared:
        return None
    label = max(shared, key=lambda one: int(one.rpartition(" ")[2]))
    across, up = self_bleu[label], bleu[label]
    seen = [row for row in rows if None not in (chart.finite(row.get(across)), chart.finite(row.get(up)))]
    points = [
        {"n": number, "at": lines.moment(row), "across": chart.finite(row[across]), "up": chart.finite(row[up])}
        for number, row in enumerate(chart.thinned(seen))
    ]
    if not points:
        return None
    real = [{"across": chart.finite(seen[-1].get(f"{across}_real")), "name": "real text's own"}]
    ends = [point | {"name": name} for point, name in ((points[0], "first"), (points[-1], "last"))][: len(points)]
    title = f"BLEU against Self-BLEU, {label}"
    note = "Up is quality. Right of real text samples are too much alike, left of it too little."
    columns = ["steps/all", up, across, f"{across}_real"]
    table = Table(title, columns, [[row.get(key) for key in columns] for row in seen])
    spec = chart.sized(200) | {"params": [{"name": "ink", "value": "#1a1a1a"}]}
    return Chart("quality-plane", title, note, spec | {"layer": _path(points, ends, real)}, table)


def _path(points: list[Row], ends: list[Row], real: list[Row]) -> list[Spec]:
    scale: Spec = {"zero": False, "padding": 14}
    across = {"field": "across", "type": "quantitative", "title": "Self-BLEU", "scale": scale}
    place = {"x": across, "y": {"field": "up", "type": "quantitative", "title": "BLEU", "scale": scale}}
    told = [{"field": "at", "title": "evaluation"}, {"field": "up", "title": "BLEU", "format": ".4f"}]
    told.append({"field": "across", "title": "Self-BLEU", "format": ".4f"})
    blue, ink = {"color": "#0072b2"}, {"color": {"expr": "ink"}}
    layers = [
        {"data": {"values": points}, "mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.6} | blue},
        {"data": {"values": points}, "mark": {"type": "circle", "size": 36, "opacity": 1} | blue},
        {"data": {"values": ends}, "mark": {"type": "text", "dy": -10, "fontSize": 11} | ink},
    ]
    for layer, more in zip(
        layers, ({"order": {"field": "n"}}, {"tooltip": told}, {"text": {"field": "name"}}), strict=True
    ):
        layer["encoding"] = place | more
    if real[0]["across"] is not None:
        rule = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 2} | ink
        layers.append({"data": {"values": real}, "mark": rule, "encoding": {"x": across}})
        text = {"type": "text", "align": "left", "dx": 4, "dy": 10, "baseline": "top", "fontSize": 11} | ink
        where = {"x": across, "y": {"value": 0}, "text": {"field": "name"}}
        layers.append({"data": {"values": real}, "mark": text, "encoding": where})
    return layers
