"""The folder of a run: whose it is, and what may be taken away from it.

``run.json`` says which configuration is played there and whether the run has finished; a lock, which the system
releases however the process ends, says whether somebody plays it now.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from textgan_lit.errors import UserError
from textgan_lit.files import lock, replace

RECORD = "run.json"
TRIAL = "trial.yaml"  # of a sweep that waits for what the run says
CURVES = ("metrics.csv", "evaluations.jsonl", "samples.jsonl")
WRITTEN = (
    RECORD,
    ".hydra",
    "checkpoints",
    "wandb",
    *CURVES,
    "closing.json",
    "frontier.json",
    "across_files.json",
    "train.log",
)
OWN = ("resume", "overwrite", "trust")  # words about the folder, not about the run

_locks: list[FileLock] = []


def first() -> bool:
    """Whether this process speaks for the job; asked before processes know each other."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in names)


def holds_a_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (RECORD, "checkpoints", *CURVES))


def fresh(folder: Path) -> Path:
    """Makes ``folder``, or the first of ``folder-2``, ``folder-3``, … that nobody has made: two never get the same."""
    for number in itertools.count(1):
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            free.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError:
            pass  # which claim says
        return free


def claim(folder: Path, key: str, mark: str = RECORD, overwrite: bool = False, again: bool = False) -> None:
    """Makes the folder and locks it until :func:`unlock`, or says why it cannot be used.

    ``key`` is the setting that named it, ``mark`` the file that shows that it is in use; ``again`` takes it as it is.
    """
    links = [name for name in WRITTEN if (folder / name).is_symlink()]
    if links:
        raise UserError(f"{key}={folder}: {links[0]} is a link that leads elsewhere. Copy the folder, or take another.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock(folder / ".lock")
        held.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{key}={folder} is being played by another process. Choose another folder.") from error
    except OSError as error:
        raise UserError(
            f"{key}={folder} cannot be written ({error.strerror}). "
            f"Give a folder that can, for example {key}=outputs/mine."
        ) from error
    _locks.append(held)
    if not again and ((folder / mark).exists() or holds_a_run(folder)):
        if not overwrite:
            unlock()
            raise UserError(
                f"{key}={folder} already holds a run. Choose another folder, resume=true to go on with that run, or "
                "overwrite=true to replace it."
            )
        clear(folder)


def clear(folder: Path, but: tuple[str, ...] = ()) -> None:
    """Takes away what a run has left."""
    for name in WRITTEN:
        if name not in but:
            remove(folder / name)


def unlock() -> None:
    """Gives back every folder that this process holds."""
    while _locks:
        _locks.pop().release()


def busy(folder: Path) -> bool:
    """Whether some process plays in this folder now."""
    try:
        with lock(folder / ".lock").acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def release(folder: Path) -> None:
    """Frees a folder in which nothing was played, so that the corrected command can have it."""
    if not any((folder / name).exists() for name in ("checkpoints", *CURVES)):
        for name in (RECORD, ".hydra"):
            remove(folder / name)


def identity(config: Mapping[str, Any], folder: str) -> str:
    """A fingerprint of a resolved configuration, the same in whichever ``folder`` it is played."""
    plain = json.dumps({key: value for key, value in config.items() if key not in OWN}, sort_keys=True, default=str)
    return hashlib.sha256(plain.replace(json.dumps(folder)[1:-1], "…").encode()).hexdigest()[:16]


def start(folder: Path, configuration: str) -> None:
    """Notes that a run of this configuration is played here, unless that is noted already."""
    found = record(folder)
    begun = found.get("started", time.time())
    note(folder, {"configuration": configuration, "started": begun, "finished": False})


def finish(folder: Path, objective: float | None) -> None:
    note(folder, record(folder) | {"finished": True, "objective": objective})


def end(folder: Path, how: Literal["failed", "pruned"], why: str) -> None:
    """Notes that the run, one of a sweep, has ended before it was finished."""
    folder.mkdir(parents=True, exist_ok=True)
    note(folder, record(folder) | {"finished": False, how: why})


def record(folder: Path) -> dict[str, Any]:
    """What run.json says; nothing where there is none or it cannot be read."""
    try:
        found = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(folder: Path, found: dict[str, Any]) -> None:
    replace(folder / RECORD, json.dumps(found, indent=2) + "\n")


def unfinished(root: Path, configuration: str) -> Iterator[Path]:
    """The runs of this configuration below ``root`` that were cut off, the newest first."""
    found = [(record(path.parent), path.parent) for path in root.rglob(RECORD)]
    ours = [
        (notes.get("started", 0), folder)
        for notes, folder in found
        if notes.get("configuration") == configuration and not notes.get("finished")
    ]
    return (folder for _, folder in sorted(ours, reverse=True))


def rewind(folder: Path, turn: int) -> None:
    """Takes away the rows of the curves after ``turn``, and a row that was half written when the run was cut off."""
    table, *others = (folder / name for name in CURVES)
    if table.exists():
        with table.open(newline="") as file:
            head, *rows = list(csv.reader(file)) or [[]]
        place = head.index("turns/all") if "turns/all" in head else None
        whole = [row for row in rows if place is not None and len(row) > place and _until(row[place], turn)]
        replace(table, "".join(",".join(row) + "\n" for row in [head, *whole] if head))
    for lines in filter(Path.exists, others):
        whole = [line for line in lines.read_text().splitlines() if _until(_turns(line), turn)]
        replace(lines, "".join(line + "\n" for line in whole))


def _turns(line: str) -> Any:
    try:
        return json.loads(line)["turns/all"]
    except (ValueError, KeyError, TypeError):
        return None


def _until(turns: Any, turn: int) -> bool:
    try:
        return float(turns) <= turn
    except (TypeError, ValueError):
        return False
