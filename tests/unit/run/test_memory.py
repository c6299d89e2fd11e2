"""Memory that was freed is used again, and not fetched from the system anew."""

import platform
import subprocess
import sys

import pytest

from textgan_lit.errors import UserError
from textgan_lit.play import play

FAULTS = """
import resource
from textgan_lit.run.memory import keep_freed_memory
keep_freed_memory()
def use():
    first, second = bytearray(3_000_000), bytearray(3_000_000)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    command = [sys.executable, "-c", FAULTS]
    return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def test_a_run_asks_for_it(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("textgan_lit.play.keep_freed_memory", lambda: asked.append(1))
    with pytest.raises(UserError):  # the run itself is none
        play({"threads": 1, "seed": 1}, tmp_path)
    assert asked


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_pages_are_fetched_once():
    assert faults() < 1000
    assert faults(MALLOC_TRIM_THRESHOLD_="0") > 10_000  # what the user says stands
