"""The scorecard of proxies: which number ranks generators as the truth does, where the truth is known?"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from studies.numbers import frontier, own_name
from studies.study import Run, Study, matches
from textgan_lit.functional.correlation import spearman

Point = dict[str, float]  # one generator at one temperature: proxies and truths on the same sentences
ANY = ("*",)  # arms that are of one world, seed by seed
LEAST = 4  # points that a rank correlation is taken over

# What is ranked: everything at once; one generator at many temperatures; many generators at T = 1.
VIEWS = ("all", "temperatures", "models")


def table(study: Study, runs: Sequence[Run]) -> str:
    """A table a view: proxy × truth, Spearman's ρ in every world, its mean and its range."""
    config = study.config["scorecard"]
    finished = [run for run in runs if run.finished and own_name(run) in frontier(run)]
    return "\n\n".join(view_table(name, config, finished) for name in VIEWS)


def view_table(view: str, config: dict[str, Any], runs: Sequence[Run]) -> str:
    truths, worlds = config["truths"], config.get("worlds", ANY)
    lines = [f"**{config['views'][view]}**", "", f"| proxy | {' | '.join(truths)} |", "|---" * (len(truths) + 1) + "|"]
    for proxy, (key, better) in config["proxies"].items():
        found = [cell(correlations(view, runs, key, better, truth, worlds)) for truth in truths.values()]
        if set(found) != {"–"}:
            lines.append(f"| {proxy} | {' | '.join(found)} |")
    return "\n".join(lines)


def cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{statistics.mean(values):+.2f} ({min(values):+.2f} to {max(values):+.2f})"


def correlations(
    view: str, runs: Sequence[Run], proxy: str, better: str, truth: str, worlds: Sequence[str] = ANY
) -> list[float]:
    """One a world (for ``temperatures``: one a generator). +1: the proxy ranks as the truth does, best first."""
    found = []
    for points in (points for world in worlds for points in sets(view, [r for r in runs if matches(r.arm, [world])])):
        pairs = [(badness(point, proxy, better), point[truth]) for point in points if proxy in point and truth in point]
        if len(pairs) >= LEAST and all(len(set(side)) > 1 for side in zip(*pairs, strict=True)):
            found.append(spearman(*zip(*pairs, strict=True)))
    return found


def badness(point: Point, proxy: str, better: str) -> float:
    """Lower is better: ``low`` and ``high`` say how the proxy is, ``near`` that it should be real text's own."""
    if better == "near":
        return abs(point[proxy] - point[f"{proxy}_real"])
    return {"low": 1, "high": -1}[better] * point[proxy]


def sets(view: str, runs: Sequence[Run]) -> Iterator[list[Point]]:
    """The sets of points within which is ranked. A seed is a world of its own."""
    for seed in sorted({run.seed for run in runs}):
        swept = [frontier(run)[own_name(run)] for run in runs if run.seed == seed]  # a run's own generator
        if view == "temperatures":
            yield from swept
        elif view == "models":
            yield [row for rows in swept for row in rows if row["temperature"] == 1]
        else:
            yield [row for rows in swept for row in rows]
