"""Checkpoint files: written whole or not at all, and trusted only after a look.

Whatever is killed while it writes leaves the older files as they were; whatever was truncated, altered or made to run
code is refused when it is read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from textgan_lit.errors import UserError, shown
from textgan_lit.files import replace

PATTERN = "turn-*.ckpt"  # of those that a run goes on from; the newest has the highest number


@final
class Damaged(UserError):
    """A file that is no whole checkpoint of ours."""


def named(folder: Path, turn: int) -> Path:
    """Where the state after ``turn`` turns is kept."""
    return folder / f"turn-{turn:08d}.ckpt"


def kept(folder: Path) -> list[Path]:
    """The checkpoints a run can go on from, the newest first, unread; folders and links are none of its own."""
    return [path for path in _named(folder) if path.is_file() and not path.is_symlink()]


def _named(folder: Path) -> list[Path]:
    return sorted(folder.glob(PATTERN), reverse=True)


def newest(folder: Path, warn: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint; of each newer one that is damaged ``warn`` is told. None where there is none."""
    for path in _named(folder):
        try:
            read(path)
        except Damaged as error:
            warn(f"{error} Going on from the one before.")
        else:
            return path
    return None


def write(state: dict[str, Any], path: Path) -> None:
    """Once this has returned, a power cut takes nothing back."""
    content = io.BytesIO()
    torch.save(state, content)
    replace(path, content.getbuffer(), durable=True)


def read(path: Path) -> dict[str, Any]:
    """The state in ``path``, on the CPU: checksums compared, and nothing unpickled but arrays and plain containers.

    Raises:
        Damaged: not a file, a link, truncated, altered, or anything else than a checkpoint of this project.
    """
    if path.is_symlink() or not path.is_file():
        raise Damaged(f"{path}: not a file of its own.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise Damaged(f"{path}: damaged (it claims more bytes than it has).")
            broken = packed[0] if packed else archive.testzip()
        if broken is not None:
            raise Damaged(f"{path}: damaged (at {shown(broken)}).")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Damaged:
        raise
    except Exception as error:  # whatever a parser of hostile bytes may raise
        raise Damaged(f"{path}: not a whole checkpoint ({type(error).__name__}).") from error
    if not isinstance(state, dict) or not {"textgan_lit", "state_dict"} <= state.keys():
        raise Damaged(f"{path}: a checkpoint, but none of textgan_lit's.")
    return state


@final
class CheckpointFiles(TorchCheckpointIO):
    """How Lightning's Trainer writes and reads checkpoints: as above."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read(Path(path))
