"""Every set of benchmarks is in the table."""

from pathlib import Path

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

import benchmarks
from benchmarks import watching
from benchmarks.__main__ import SETS, _plain, table
from benchmarks.row import Row
from textgan_lit.cli import CONF


def test_no_set_is_forgotten():
    rooms = {path.stem for path in Path(benchmarks.__file__).parent.glob("*.py")}
    assert set(SETS) == rooms - {"__init__", "__main__", "row", "measure", "growth"}


def test_what_was_not_measured_is_left_empty():
    row = Row("work", 1.0, float("nan"), 0.5, 2.0, "≥ 1", True)
    assert _plain(row._asdict())["reference"] is None
    assert list(table([row]).columns[2].cells) == [""]
    assert list(table([row]).columns[1].cells) == ["1 s"]
    assert list(table([row]).columns[6].cells) == ["yes"]


def test_what_watching_costs_is_told_apart_for_every_default_callback():
    hooked = (part for part in OmegaConf.load(CONF / "callbacks" / "default.yaml").values())
    names = {get_class(part["_target_"]).__name__ for part in hooked}
    told = [part for kind in watching.KINDS.values() for part in kind]
    assert names - {"Closing"} <= set(told)  # which has nothing to do before the last turn
    assert len(told) == len(set(told))


def test_the_shares_of_a_run_are_of_its_own_seconds_and_only_logging_has_a_limit():
    parts = {"Samples": 0.3, "rows": 0.3, "TruthPanel": 1.5, "Checkpoints": 0.1}
    once = {"beginning": 0.2, "closing": 0.4, "end": 0.0, "service": 0.5}
    rows = {row.name: row for row in watching.shares("x", {"fit": 10.0, "parts": parts, **once})}
    kinds = [rows[f"{kind}, over a run: x"] for kind in watching.KINDS]
    assert [row.ratio for row in kinds] == pytest.approx([0.06, 0.15, 0.01])
    assert [row.met for row in kinds] == [False, None, None]
    assert rows["… Samples"].ratio == pytest.approx(0.03)
    assert rows["… once, the closing table"].ratio == pytest.approx(0.04)
