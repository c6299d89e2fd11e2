"""Arms beside each other: means over seeds and paired tests against a control, at the end and where all have been."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from textgan_lit.errors import UserError, shown
from textgan_lit.functional.significance import MOST, Paired, Ratio, half_width, holm, paired, ratio
from textgan_lit.report import scorecard
from textgan_lit.report.arms import NULL_CONTROLS, Arm, Gathered, closing_row, gather, named, short
from textgan_lit.report.chart import Table, finite
from textgan_lit.report.quality import WAYS
from textgan_lit.report.record import TOKENS, Record, Row
from textgan_lit.run.closing_table import saturated

CLOCKS = {"generator steps": "steps/generator", "steps in all": "steps/all", TOKENS: TOKENS}
CLOCKS |= {"seconds": "system/seconds", "CPU seconds": "system/cpu_seconds"}
TESTED = ["− control", "p", "seeds to tell"]
SHARE = "share of D*'s gain"
NAMED = 3  # controls
LONGEST = 200  # characters of an arm's name
MEANS = "Mean ± half of its 95 % interval over seeds (Student's t)."


class View(NamedTuple):
    """When arms are compared: at their ends, or where a clock stands at ``where``."""

    name: str = ""  # 420 generator steps
    clock: str | None = None
    where: float = math.inf

    @property
    def title(self) -> str:
        return f"after {self.name}, on the validation sentences" if self.clock else "at the end, on the test sentences"

    def value(self, record: Record, key: str) -> float | None:
        """At its end on the test sentences; else on the validation sentences, between two evaluations by a straight
        line. A run that had ended by then stays what it was."""
        if self.clock is None:
            found = closing_row(record).get(key)
            return float(found) if isinstance(found, int | float) and math.isfinite(found) else None
        rows = record.evaluations if any(key in row for row in record.evaluations) else record.rows
        known = {
            row[self.clock]: row[key] for row in rows if None not in (finite(row.get(self.clock)), finite(row.get(key)))
        }
        if not known or self.where < min(known):
            return None
        times = sorted(known)
        return float(np.interp(self.where, times, [known[time] for time in times]))


class Line(NamedTuple):
    """One number of an arm, by seed, and its test against the arm's ``control``; ``p`` is Holm's.

    ``share``: (arm − control) / (D* − control), over the seeds that all three have.
    """

    arm: Arm
    values: dict[str, float]
    control: Arm | None = None
    test: Paired | None = None
    p: float = math.nan
    share: Ratio | None = None


@final
@dataclass
class Comparison:
    """``controls`` are the arms that others are tested against, each against the one that is nearest in its overrides,
    and ``ideals`` those that D* taught, which others are measured by in the same way."""

    found: Gathered
    controls: list[Arm]
    views: list[View]

    @property
    def ideals(self) -> list[Arm]:
        found = [arm for arm in self.found.arms if arm.optimal and not any(arm is one for one in self.controls)]
        return found if self.controls else []

    def lines(self, key: str, view: View) -> list[Line]:
        """Of the arms that have the number there."""
        seen = {id(arm): _values(arm, key, view) for arm in self.found.arms}
        lines = []
        for arm in self.found.arms:
            if not (values := seen[id(arm)]):
                continue
            other = nearest(arm, self.controls)
            shared = [seed for seed in values if other is not None and seed in seen[id(other)]]
            pairs = [values[seed] for seed in shared], [seen[id(other)][seed] for seed in shared] if shared else []
            test, ideal = paired(*pairs) if shared else None, nearest(arm, self.ideals)
            share = _share(values, seen[id(ideal)], seen[id(other)]) if ideal and other else None
            lines.append(Line(arm, values, other, test, share=share))
        adjusted = holm([line.test.p if line.test else math.nan for line in lines])
        return [line._replace(p=p) for line, p in zip(lines, adjusted, strict=True)]

    def partners(self, folder: Path) -> list[Record]:
        """The run of the same seed of the arm that the run in ``folder`` is held against, if there is one."""
        for arm in self.found.arms:
            for seed, record in arm.runs.items():
                if record.folder == folder and (other := nearest(arm, self.controls)) is not None:
                    return [other.runs[seed]] if seed in other.runs else []
        return []

    def table(self, view: View) -> Table:
        """By the goal; an arm a row, by its overrides' values: their keys are the column's name."""
        goal, keys = self.found.goal, list(self.found.arms[0].overrides)
        rows = [[_values_of(line.arm), *self.cells(line)] for line in self.lines(goal.key, view)]
        name = shown(", ".join(short(key, keys) for key in keys) or "arm", LONGEST)
        return Table(f"{goal.name[0].upper()}{goal.name[1:]} {view.title}", [name, *self.head(goal.name)], rows)

    def head(self, goal: str) -> list[str]:
        return ["seeds", goal, *(TESTED if self.controls else []), *([SHARE] if self.ideals else [])]

    def cells(self, line: Line) -> list[str]:
        """Under :meth:`head`."""
        found = [*_told(line), *(_tested(line) if self.controls else [])]
        return [*found, "–" if line.share is None else portion(line.share)] if self.ideals else found

    def scores(self) -> Table | None:
        """Which numbers rank runs, and means over seeds, as the truth does; None where arms are too few."""
        if len(self.found.arms) < scorecard.FEWEST:
            return None
        runs = [(arm, record) for arm in self.found.arms for record in arm.runs.values()]
        by_arm = {
            score.objective.key: score.correlation for score in scorecard.scores([_mean(a) for a in self.found.arms])
        }
        rows = []
        for score in scorecard.scores([closing_row(record) for _, record in runs]):
            told = "–" if math.isnan(score.low) else f"{score.low:+.2f} to {score.high:+.2f}"
            of_arms = by_arm.get(score.objective.key)
            rows.append([score.objective.label, WAYS[score.objective.good], f"{score.correlation:+.2f}", told])
            rows[-1] += [
                "–" if of_arms is None else f"{of_arms:+.2f}",
                shown(runs[score.pick][0].name),
                f"{score.lost:.4f}",
            ]
        columns = ["number", "good", "runs", "95 %", "arms", "it picks", "JSD lost"]
        return Table("Rank correlation with the true JSD, of runs and of arms", columns, rows) if rows else None

    def missing(self) -> Table | None:
        rows = [[shown(run.name, LONGEST), _overrides(run.overrides), run.why] for run in self.found.missing]
        return Table("Runs that no mean has in it", ["run", "overrides", "why"], rows) if rows else None

    @property
    def notes(self) -> list[str]:
        """How the tables are to be read, and what was not compared."""
        found = [MEANS]
        if self.controls:
            named = "; ".join(shown(arm.name, LONGEST) for arm in self.controls[:NAMED])
            named += f"; {len(self.controls) - NAMED} more" if len(self.controls) > NAMED else ""
            named += ". Each arm is held against the nearest in its overrides" if len(self.controls) > 1 else ""
            found += [
                f"Control: {named}. Tests are Student's, two-sided, paired by seed; p is Holm's for all of a table."
            ]
            if self.ideals:
                found += [
                    f"{SHARE[0].upper()}{SHARE[1:]}: (arm − control) / (D* − control), with Fieller's 95 % interval "
                    "over the seeds that all three have; – where D*'s own gain cannot be told from 0."
                ]
            found += [
                "Seeds to tell: with so many a test tells in four cases of five, were difference and spread what they "
                "are here; of few seeds that is rough."
            ]
        else:
            found += ["No arm is a null control or likelihood, and none was named: nothing is tested."]
        if unseen := len(views(self.found.arms)) - len(self.views):
            goal = self.found.goal.name
            found += [f"Left out are {unseen} matched views: not every arm has measured its {goal} where clocks meet."]
        rows = [closing_row(record) for arm in self.found.arms for record in arm.runs.values()]
        if flat := sum(map(saturated, rows)):
            found += [
                f"The true JSD of {flat} of {len(rows)} runs is saturated: its interval reaches log 2, and differences "
                "between these are chance. Their horizons tell them apart."
            ]
        if lost := len(self.found.missing):
            found += [
                f"{lost} run{'s are' if lost > 1 else ' is'} in no mean, which may flatter the others of their arms."
            ]
        return found


def of(places: Sequence[str | Path], control: Sequence[str] = ()) -> Comparison:
    """Of all runs in these folders, of runs or of sweeps, by :func:`compare`."""
    return compare(gather(named(places)), control)


def compare(found: Gathered, control: Sequence[str] = ()) -> Comparison:
    """``control``: overrides that the control has; by default it is found.

    Raises:
        UserError: where no arm has these overrides.
    """
    seen = [view for view in views(found.arms) if all(_values(arm, found.goal.key, view) for arm in found.arms)]
    return Comparison(found, controls(found.arms, control), seen)


def controls(arms: Sequence[Arm], overrides: Sequence[str] = ()) -> list[Arm]:
    """The arms with these ``overrides``; without any, the null controls of one kind, else likelihood's arms."""
    if overrides:
        found = [arm for arm in arms if all(override in _said(arm) for override in overrides)]
        if not found or len(found) == len(arms):
            which = "no arm has" if not found else "every arm has"
            there = "; ".join(shown(arm.name, LONGEST) for arm in arms)
            raise UserError(
                f"--control {' '.join(overrides)}: {which} these overrides. Wanted those of one of: {there}."
            )
        return found
    for kind in (*NULL_CONTROLS, "likelihood"):
        found = [arm for arm in arms if arm.null == kind]
        if found and len(found) < len(arms):
            return found
    return []


