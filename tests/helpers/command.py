"""The command line, called in this process."""

import csv
import json
import sys
from pathlib import Path

import pytest

from textgan_lit import cli
from textgan_lit.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    """``python train.py WORDS``; a refusal is a SystemExit whose code is the line that a person would read."""
    monkeypatch.setattr(sys, "argv", ["train.py", *overrides])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # main sets it; put back, or the next test's processes inherit it
    cli.main()


def textgan(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int | str | None:
    """``textgan WORDS``; gives the exit code, or the line that a person would read."""
    monkeypatch.setattr(sys, "argv", ["textgan", *overrides])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code


def smoke(monkeypatch: pytest.MonkeyPatch, folder: Path, *overrides: str) -> list[dict[str, float]]:
    """Plays ``debug=smoke`` into ``folder`` without W&B and returns the rows of its metrics.csv."""
    run(monkeypatch, "debug=smoke", "logger=csv", f"hydra.run.dir={folder}", *overrides)
    return rows(folder)


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open() as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def evaluations(folder: Path, name: str = "evaluations.jsonl") -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]
