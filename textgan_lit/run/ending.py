"""What a run, a job of a sweep and a sweep say when they are over: where it all is, and what can be done next."""

from __future__ import annotations

import os
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from textgan_lit.run import folder as folders
from textgan_lit.run import process, terminal, untrusted

FILES = (folders.LOG, "metrics.csv", "samples.jsonl", "checkpoints")  # of a run, those to look at
SEEDS = 3  # that the best of a sweep is repeated with


class Ending(Callback):
    """Hydra's callback at the end of a sweep."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        if process.first():
            given = {*config.hydra.overrides.task, *config.hydra.overrides.hydra, "-m", "--multirun"}
            flags = [argument for argument in sys.argv[1:] if argument not in given]
            ranked = not config.hydra.sweeper.get("objectives")  # else by others than a run's own
            terminal.say(*of_sweep(Path(config.hydra.sweep.dir), [*program(), *flags], ranked))


def near(folder: Path) -> str:
    """A folder as it is shortest from here."""
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("..") else relative


def program() -> list[str]:
    """How this program was started."""
    return ["python", sys.argv[0]] if sys.argv[0].endswith(".py") else [Path(sys.argv[0]).name]


def of_run(folder: Path) -> list[str]:
    """What a finished run says."""
    place = near(folder)
    quoted = shlex.quote(place)
    lines = [
        f"run          {place}",
        f"files        {', '.join(name for name in FILES if (folder / name).exists())}",
        f"report       textgan report {quoted}",
        f"sentences    textgan generate {quoted} -n 1000",
        f'in Python    textgan_lit.load("{place}")',
    ]
    for run in sorted((folder / "wandb").glob("offline-run-*")):
        lines.append(f"W&B here     wandb leet {quoted}/wandb")
        lines.append(f"W&B online   wandb sync {quoted}/wandb/{run.name}")
    return lines


class Arm(NamedTuple):
    """Runs of a sweep that differ by their seeds alone."""

    overrides: tuple[str, ...]
    reached: list[float]
    seeds: list[int]


def of_sweep(folder: Path, command: list[str], ranked: bool = True) -> list[str]:
    """What a finished sweep says; where it is ``ranked``, which of its runs reached least, and how to repeat that."""
    found, place = arms(folder), shlex.quote(near(folder))
    lines = [f"sweep        {near(folder)}", f"compare      textgan compare {place}"]
    best = min(found, key=lambda arm: statistics.fmean(arm.reached)) if found and ranked else None
    if best is None:
        return lines
    common = set.intersection(*(set(arm.overrides) for arm in found))
    own = " ".join(override for override in best.overrides if override not in common)
    runs = f", mean of {len(best.reached)} seeds" * (len(best.reached) > 1)
    next_seed = max(best.seeds) + 1
    seeds = ",".join(str(seed) for seed in range(next_seed, next_seed + SEEDS))
    again = shlex.join([*command, "-m", *best.overrides, f"seed={seeds}"])
    lines += [f"best         {own} ({statistics.fmean(best.reached):.4f}{runs})"] if own else []
    return [*lines, f"{'best again' if own else 'more seeds':<12} {again}"]


def arms(folder: Path) -> list[Arm]:
    """The arms of a sweep: of runs that have finished, and measured what runs are ranked by."""
    found: dict[tuple[str, ...], Arm] = {}
    for path in sorted(folder.rglob(folders.RECORD)):
        reached = folders.record(path.parent).get("objective")
        if not isinstance(reached, float):
            continue
        given = {_key(override): override for override in _overrides(path.parent)}
        seed = given.pop("seed", "seed=1").partition("=")[2]
        rest = tuple(override for key, override in given.items() if key not in folders.OWN)
        arm = found.setdefault(rest, Arm(rest, [], []))
        arm.reached.append(reached)
        arm.seeds.append(int(seed) if seed.isdecimal() else 0)
    return list(found.values())


def _overrides(folder: Path) -> list[str]:
    try:
        return untrusted.yaml(folder, f"{folders.COMPOSED}/overrides.yaml")
    except (FileNotFoundError, untrusted.Unreadable):
        return []


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
