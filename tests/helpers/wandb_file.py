"""A run's own W&B file, read back: what it says and not what it was told."""

import json
import struct
import time
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, FIRST, LAST = 32768, 2, 4  # the file is a leveldb log behind a header of 7 bytes


def files(folder: Path) -> list[Path]:
    """Of each life of the run in ``folder``, the oldest first."""
    return sorted(folder.glob("wandb/*run-*/*.wandb"), key=lambda path: path.stat().st_mtime)


def records(path: Path) -> list[Record]:
    """All that are whole: the last may just be being written."""
    content, at, parts, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", content[at : at + 7])
        if at + 7 + size > len(content):
            break
        piece, at = content[at + 7 : at + 7 + size], at + 7 + size
        parts = piece if kind <= FIRST else parts + piece
        if kind in (1, LAST):
            found.append(Record.FromString(parts))
    return found


def ended(path: Path, seconds: float = 30.0) -> list[Record]:
    """The records of a run that has ended: its service writes the last ones when the run is over."""
    latest = time.monotonic() + seconds
    while not of_kind(found := records(path), "exit") and time.monotonic() < latest:
        time.sleep(0.05)
    return found


def of_kind(found: list[Record], kind: str) -> list[Any]:
    return [getattr(record, kind) for record in found if record.WhichOneof("record_type") == kind]


def named(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def history(found: list[Record]) -> list[dict[str, Any]]:
    return [named(row.item) for row in of_kind(found, "history")]


def summary(found: list[Record]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for told in of_kind(found, "summary"):
        kept |= named(told.update)
    return kept


def config(found: list[Record]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for told in of_kind(found, "config"):
        kept |= named(told.update)
    return kept