def nearest(arm: Arm, controls: Sequence[Arm]) -> Arm | None:
    """The control that differs in the fewest overrides; None for a control itself, and where several are as near."""
    if any(arm is one for one in controls):
        return None
    apart = [sum(one.overrides[key] != value for key, value in arm.overrides.items()) for one in controls]
    near = [one for one, differ in zip(controls, apart, strict=True) if differ == min(apart)]
    return near[0] if len(near) == 1 else None


def views(arms: Sequence[Arm]) -> list[View]:
    """The end, and every clock on which arms stand apart there: at the farthest that each arm has come."""
    found = [View()]
    for name, key in CLOCKS.items():
        ends = [[_end(record, key) for record in arm.runs.values()] for arm in arms]
        where = min(max(times) for times in ends)
        if len(arms) > 1 and where > 0 and {time for times in ends for time in times} != {where}:
            found.append(View(f"{where:,.0f} {name}" if where >= 100 else f"{where:.3g} {name}", key, where))
    return found


def around(middle: float, half: float, sign: str = "") -> str:
    """``half`` is left out of a single value.

    >>> around(0.25, 0.125), around(0.25, math.nan, "+")
    ('0.2500 ± 0.1250', '+0.2500')
    """
    return f"{middle:{sign}.4f}" + ("" if math.isnan(half) else f" ± {half:.4f}")


