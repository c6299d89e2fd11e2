"""Every set of benchmarks is in the table."""

from pathlib import Path

import benchmarks
from benchmarks.__main__ import SETS, _plain, table
from benchmarks.row import Row


def test_no_set_is_forgotten():
    rooms = {path.stem for path in Path(benchmarks.__file__).parent.glob("*.py")}
    assert set(SETS) == rooms - {"__init__", "__main__", "row", "measure", "growth"}


def test_what_was_not_measured_is_left_empty():
    row = Row("work", 1.0, float("nan"), 0.5, 2.0, "≥ 1", True)
    assert _plain(row._asdict())["reference"] is None
    assert list(table([row]).columns[2].cells) == [""]
    assert list(table([row]).columns[1].cells) == ["1 s"]
    assert list(table([row]).columns[6].cells) == ["yes"]
