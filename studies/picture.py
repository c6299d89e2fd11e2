"""A study's picture: panels of courses, of rows side by side, or of one number against another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from studies.numbers import PLAYERS, SECONDS, course, frontier, half_width, number, own_name
from studies.page import order, rivals
from studies.study import Run, Study, matches

AXES = {
    "steps/generator": "generator steps",
    PLAYERS: "steps of D and G",
    SECONDS: "CPU seconds after the likelihood pretraining",
}

NAMES = {
    "truth/nll_test": "NLL_test, nats a token",
    "truth/nll_oracle": "NLL_oracle, nats a token",
    "truth/entropy_g": "H(G), nats a token",
    "truth/jsd": "true JSD, nats a sentence",
}


def draw(study: Study, runs: Sequence[Run]) -> None:
    """Writes the picture beside the page; none where nothing of it was run."""
    config = study.config["picture"]
    panels = [panel for panel in config["panels"] if any(run.finished for run in of(panel, runs))]
    if not panels:
        return
    across = config.get("across", len(panels))
    down = -(-len(panels) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(config.get("width", 5) * across, 3.8 * down), layout="constrained", squeeze=False
    )
    for panel, place in zip(panels, axes.flat, strict=False):
        KINDS[panel["kind"]](place, panel, runs, study.config.get("spread", "ci"))
        place.set(title=panel.get("title", ""), **panel.get("set", {}))
    for place in axes.flat[len(panels) :]:
        place.axis("off")
    figure.savefig(study.picture, dpi=120)
    plt.close(figure)


def of(panel: dict[str, Any], runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if matches(run.arm, panel["rows"])]


def by_arm(panel: dict[str, Any], runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The finished runs of the panel's rows, in its order."""
    found: dict[str, list[Run]] = {}
    for run in of(panel, runs):
        if run.finished:
            found.setdefault(run.arm, []).append(run)
    return {arm: found[arm] for arm in sorted(found, key=lambda arm: order(arm, panel["rows"]))}


def label(panel: dict[str, Any], arm: str) -> str:
    """The arm's name, or the part of it that differs within the panel."""
    return arm.split("-")[panel["part"]] if "part" in panel else arm


def courses(axes: Axes, panel: dict[str, Any], runs: Sequence[Run], kind: str) -> None:
    """``key`` over ``axis``, one line a run, one colour an arm."""
    for place, (arm, mine) in enumerate(by_arm(panel, runs).items()):
        for number_of, run in enumerate(mine):
            rows = course(run)
            xs, ys = [row[panel["axis"]] for row in rows], [row[panel["key"]] for row in rows]
            named = None if number_of else label(panel, arm)
            axes.plot(xs, ys, color=f"C{place % 10}", alpha=0.75, linewidth=1.2, label=named)
    axes.set(xlabel=AXES[panel["axis"]], ylabel=NAMES.get(panel["key"], "true JSD, nats a sentence"))
    axes.legend(frameon=False, fontsize=7, ncols=2)


def bars(axes: Axes, panel: dict[str, Any], runs: Sequence[Run], kind: str) -> None:
    """``groups`` of rows along x; in each the ``marks``: a column of one arm a group, with its interval."""
    groups = panel["groups"]
    for place, (name, mark) in enumerate(panel["marks"].items()):
        for x, group in enumerate(groups):
            arm = mark["arm"].replace("{group}", group)
            mine = [run for run in runs if run.arm == arm and run.finished]
            values = [
                number(run, mark, (), [r for r in rivals(panel, arm, runs) if r.seed == run.seed]) for run in mine
            ]
            values = [value for value in values if value is not None]
            if not values:
                continue
            error = half_width(values, kind) if len(values) > 1 else 0
            where = x + 0.12 * (place - (len(panel["marks"]) - 1) / 2)
            axes.errorbar(where, statistics.mean(values), error, fmt="o", markersize=4, color=f"C{place}")
            axes.plot([where] * len(values), values, "_", color=f"C{place}", alpha=0.5)
        axes.plot([], [], "o", color=f"C{place}", label=name)
    axes.set_xticks(range(len(groups)), groups)
    axes.set(ylabel="true JSD, nats a sentence")
    axes.legend(frameon=False, fontsize=7)


def plane(axes: Axes, panel: dict[str, Any], runs: Sequence[Run], kind: str) -> None:
    """One mark a run: the column ``x`` against the column ``y``."""
    for place, (arm, mine) in enumerate(by_arm(panel, runs).items()):
        points = [[number(run, panel[side]) for side in ("x", "y")] for run in mine]
        marks = {
            "color": f"C{place % 10}",
            "marker": "osD^vP*X"[place % 8],
            "linestyle": "",
            "label": label(panel, arm),
        }
        axes.plot(*zip(*points, strict=True), **marks)
    axes.legend(frameon=False, fontsize=7)


def frontiers(axes: Axes, panel: dict[str, Any], runs: Sequence[Run], kind: str) -> None:
    """``y`` against ``x`` (NLL_oracle against NLL_test) over temperatures, one line a run; T = 1 is marked."""
    keys = panel.get("x", "truth/nll_test"), panel.get("y", "truth/nll_oracle")
    for place, (arm, mine) in enumerate(by_arm(panel, runs).items()):
        for number_of, run in enumerate(mine):
            rows = frontier(run).get(own_name(run), [])
            xs, ys = ([row[key] for row in rows] for key in keys)
            named = None if number_of else label(panel, arm)
            axes.plot(xs, ys, color=f"C{place % 10}", alpha=0.75, linewidth=1.2, label=named)
            axes.plot(
                *([x for x, row in zip(part, rows, strict=True) if row["temperature"] == 1] for part in (xs, ys)),
                "o",
                color=f"C{place % 10}",
            )
    axes.set(**{f"{axis}label": NAMES.get(key, key) for axis, key in zip("xy", keys, strict=True)})
    axes.legend(frameon=False, fontsize=7)


KINDS = {"courses": courses, "bars": bars, "plane": plane, "frontiers": frontiers}
