"""Checkpoint files: written whole or not at all, and trusted only after a look.

Whatever is killed while it writes leaves the older files as they were; whatever was truncated or altered is refused
when it is read. There is nothing in such a file that could be run (``packing``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, final

import pytorch_lightning as pl
from pytorch_lightning.plugins.io import CheckpointIO

from textgan_lit.errors import UserError, shown
from textgan_lit.run.files import replacing
from textgan_lit.run.packing import packed, unpacked, whole
from textgan_lit.run.untrusted import Unreadable, opened

PATTERN = "step-*.ckpt"  # of those that a run goes on from; the newest has the highest number
# What Lightning saves and a run has no use for: it follows from the clock, or from the Lightning that is installed.
UNUSED = ("epoch", "global_step", "loops", "lr_schedulers", "pytorch-lightning_version")
OLD = b"PK\x03\x04"


@final
class Damaged(UserError):
    """A file that is no whole checkpoint of ours."""


@final
class Gone(UserError):
    """A file that is not there, or not any more."""


@final
class Saved(NamedTuple):
    """A state, and the file that it was read from."""

    path: Path
    state: dict[str, Any]


def named(folder: Path, step: int) -> Path:
    """Where the state after ``step`` steps is kept."""
    return folder / f"step-{step:08d}.ckpt"


def kept(folder: Path) -> list[Path]:
    """The checkpoints a run can go on from, the newest first, unread; folders and links are none of its own."""
    return [path for path in _named(folder) if path.is_file() and not path.is_symlink()]


def _named(folder: Path) -> list[Path]:
    return sorted(folder.glob(PATTERN), reverse=True)


def newest(folder: Path, warn: Callable[[str], None]) -> Saved | None:
    """The newest whole checkpoint; of each newer one that is damaged ``warn`` is told. None where there is none.

    The run may be playing: what it lets go of meanwhile is not missed, and what it saves is found.
    """
    told: set[Path] = set()
    while True:
        listed = _named(folder)
        for path in listed:
            try:
                return Saved(path, read(path))
            except Gone:
                continue
            except Damaged as error:
                if path not in told:
                    warn(f"{error} Going on from the one before.")
                told.add(path)
        if listed == _named(folder):
            return None


def chosen(path: Path) -> Saved:
    """The checkpoint that somebody asks for by its path; errors say the way out."""
    try:
        return Saved(path, read(path))
    except (Damaged, Gone) as error:
        raise UserError(f"{error} Give another checkpoint of the run: {path.parent} may hold older ones.") from error


def write(state: Mapping[str, Any], path: Path) -> None:
    """Once this has returned, a power cut takes nothing back.

    Raises:
        UserError: at a value that is neither a tensor nor plain.
    """
    pieces = packed(state)
    with replacing(path, durable=True) as file:
        file.writelines(pieces)


def read(path: Path) -> dict[str, Any]:
    """The state in ``path``, on the CPU. The file is read once: what is returned is what the digest was taken of.

    Raises:
        Gone: there is no such file.
        Damaged: not a file, a link, truncated, altered, or anything else than a checkpoint of this project.
    """
    try:
        with opened(path.parent, path.name) as (file, size):
            state = _state(file, size, path)
    except FileNotFoundError:
        raise Gone(f"{path}: there is no such file.") from None
    except Unreadable as error:
        why = "may not be read" if isinstance(error.__cause__, PermissionError) else "not a file of its own"
        raise Damaged(f"{path}: {why}.") from error
    if not isinstance(state, dict) or not {"textgan_lit", "state_dict"} <= state.keys():
        raise Damaged(f"{path}: a checkpoint, but none of textgan_lit's.")
    return state


def _state(file: BinaryIO, size: int, path: Path) -> Any:
    if file.read(len(OLD)) == OLD:
        raise UserError(
            f"{path} is of an earlier textgan_lit, which pickled its checkpoints; a pickle can hold code, so none "
            "is read any more. Open it with the version that wrote it, or play the run anew."
        )
    file.seek(0)
    try:
        return unpacked(whole(file, size))
    except Exception as error:  # whatever a parser of hostile bytes may raise
        raise Damaged(f"{path}: not a whole checkpoint ({shown(str(error) or type(error).__name__)}).") from error


# --- what Lightning asks for ------------------------------------------------------------------------------------------


@final
class CheckpointFiles(CheckpointIO):
    """How Lightning's Trainer writes and reads checkpoints: as above.

    ``taken_up`` is a state that was read, and looked at, already: it is handed on once, in place of its file, and its
    tensors are let go of.
    """

    def __init__(self) -> None:
        self.taken_up: Saved | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write({key: value for key, value in checkpoint.items() if key not in UNUSED}, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        known, self.taken_up = self.taken_up, None
        state = known.state if known is not None and known.path == Path(path) else read(Path(path))
        own = {"pytorch-lightning_version": pl.__version__, "lr_schedulers": [], "loops": loops(state)}
        given = {**{key: value for key, value in state.items() if key not in UNUSED}, **own}
        state.clear()
        return given

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def loops(state: Mapping[str, Any]) -> dict[str, Any]:
    """What Lightning's loops would have counted when the state was saved: the next step was about to begin."""
    steps = sum(state["textgan_lit"]["steps"].values())
    batches = {"ready": steps + 1, "started": steps, "processed": steps, "completed": steps}
    epochs = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    progress = {"ready": steps, "completed": steps}
    fit = {
        "epoch_progress": {"total": epochs, "current": epochs},
        "epoch_loop.state_dict": {"_batches_that_stepped": steps - 1},  # to which it adds the step that it begins with
        "epoch_loop.batch_progress": {"total": batches, "current": batches, "is_last_batch": False},
        "epoch_loop.manual_optimization.optim_step_progress": {"total": progress, "current": progress},
    }
    return {"fit_loop": fit, "validate_loop": {}, "test_loop": {}, "predict_loop": {}}
