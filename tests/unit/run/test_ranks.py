"""A process of a job that fails takes the others with it."""

import subprocess
import sys
import time

import pytest

from textgan_lit.run import ranks

# A main process that hangs while its child fails.
HANGS = """
import subprocess, sys, time
from textgan_lit.run import ranks

ranks.GRACE = 0.2
ranks.Watch([subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])]).start()
time.sleep(60)
"""


@pytest.mark.slow
def test_a_child_that_fails_ends_the_main_process():
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr.endswith("textgan_lit: one of the processes ended with code 3, so all were ended.\n")
    assert time.monotonic() - begun < 50


def test_another_process_takes_no_module_from_the_working_directory(tmp_path):
    """Which may be somebody's run."""
    (tmp_path / "yaml.py").write_text("open('said', 'w'); raise SystemExit(3)")
    command = [sys.executable, "-c", ranks.CHILD, "\n".join(sys.path), "--cfg", "job"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "seed: 1" in done.stdout
    assert not (tmp_path / "said").exists()
