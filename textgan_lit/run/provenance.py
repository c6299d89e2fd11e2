"""Where a run's numbers come from: code, versions, machine and the configuration, in ``provenance.json`` of its folder.

A folder may be sent, so it names neither the user nor the host.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textgan_lit import __version__
from textgan_lit.run.files import replace
from textgan_lit.run.folder import OWN, PROVENANCE

ROOT = Path(__file__).parents[2]  # of the checkout, where there is one
PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy", "tokenizers", "wandb")
PACKAGES += ("transformers", "peft")  # which a pretrained player's numbers come from


def write(folder: Path, config: Mapping[str, Any]) -> None:
    """``config`` is the resolved one; what it says of the folder alone is left out."""
    found = here() | {"configuration": {key: value for key, value in config.items() if key not in OWN}}
    replace(folder / PROVENANCE, json.dumps(found, indent=2, default=str) + "\n")


def here() -> dict[str, Any]:
    """The code, the versions and the machine of this process."""
    versions = {"textgan_lit": __version__, "Python": platform.python_version()} | _versions()
    return {"commit": commit(ROOT), "versions": versions, "machine": machine()}


def commit(root: Path) -> str | None:
    """The commit that a checkout stands on, changed since or not; None where there is none. No git is started: it obeys
    the configuration of the folder that it is started in."""
    try:
        place = root / ".git"
        if place.is_file():  # of a worktree: "gitdir: where"
            place = root / place.read_text().removeprefix("gitdir:").strip()
        head = (place / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = _branch(place, head.removeprefix("ref: "))
    except (OSError, UnicodeDecodeError):
        return None
    return head if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", head) else None


def _branch(place: Path, name: str) -> str:
    if (place / "commondir").exists():
        place = place / (place / "commondir").read_text().strip()
    if (place / name).exists():
        return (place / name).read_text().strip()
    packed = (place / "packed-refs").read_text().splitlines()
    return next((line.partition(" ")[0] for line in packed if line.endswith(f" {name}")), "")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """System, processor and accelerator in words."""
    torch = sys.modules.get("torch")
    parts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} × {_processor()}"]
    if torch is not None and torch.cuda.is_available():
        parts.append(f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}")
    return ", ".join(parts)


def _processor() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or "CPU"
