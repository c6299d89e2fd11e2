"""What a run is called among others: from the overrides it was started with, so that the jobs of a sweep differ."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from textgan_lit.run import untrusted

IN_THE_NAME = ("model", "data", "name")
NOT_OF_THE_RUN = ("logger", "outputs", "hydra", "resume", "overwrite", "trust")
LONGEST, LONGEST_TAG = 128, 64  # what W&B takes


class Called(NamedTuple):
    """``kind`` is the name without the seed: runs of one kind are one configuration. ``group`` is the sweep."""

    name: str
    kind: str
    group: str | None = None
    tags: tuple[str, ...] = ()


def called(name: str, folder: Path) -> Called:
    """What the run in ``folder`` is called, where ``name`` says its model and data.

    Hydra has written its overrides into ``.hydra``; where there are none, the run has the name alone.
    """
    found = _read(folder, "overrides.yaml")
    overrides = [override for override in found if isinstance(override, str)] if isinstance(found, list) else []
    hydra = _inside(_read(folder, "hydra.yaml"), "hydra")
    choices, number = _inside(hydra, "runtime", "choices"), _inside(hydra, "job").get("num")
    parts = _parts([override for override in overrides if _tells(override)])
    groups = [choices[group] for group in ("model", "data") if isinstance(choices.get(group), str)]
    tags = [*groups, *(part for key, part in parts.items() if key in choices)]
    return Called(
        _cut(" ".join([name, *parts.values()]), LONGEST, "" if number is None else f" #{number}"),
        _cut(" ".join([name, *(part for key, part in parts.items() if key != "seed")]), LONGEST),
        _sweep(folder.absolute()),
        tuple(dict.fromkeys(_cut(tag, LONGEST_TAG) for tag in tags)),
    )


def _tells(override: str) -> bool:
    key = _key(override)
    return key not in IN_THE_NAME and re.split("[./]", key)[0] not in NOT_OF_THE_RUN


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _parts(overrides: list[str]) -> dict[str, str]:
    """Key → how a name shows it: ``model.schedule.k=5`` as ``k=5``, unless another key ends so, too."""
    values = {_key(override): override.partition("=")[1:] for override in overrides}
    short = {key: re.split("[./@]", key)[-1] for key in values}
    ends = Counter(short.values())
    return {key: "".join([short[key] if ends[short[key]] == 1 else key, *value]) for key, value in values.items()}


def _sweep(folder: Path) -> str | None:
    """The sweep's folder by its last two names: the day and the time where nobody has chosen it."""
    sweep = next((parent for parent in list(folder.parents)[:3] if (parent / "multirun.yaml").exists()), None)
    return sweep and _cut("/".join(sweep.parts[-2:]), LONGEST)


def _cut(text: str, longest: int, end: str = "") -> str:
    return text if len(text) <= longest else f"{text[: longest - len(end) - 1]}…{end}"


def _read(folder: Path, name: str) -> Any:
    try:
        return untrusted.yaml(folder, f".hydra/{name}")
    except (FileNotFoundError, untrusted.Unreadable):
        return None


def _inside(found: Any, *keys: str) -> dict[str, Any]:
    """The settings under these keys; none where there are none."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
