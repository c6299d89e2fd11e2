"""The folder of a run: whose it is, and what may be taken away from it.

``run.json`` says which configuration is played there and whether the run has finished; a lock, which the system
releases however the process ends, says whether somebody plays it now.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from textgan_lit.errors import PATH, Busy, UserError, shown
from textgan_lit.run import untrusted
from textgan_lit.run.files import PART, is_plain, lock, replace, replacing

RECORD = "run.json"
LOCK, LOG = ".lock", "train.log"
PROVENANCE = "provenance.json"  # which code, versions, machine and configuration
COMPOSED = ".hydra"  # the configuration as it was composed, and the overrides that it was composed from
TRIAL = "trial.yaml"  # of a sweep that waits for what the run says
CURVES = ("metrics.csv", "evaluations.jsonl", "samples.jsonl")
WRITTEN = (
    RECORD,
    PROVENANCE,
    COMPOSED,
    "checkpoints",
    "wandb",
    *CURVES,
    "closing.json",
    "frontier.json",
    "across_files.json",
    LOG,
)
WANDBS_LINK = "debug-core.log"  # which no setting of W&B's prevents, and nobody needs
OWN = ("resume", "overwrite", "trust")  # overrides about the folder, not about the run

DYING = 10.0  # seconds at most, until the last process of a run that was killed is gone, and its lock

finished: list[Path] = []  # of the runs that this process has played
_locks: dict[Path, FileLock] = {}
_empty: set[Path] = set()  # folders made for runs that were refused


def holds_a_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (RECORD, "checkpoints", *CURVES))


def quoted(path: str) -> str:
    """A path as Hydra's overrides take it whatever it holds: a sweep's folders are called seed=1."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + found[2].replace("'", "\\'"), path) + "'"


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

    ``key`` is the setting that named it, ``mark`` the file that shows that it is in use; ``again`` takes it as it is,
    as soon as those that played in it, and may just have been killed, are gone. It holds plain files and folders alone
    then, whoever may write there from now on.

    Raises:
        Busy: they are not.
        UserError: the folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock(folder / LOCK).acquire(timeout=DYING if again else 0).lock
        found = trap(folder)
    except Timeout as error:
        raise Busy(f"{key}={folder} is being played by another process. Choose another folder.") from error
    except OSError as error:
        raise UserError(
            f"{key}={folder} cannot be written ({error.strerror}). "
            f"Give a folder that can, for example {key}=outputs/mine."
        ) from error
    _locks[folder] = held
    taken = not again and ((folder / mark).exists() or holds_a_run(folder))
    if found or (taken and not overwrite):
        unlock(folder)
        why = found or (
            "already holds a run. Choose another folder, resume=true to go on with that run, or overwrite=true to "
            "replace it."
        )
        raise UserError(f"{key}={folder} {why}")
    if taken:
        clear(folder)


def trap(folder: Path) -> str | None:
    """What lies below ``folder`` and is neither a folder nor a plain file with a single name, and the way out; None
    where there is no such thing. Who writes there writes elsewhere, or waits for ever."""
    waiting = [os.fspath(folder)]
    for place in waiting:
        for entry in os.scandir(place):
            with suppress(FileNotFoundError):  # another process's, on its way
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    waiting.append(entry.path)
                elif stat.S_ISLNK(found.st_mode) and entry.name == WANDBS_LINK:
                    os.unlink(entry.path)
                elif not is_plain(found):
                    return f"holds {shown(os.path.relpath(entry.path, folder), PATH)}, {_trap(found)}"
    return None


def _trap(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "a link that leads elsewhere. Remove it (and all such: find FOLDER -type l -delete), or choose another."
    if stat.S_ISREG(found.st_mode):
        return "a file that has another name (a hard link). Copy the folder with cp -r, and give the copy."
    return "neither a file nor a folder. Remove it, or choose another folder."


def clear(folder: Path, but: tuple[str, ...] = ()) -> None:
    """Takes away what a run has left."""
    for name in WRITTEN:
        if name not in but:
            remove(folder / name)


@contextmanager
def claimed(folder: Path, key: str) -> Iterator[None]:
    """Locks a folder that is taken as it is, where this process has not done so yet, until the end of the block."""
    if folder not in _locks:
        claim(folder, key, again=True)
    try:
        yield
    finally:
        unlock(folder)


def unlock(*folders: Path) -> None:
    """Gives back these folders; without any, all that this process holds."""
    for folder in folders or tuple(_locks):
        _locks.pop(folder).release()
        if folder in _empty and os.listdir(folder) == [LOCK]:
            remove(folder / LOCK)
            folder.rmdir()


def busy(folder: Path) -> bool:
    """Whether some process plays in this folder now."""
    try:
        with lock(folder / LOCK).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def release(folder: Path) -> None:
    """Frees a folder in which nothing was played, so that the corrected command can have it."""
    if not any((folder / name).exists() for name in ("checkpoints", *CURVES)):
        for name in (RECORD, PROVENANCE, COMPOSED):
            remove(folder / name)
        if folder.exists() and {*os.listdir(folder)} == {LOCK, LOG}:
            remove(folder / LOG)
            _empty.add(folder)


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
    finished.append(folder)


def end(folder: Path, how: Literal["failed", "pruned"], why: str) -> None:
    """Notes that the run, one of a sweep, has ended before it was finished."""
    folder.mkdir(parents=True, exist_ok=True)
    note(folder, record(folder) | {"finished": False, how: why})


def record(folder: Path) -> dict[str, Any]:
    """What run.json says; nothing where there is none or it cannot be read."""
    try:
        found = untrusted.json(folder, RECORD)
    except (FileNotFoundError, untrusted.Unreadable):
        return {}
    return found if isinstance(found, dict) else {}


def note(folder: Path, found: dict[str, Any]) -> None:
    replace(folder / RECORD, json.dumps(found, indent=2) + "\n")


def unfinished(root: Path, configuration: str) -> Iterator[Path]:
    """The runs of this configuration below ``root`` that were cut off, the newest first."""
    found = [(record(path.parent), path.parent) for path in root.rglob(RECORD)]
    ours = [
        (notes["started"], folder)
        for notes, folder in found
        if notes.get("configuration") == configuration
        and not notes.get("finished")
        and isinstance(notes.get("started"), int | float)
    ]
    return (folder for _, folder in sorted(ours, reverse=True))


def rewind(folder: Path, step: int) -> None:
    """Takes away the rows of the curves after ``step``, and what was half written when the run was cut off."""
    for name in CURVES:
        kept = _rows if name.endswith(".csv") else _lines
        with suppress(FileNotFoundError), replacing(folder / name) as file:
            file.writelines(f"{line}\n".encode() for line in kept(folder, name, step))
    for place in (folder, folder / "checkpoints"):
        for part in place.glob(PART):
            part.unlink()


def _rows(folder: Path, name: str, step: int) -> Iterator[str]:
    rows = untrusted.table(folder, name)
    for head in rows:
        yield ",".join(head)
        place = head.index("steps/all") if "steps/all" in head else len(head)
        yield from (",".join(row) for row in rows if len(row) > place and _until(row[place], step))


def _lines(folder: Path, name: str, step: int) -> Iterator[str]:
    return (text for text, row in untrusted.lines(folder, name) if row and _until(row.get("steps/all"), step))


def _until(steps: Any, step: int) -> bool:
    try:
        return float(steps) <= step
    except (TypeError, ValueError):
        return False
