"""A terminal that these tests look at."""

import pytest

from textgan_lit.run import terminal


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal.console.cache_clear()
    yield
    terminal.console.cache_clear()
