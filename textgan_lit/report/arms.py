"""The runs of sweeps as arms: those whose overrides differ by their seed alone, and what became of the others.

Runs are compared by their goal, the number that a sweep minimises: the true JSD on the test sentences, or what a fresh
critic proves of it where the truth is not known. A run without one is in no mean, and is said with its reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, final

from textgan_lit.errors import UserError, shown
from textgan_lit.report.record import Record, Row, begun, is_number
from textgan_lit.report.scorecard import JSD
from textgan_lit.run import folder as folders
from textgan_lit.run.naming import NOT_OF_THE_RUN

FRESH = "quality/fresh_bound_"  # how its key begins
SEED = "seed"  # what distinguishes repetitions, not configurations
NOT_GIVEN = "–"  # an override that other runs have
NULL_CONTROLS = ("constant", "shuffled")  # of model/control; the first is the harder one to beat


class Goal(NamedTuple):
    """What runs are compared by: lower is better."""

    key: str
    name: str

    @classmethod
    def of(cls, records: Iterable[Record]) -> Goal:
        keys = [key for record in records for key in closing_row(record)]
        fresh = [key for key in keys if key.startswith(FRESH) and not key.endswith(("_se", "_real"))]
        return cls(fresh[0], "fresh critic's bound on JSD") if fresh and JSD not in keys else cls(JSD, "true JSD")

    def value(self, record: Record) -> float | None:
        value = closing_row(record).get(self.key)
        return float(value) if is_number(value) and math.isfinite(value) else None


class Missing(NamedTuple):
    """A run that no mean has in it."""

    name: str
    overrides: dict[str, str]
    why: str


@final
@dataclass(eq=False)
class Arm:
    """Runs of one configuration, by seed. ``overrides`` are those by which arms differ, ``started`` also counts the
    runs that are missing."""

    overrides: dict[str, str]
    runs: dict[str, Record] = field(default_factory=dict)
    started: int = 0

    @property
    def name(self) -> str:
        """The overrides without their places: ``k=3, control=constant``."""
        told = (f"{short(key, self.overrides)}={value}" for key, value in self.overrides.items())
        return ", ".join(told) or "all runs"

    @property
    def null(self) -> str | None:
        """Which null control it is; ``likelihood`` where no game was played; None for anything else."""
        chosen = {record.choices.get("model/control", "") for record in self.runs.values()}
        chosen |= {self.overrides.get("model/control", "")} - {""}
        found = chosen.intersection(NULL_CONTROLS)
        if found:
            return min(found)
        return None if any("game" in record.closing for record in self.runs.values()) else "likelihood"

    @property
    def optimal(self) -> bool:
        """Whether G was taught by the best possible discriminator, D*."""
        return self.null is None and all(
            record.choices.get("model/discriminator", self.overrides.get("model/discriminator")) == "oracle"
            for record in self.runs.values()
        )


@dataclass
class Gathered:
    """All runs below some folders: ``arms`` in the order of their means, the best first, those without a run left out;
    ``left_out`` says which lines of which files are."""

    goal: Goal
    arms: list[Arm]
    keys: list[str]  # of the overrides by which runs differ, the seed's among them
    missing: list[Missing]
    left_out: list[str]


def runs(folder: Path) -> list[Path]:
    """The runs of a sweep, those below ``folder``, begun or ended; none where it is a run itself. What a link leads to
    is no run of the sweep."""
    if not folder.is_dir() or folders.holds_a_run(folder):
        return []
    marks = ("evaluations.jsonl", folders.RECORD, ".hydra")
    found = {path.parent for depth in ("*", "*/*") for mark in marks for path in folder.glob(f"{depth}/{mark}")}
    own = [path for path in found if path.resolve() == folder.resolve() / path.relative_to(folder)]
    return sorted(own, key=lambda path: [(len(part), part) for part in path.relative_to(folder).parts])  # 2 before 10


def named(places: Sequence[str | Path]) -> list[tuple[str, Path]]:
    """Every run of these folders, of runs or of sweeps, by the name that is said of it: its place in the one folder
    that was given, else as it was given.

    Raises:
        UserError: where one of them is no folder, or holds no run.
    """
    found: dict[Path, tuple[str, Path]] = {}
    for folder in map(Path, places):
        below = [folder] if folders.holds_a_run(folder) else runs(folder)
        if not below:
            what = "holds no run" if folder.is_dir() else "is a file" if folder.exists() else "is no folder"
            raise UserError(f"{shown(str(folder))} {what}. Give the folder of a sweep, or those of runs.")
        for path in below:
            name = path.relative_to(folder) if len(places) == 1 < len(below) else path
            found.setdefault(path.resolve(), (str(name), path))
    return list(found.values())


def gather(found: Sequence[tuple[str, Path]]) -> Gathered:
    """Of the runs by these names.

    Raises:
        UserError: where none of them has ended with a number to compare.
    """
    records = {name: begun(path) for name, path in found}
    goal = Goal.of(records.values())
    told = [name for name, record in records.items() if record.overrides or goal.value(record) is not None]
    overrides = dict(zip(told, differing([records[name] for name in told]), strict=True))
    keys = sorted({key for one in overrides.values() for key in one})
    arms: dict[tuple[str, ...], Arm] = {}
    missing = [Missing(name, {}, _why(records[name], goal)) for name in records if name not in overrides]
    for name, seeded in overrides.items():
        record, own = records[name], {key: value for key, value in seeded.items() if key != SEED}
        arm = arms.setdefault(tuple(own.values()), Arm(own))
        arm.started += 1
        seed = _seed(record, name)
        why = _why(record, goal) or (f"repeats {_name(arm.runs[seed], records)}" if seed in arm.runs else None)
        if why is None:
            arm.runs[seed] = record
        else:
            missing.append(Missing(name, seeded, why))
    ended = [arm for arm in arms.values() if arm.runs]
    if not ended:
        raise UserError(f"Of {len(records)} runs none has ended with a {goal.name}: there is nothing to compare.")
    ended.sort(key=lambda arm: sum(goal.value(record) for record in arm.runs.values()) / len(arm.runs))
    left_out = [f"{said} in {shown(name)}" for name, record in records.items() for said in record.left_out]
    return Gathered(goal, ended, keys, missing, left_out)


def closing_row(record: Record) -> Row:
    """On the test sentences: of the game where one was played, else of likelihood."""
    return record.closing.get("game") or record.closing.get("likelihood") or {}


def differing(records: Sequence[Record]) -> list[dict[str, str]]:
    """For each run the overrides that not all have in common; overrides about its folder or its log do not count."""
    overrides = [dict(map(_parted, record.overrides)) for record in records]
    keys = {key for found in overrides for key in found if re.split("[./]", key)[0] not in NOT_OF_THE_RUN}
    differ = {key for key in keys if len({found.get(key) for found in overrides}) > 1}
    return [{key: found.get(key, NOT_GIVEN) for key in sorted(differ)} for found in overrides]


def short(key: str, others: Iterable[str]) -> str:
    """The end of a key, where no other one ends so.

    >>> short("model/reward", ["model/reward", "seed"]), short("a.lr", ["a.lr", "b.lr"])
    ('reward', 'a.lr')
    """
    ends = [re.split("[./@]", other)[-1] for other in others]
    end = re.split("[./@]", key)[-1]
    return end if ends.count(end) == 1 else key


def _parted(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+~").partition("=")
    return key, "taken away" if override.startswith("~") else value


def _seed(record: Record, name: str) -> str:
    """By which runs of two arms are a pair; a run of which it is not known has no partner."""
    overrides = dict(map(_parted, record.overrides))
    seed = record.config.get(SEED)
    return overrides.get(SEED) or (str(seed) if is_number(seed) else f"of {name}")


def _name(record: Record, records: Mapping[str, Record]) -> str:
    return shown(next(name for name, one in records.items() if one is record))


def _why(record: Record, goal: Goal) -> str | None:
    """Why a run is not in its arm's mean; None where it is."""
    notes, measured = folders.record(record.folder), closing_row(record)
    for how in ("failed", "pruned"):
        if isinstance(notes.get(how), str):
            return f"{how}: {shown(notes[how], 200)}"
    if notes.get("finished", bool(measured)) is True:
        if goal.value(record) is not None:
            return None
        told = is_number(measured.get(goal.key))
        return f"diverged: its {goal.name} is {measured[goal.key]}" if told else f"ended without a {goal.name}"
    if faults := sorted((record.folder / "checkpoints").glob("before-fault-step-*.ckpt")):
        return f"not finished: a fault after step {faults[-1].stem.rpartition('-')[2].lstrip('0')}"
    if not record.evaluations:
        return "not finished: nothing was evaluated yet"
    return f"not finished: last evaluated after {record.evaluations[-1]['steps/all']:,.0f} steps"
