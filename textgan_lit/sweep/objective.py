"""What a sweep makes small or large: numbers that cannot be had by a trick."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NamedTuple

from textgan_lit.errors import UserError
from textgan_lit.functional.frontier import Point, gap
from textgan_lit.run import untrusted
from textgan_lit.run.keys import best

CRITIC = "quality/fresh_bound_*"
COVERED = "frontier/hypervolume_*"
TRICKS = {
    "truth/nll_oracle": "falls by lowering the temperature alone",
    "truth/kl_gp*": "is smallest for one sentence said for ever",
    "truth/valid_*": "is largest for one sentence said for ever",
    "truth/nll_test": "says nothing of what is written",
    "quality/bleu*": "prefers the coldest samples",
    "quality/lm_score*": "prefers the coldest samples",
    "quality/self_bleu*": "is best for noise",
    "quality/distinct*": "is best for noise",
}


GAP = "likelihood_gap"  # no key of a table: it takes two runs
AXES = (("truth/entropy_g", "truth/nll_oracle"), ("frontier/entropy_*", "quality/lm_score_*"))


class Objective(NamedTuple):
    """``key`` is one of the closing table's, perhaps with a ``*`` for its settings; "" is what the run returns;
    ``likelihood_gap`` is measured ``against`` the folder of a run."""

    key: str
    direction: Literal["minimize", "maximize"]
    against: str = ""


class Line(NamedTuple):
    """A generator's temperatures in the plane of two numbers, by what these are called."""

    axes: tuple[str, str]
    points: list[Point]


def objectives(keys: list[str], against: str | None = None) -> list[Objective]:
    """Those of a sweep; without keys the run's own: the true JSD, or a fresh critic's bound where P is unknown.

    Raises:
        UserError: for a key of which neither way is better, more than two, one that a trick can have alone, or a gap
            without a run of likelihood to measure it against.
    """
    if (GAP in keys) != (against is not None):
        raise UserError(
            f"hydra.sweeper.objectives=[{GAP}] and hydra.sweeper.against=RUN go together: RUN is the folder of a "
            "finished run of likelihood (model=mle) on the same data."
        )
    if not keys:
        return [Objective("", "minimize")]
    if len(keys) > 2:
        raise UserError(f"hydra.sweeper.objectives has {len(keys)} keys, wanted one or two.")
    found = []
    for key in keys:
        if key == GAP:
            line(Path(against), "likelihood")  # says now what is missing
            found.append(Objective(GAP, "minimize", str(Path(against).resolve())))
            continue
        extreme = "max" if fnmatchcase(key, COVERED) else best(key) or _of_tricks(key)
        if extreme is None:
            raise UserError(
                f"hydra.sweeper.objectives: neither way is better for {key}. Give truth/jsd, truth/kl_pg or "
                f"truth/horizon where the truth is known, {CRITIC} or {COVERED} on text (docs/metrics.md has them all)."
            )
        found.append(Objective(key, "minimize" if extreme == "min" else "maximize"))
    if len(keys) == 1 and (why := _trick(keys[0])):
        raise UserError(
            f"hydra.sweeper.objectives=[{keys[0]}]: it {why}, so a sweep would find that. Give truth/jsd where the "
            f"truth is known, {CRITIC} or {COVERED} on text; or a second objective beside it that pays for the trick."
        )
    return found


def _trick(key: str) -> str | None:
    return next((why for keys, why in TRICKS.items() if fnmatchcase(key, keys)), None)


def _of_tricks(key: str) -> str | None:
    """The better way of numbers that have one only beside another objective."""
    if fnmatchcase(key, "quality/self_bleu*") or key == "truth/nll_oracle":
        return "min"
    return "max" if _trick(key) else None


def values(folder: Path, wanted: list[Objective], returned: float | None) -> list[float]:
    """What the finished run in ``folder`` reached: its game's generator, or likelihood's where no game was played.

    Raises:
        UserError: a number is not there, or is none that can be compared.
    """
    found = [_value(folder, objective, returned) for objective in wanted]
    for objective, value in zip(wanted, found, strict=True):
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"{objective.key or 'its objective'} is {value} in {folder}: nothing to compare.")
    return [float(value) for value in found]


def _value(folder: Path, objective: Objective, returned: float | None) -> float | None:
    if objective.key == "":
        return returned
    return _gap(folder, objective.against) if objective.key == GAP else _closing(folder, objective.key)


def _gap(folder: Path, against: str) -> float:
    ours, theirs = line(folder, "game", "likelihood"), line(Path(against), "likelihood")
    if ours.axes != theirs.axes:
        raise UserError(
            f"{folder} has {' over '.join(ours.axes[::-1])}, but {against} has {' over '.join(theirs.axes[::-1])}: "
            "they cannot be compared. Play both on the same data with the same metrics."
        )
    found = gap(ours.points, theirs.points)
    if found is None:
        ends = (f"{min(points)[0]:.3f} to {max(points)[0]:.3f}" for points in (ours.points, theirs.points))
        raise UserError(
            f"{folder}: its entropies, {next(ends)} nats, share nothing with likelihood's, {next(ends)}. More "
            "callbacks.closing.temperatures may; nothing is extrapolated."
        )
    return found


def line(folder: Path, *columns: str) -> Line:
    """Of the first of these columns of the run's ``frontier.json`` that is there."""
    table = _table(folder, "frontier.json", "frontier")
    rows = next((table[name] for name in columns if table.get(name)), [])
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    for axes in AXES:
        names = [_match(list(rows[0]) if rows else [], key) for key in axes]
        points = [tuple(row.get(name) for name in names) for row in rows]
        if points and all(isinstance(number, int | float) for point in points for number in point):
            return Line(tuple(names), points)
    raise UserError(
        f"{folder / 'frontier.json'} has no entropy and cost of {' or '.join(columns)} at each temperature. It takes a "
        "known truth or metrics=text, and a generator whose likelihood is exact."
    )


def _match(names: list[str], key: str) -> str | None:
    return next((name for name in names if fnmatchcase(name, key) and not name.endswith(("_se", "_real"))), None)


def _table(folder: Path, name: str, what: str) -> dict[str, Any]:
    try:
        found = untrusted.json(folder, name)
    except FileNotFoundError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{folder / name} says nothing, so there is no {what}. Is callbacks.closing there?")
    return found


def _closing(folder: Path, key: str) -> float:
    table = _table(folder, "closing.json", key)
    column = table.get("game") or table.get("likelihood")
    column = column if isinstance(column, dict) else {}
    match = _match(list(column), key)
    if match is None:
        raise UserError(f"{folder / 'closing.json'} has no {key}. It has {', '.join(list(column)[:8])}, …")
    return column[match]
