"""A line that says how long work goes on."""

import io
import sys

import pytest

from tests.helpers.screen import Screen
from textgan_lit.run import progress

pytestmark = pytest.mark.usefixtures("colours")


def shown(monkeypatch, output, *moments, doing=""):
    """What a line that is shown at these moments of the clock leaves on ``output``."""
    monkeypatch.setattr(sys, "stdout", output)
    now = 0.0
    with progress.Progress(lambda: now) as line:
        for now in moments:
            if doing:
                line.doing(f"{doing} {now:g}")
            else:
                line.show(lambda: f"drawn at {now:g}", lambda: f"said at {now:g}")  # noqa: B023
    return output.getvalue()


def test_a_watched_line_is_repainted_a_few_times_a_second_and_then_gone(monkeypatch):
    seen = shown(monkeypatch, Screen(), 0.1, 0.3, 0.4, 0.6, 31.0)
    assert [f"drawn at {at}" in seen for at in (0.1, 0.3, 0.4, 0.6, 31)] == [False, True, False, True, True]
    assert "said" not in seen
    assert seen.endswith("\x1b[1A\x1b[2K")  # one up, and that line is empty
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l")  # the cursor is there


def test_elsewhere_a_line_is_said_now_and_then(monkeypatch):
    assert shown(monkeypatch, io.StringIO(), 0.3, 31.0, 32.0, 62.0) == "said at 31\nsaid at 62\n"


def test_what_takes_long_is_named_at_once_where_somebody_watches(monkeypatch):
    assert "networks 0.1" in shown(monkeypatch, Screen(), 0.1, doing="networks")
    assert shown(monkeypatch, io.StringIO(), 0.1, 31.0, doing="networks") == "networks 31\n"
