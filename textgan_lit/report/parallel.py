"""Parallel coordinates: every run of a sweep as one line through the words that were swept."""

from __future__ import annotations

from collections.abc import Sequence

from textgan_lit.report.chart import Chart, Spec, Table, sized
from textgan_lit.report.record import Row

ABOVE = 1.13  # where the names of the axes stand; the words are between 0 and 1
MOST = 6  # axes that are named where they stand; more have numbers there, and their names below the title
BELOW = 0.08  # the lowest words stand under their lines


def parallel(
    name: str, title: str, keys: Sequence[str], lines: Sequence[Sequence[str]], goal: str, values: Sequence[float]
) -> Chart:
    """Lines through ``keys`` to ``goal``, which colours them."""
    axes = [*keys, goal]
    words = [[*line, f"{value:.4f}"] for line, value in zip(lines, values, strict=True)]
    places = [heights([line[place] for line in words]) for place in range(len(axes))]
    data: list[Row] = []
    for number, (line, value) in enumerate(zip(words, values, strict=True)):
        run = ", ".join(f"{key}={word}" for key, word in zip(keys, line, strict=False))
        for place, word in enumerate(line):
            point = {"n": number, "place": place, "height": places[place][word]}
            data.append(point | {"value": value, "run": run})
    named = [axis if len(axes) <= MOST else f"{place + 1}" for place, axis in enumerate(axes)]
    labels = [{"place": place, "height": ABOVE, "word": name} for place, name in enumerate(named)]
    for place, found in enumerate(places):
        ends = (min(found, key=found.get), max(found, key=found.get)) if axes[place] == goal else found
        below = {word: found[word] - BELOW * (found[word] == 0) for word in ends}
        labels += [{"place": place, "height": height, "word": word} for word, height in below.items()]
    rows = [[*line, value] for line, value in zip(lines, values, strict=True)]
    note = "Blue is close to the data, orange far from them."
    if len(axes) > MOST:
        note += " The axes: " + ", ".join(f"{place + 1} {axis}" for place, axis in enumerate(axes)) + "."
    spec = sized(320) | {"data": {"values": data}, "params": [{"name": "ink", "value": "#1a1a1a"}]}
    return Chart(name, title, note, spec | {"layer": _layers(goal, labels)}, Table(title, axes, rows))


def _layers(goal: str, labels: list[Row]) -> list[Spec]:
    """Names and words of a run are texts of marks: on an axis they would have to become an expression."""
    bare = {"title": None, "labels": False, "ticks": False, "domain": False, "grid": True}
    across = {"field": "place", "type": "ordinal", "axis": bare}
    up = {"field": "height", "type": "quantitative", "axis": None, "scale": {"domain": [-0.1, ABOVE + 0.06]}}
    legend = {"title": goal, "orient": "bottom", "gradientLength": 160, "format": ".3f"}
    scale = {"range": ["#0072b2", "#8c8c8c", "#d55e00"]}
    place = {"x": across, "y": up}
    shown = {"color": {"field": "value", "type": "quantitative", "scale": scale, "legend": legend}}
    shown["tooltip"] = [{"field": "run", "title": "run"}, {"field": "value", "title": goal, "format": ".4f"}]
    line, point = {"type": "line", "strokeWidth": 2, "opacity": 0.8}, {"type": "circle", "size": 45, "opacity": 1}
    text = {"type": "text", "dy": -9, "fontSize": 11, "limit": 130, "color": {"expr": "ink"}}
    return [
        {"mark": line, "encoding": place | shown | {"detail": {"field": "n"}}},
        {"mark": point, "encoding": place | shown},
        {"mark": text, "data": {"values": labels}, "encoding": place | {"text": {"field": "word"}}},
    ]


def heights(words: Sequence[str]) -> dict[str, float]:
    """Where each word stands on its axis: numbers by their value, other words evenly in their order.

    >>> heights(["3", "1", "2"]), heights(["a", "b"])
    ({'3': 1.0, '1': 0.0, '2': 0.5}, {'a': 0.0, 'b': 1.0})
    """
    try:
        numbers = {word: float(word) for word in words}
    except ValueError:
        numbers = {word: float(place) for place, word in enumerate(sorted(set(words)))}
    low, high = min(numbers.values()), max(numbers.values())
    return {word: (number - low) / (high - low) if high > low else 0.5 for word, number in numbers.items()}
