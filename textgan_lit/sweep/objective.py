"""What a sweep makes small or large: numbers that cannot be had by a trick."""

from __future__ import annotations

import json
import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

from textgan_lit.errors import UserError
from textgan_lit.keys import best

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


class Objective(NamedTuple):
    """``key`` is one of the closing table's, perhaps with a ``*`` for its settings; "" is what the run returns."""

    key: str
    direction: Literal["minimize", "maximize"]


def objectives(keys: list[str]) -> list[Objective]:
    """Those of a sweep; without keys the run's own: the true JSD, or a fresh critic's bound where P is unknown.

    Raises:
        UserError: for a key of which neither way is better, more than two, or one that a trick can have alone.
    """
    if not keys:
        return [Objective("", "minimize")]
    if len(keys) > 2:
        raise UserError(f"hydra.sweeper.objectives has {len(keys)} keys, wanted one or two.")
    found = []
    for key in keys:
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
    found = [returned if objective.key == "" else _closing(folder, objective.key) for objective in wanted]
    for objective, value in zip(wanted, found, strict=True):
        if value is None or not math.isfinite(value):
            raise UserError(f"{objective.key or 'its objective'} is {value} in {folder}: nothing to compare.")
    return [float(value) for value in found]


def _closing(folder: Path, key: str) -> float:
    path = folder / "closing.json"
    try:
        table = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read, so there is no {key}. Is callbacks.closing there?") from error
    column = table.get("game") or table.get("likelihood") or {}
    match = [name for name in column if fnmatchcase(name, key) and not name.endswith(("_se", "_real"))]
    if not match:
        raise UserError(f"{path} has no {key}. It has {', '.join(list(column)[:8])}, …")
    return column[match[0]]