def chance(p: float) -> str:
    """A p-value."""
    return "–" if math.isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def portion(share: Ratio) -> str:
    """
    >>> portion(Ratio(0.5, -0.125, 1.25))
    '50 % (-12 to 125)'
    """
    return f"{share.value:.0%} ({100 * share.low:.0f} to {100 * share.high:.0f})".replace("%", " %")


def _values_of(arm: Arm) -> str:
    return shown(", ".join(arm.overrides.values()) or arm.name, LONGEST)


def _told(line: Line) -> list[str]:
    values, started = list(line.values.values()), line.arm.started
    seeds = f"{len(values)} of {started}" if started > len(values) else str(len(values))
    return [seeds, around(statistics.fmean(values), half_width(values))]


def _tested(line: Line) -> list[str]:
    test = line.test
    if test is None:
        return ["no seed in common" if line.control else "–", "–", "–"]
    few = test.pairs < len(line.values) or test.pairs == 1
    pairs = f" ({test.pairs} pair{'s' * (test.pairs > 1)})" if few else ""
    return [around(test.difference, test.half, "+") + pairs, chance(line.p), _needed(test)]


def _share(values: dict[str, float], ideal: dict[str, float], control: dict[str, float]) -> Ratio | None:
    seeds = [seed for seed in values if seed in ideal and seed in control]
    return ratio(*([of[seed] - control[seed] for seed in seeds] for of in (values, ideal)))


def _needed(test: Paired) -> str:
    if math.isnan(test.p):
        return "–"
    return f"{test.needed:,}" if test.needed else f"> {MOST:,}"


def _values(arm: Arm, key: str, view: View) -> dict[str, float]:
    found = {seed: view.value(record, key) for seed, record in arm.runs.items()}
    return {seed: value for seed, value in found.items() if value is not None}


def _end(record: Record, key: str) -> float:
    return max((float(row[key]) for row in record.evaluations if finite(row.get(key)) is not None), default=0.0)


def _mean(arm: Arm) -> Row:
    """Of its runs: each number over those that have it."""
    rows = [closing_row(record) for record in arm.runs.values()]
    keys = dict.fromkeys(key for row in rows for key in row)
    known: dict[str, list[Any]] = {key: [row[key] for row in rows if finite(row.get(key)) is not None] for key in keys}
    return {key: statistics.fmean(values) for key, values in known.items() if values}


def _said(arm: Arm) -> set[str]:
    """Its overrides, whole and as its name shows them."""
    return {f"{name}={value}" for key, value in arm.overrides.items() for name in (key, short(key, arm.overrides))}


def _overrides(overrides: dict[str, str]) -> str:
    told = (f"{short(key, overrides)}={value}" for key, value in overrides.items())
    return shown(", ".join(told) or "–", LONGEST)
