"""A study as it is written down (studies/NAME.yaml), and the runs that it asks for."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from textgan_lit.run import untrusted

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"  # numbers of runs that were kept: studies/README.md
SILENT = ("logger=", "overwrite=", "resume=", "hydra.")  # overrides that change no number


class StudyError(Exception):
    """What was found, what was wanted, the way out: one line for people."""


@dataclass(frozen=True)
class Run:
    """One arm with one seed: the overrides of its ``train.py`` command, and its own folder."""

    arm: str
    seed: int
    overrides: tuple[str, ...]
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether it stands there complete. A finished run of other overrides is refused: it is somebody's work."""
        if not (self.folder / "closing.json").exists():
            return False
        try:
            played = untrusted.yaml(self.folder, ".hydra/overrides.yaml")
        except FileNotFoundError:
            played = []
        if not same(played, self.overrides):
            raise StudyError(
                f"{self.folder} holds a finished run of other overrides ({' '.join(played)}); wanted "
                f"{' '.join(self.overrides)}. Move it away, or give --runs another folder."
            )
        return True


def same(some: Any, others: Any) -> bool:
    """Whether two sets of overrides play the same run."""
    return {override for override in some if not override.startswith(SILENT)} == {
        override for override in others if not override.startswith(SILENT)
    }


@dataclass(frozen=True)
class Arm:
    """``overrides`` may hold {seed}. ``shown`` is the command of ``entry``: this arm and its like."""

    name: str
    entry: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    shown: str


@dataclass(frozen=True)
class Study:
    name: str
    arms: tuple[Arm, ...]
    page: Path
    config: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Study:
        path = HERE / f"{name}.yaml"
        if not path.exists():
            raise StudyError(f"{name}: there is no such study; there are {', '.join(names())}.")
        config = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        page = ROOT / config.get("page", f"docs/studies/{name}.md")
        return cls(name, tuple(arms(config)), page, config)

    @property
    def picture(self) -> Path:
        return self.page.with_name(f"{self.name}.png")

    def runs(self, folder: Path, only: list[str] | None = None) -> list[Run]:
        """The runs of the arms that match a pattern of ``only``, by seed: the first seed of every arm comes first."""
        name = self.config.get("folder", self.name)
        chosen = [arm for arm in self.arms if matches(arm.name, only or ["*"])]
        found = [
            Run(
                arm.name,
                seed,
                tuple(fill(override, {"seed": seed}) for override in arm.overrides),
                played(folder / name / arm.name / str(seed), RESULTS / name / arm.name / str(seed)),
            )
            for arm in chosen
            for seed in arm.seeds
        ]
        return sorted(found, key=lambda run: run.seed)


def played(folder: Path, kept: Path) -> Path:
    """The run's own folder, or what was kept of it where it was played elsewhere."""
    return kept if (kept / "closing.json").exists() and not folder.exists() else folder


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def arms(config: dict[str, Any]) -> list[Arm]:
    """Every arm by its own name. One with ``each`` stands for all combinations of its axes' values.

    An axis is a list of values for the place {axis} in names and overrides, or a mapping of such values to further
    overrides.
    """
    found = []
    for name, given in config["arms"].items():
        given = given if isinstance(given, dict) else {"overrides": given}
        axes, seeds = given.get("each", {}), tuple(given.get("seeds", config["seeds"]))
        for chosen in itertools.product(*axes.values()):
            place = dict(zip(axes, chosen, strict=True))
            named = {axis: value for axis, value in place.items() if isinstance(axes[axis], dict)}
            more = [override for axis, value in named.items() for override in axes[axis][value]]
            overrides = [*config["base"], *given["overrides"], *more]
            if not any(override.startswith("seed=") for override in overrides):
                overrides.append("seed={seed}")
            swept = {axis: ",".join(map(str, axes[axis])) for axis in axes.keys() - named.keys()}
            shown = command([fill(override, named | swept) for override in overrides], seeds)
            own = tuple(fill(override, place) for override in overrides)
            found.append(Arm(fill(name, place), fill(name, named), own, seeds, shown))
    return found


def fill(text: str, place: dict[str, Any]) -> str:
    """Puts values into their {places}; unlike str.format it leaves Hydra's ${…} alone."""
    for name, value in place.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def command(overrides: list[str], seeds: tuple[int, ...]) -> str:
    """The ordinary command that plays an arm with all its seeds: a sweep, or a loop where a seed has several places."""
    looped = any("{seed}" in override for override in overrides if override != "seed={seed}")
    place = {"seed": "$seed" if looped else ",".join(map(str, seeds))}
    quoted = {"seed": "'$seed'"}  # which a shell puts in between quotes alone
    told = [
        fill(shlex.quote(override), quoted) if "${" in override or "~" in override else fill(override, place)
        for override in overrides
    ]
    line = " ".join(["python train.py", *["-m"] * any("," in override for override in told), *told])
    return f"for seed in {' '.join(map(str, seeds))}; do {line}; done" if looped else line
