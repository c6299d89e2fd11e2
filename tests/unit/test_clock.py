"""Where the seconds go."""

import pytest

from textgan_lit import clock as stopwatch
from textgan_lit.clock import Stopwatch, told


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test lets go by; the process works half of them."""
    now = {"seconds": 100.0}
    monkeypatch.setattr(stopwatch, "_now", lambda: {"seconds": now["seconds"], "cpu_seconds": now["seconds"] / 2})
    return now


def test_time_goes_into_the_part_that_is_on_and_into_none_before_the_first(clock):
    watch = Stopwatch()
    clock["seconds"] += 50
    watch.start("pretraining")
    clock["seconds"] += 3
    with watch.during("evaluations"):
        clock["seconds"] += 10
    clock["seconds"] += 4
    assert watch.parts() == {"pretraining": 7, "evaluations": 10}
    assert watch.read() == {"seconds": 17, "cpu_seconds": 8.5}


def test_another_life_goes_on_with_what_was_spent(clock):
    first, second = Stopwatch(), Stopwatch()
    first.start("adversarial")
    clock["seconds"] += 5
    second.spent = first.state()
    clock["seconds"] += 1000  # nobody plays
    second.start("adversarial")
    clock["seconds"] += 2
    assert second.parts() == {"adversarial": 7}
    assert told(second.parts()) == "7 s: adversarial 7"
