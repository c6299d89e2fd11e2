"""Several runs of one sweep beside each other."""

from __future__ import annotations

from pathlib import Path

from textgan_lit.report.sections import Report


def runs(folder: Path) -> list[Path]:
    return []


def of(folder: Path, runs: list[Path]) -> Report:
    raise NotImplementedError
