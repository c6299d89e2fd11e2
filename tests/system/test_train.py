"""A signal that comes before the first step, or after the last, ends a run in one line, with its exit code."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.lives import CHECKOUT, SMOKE, play
from textgan_lit.run.folder import holds_a_run

WORDS = (*SMOKE, "trainer.max_steps=2", "+callbacks.death._target_=tests.helpers.dying.Death")
NOTHING = "ended before anything was played."
W_AND_B = """
import os, signal, time, wandb

def init(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

wandb.init = init
from textgan_lit.training import main
main()
"""


def hears(process: int) -> bool:
    """Whether a process has a handler of its own for SIGTERM."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_it_is_still_imported(number, tmp_path):
    command = [sys.executable, str(CHECKOUT / "train.py"), *WORDS]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not hears(process.pid):
        time.sleep(0.001)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, f"textgan_lit: {number.name}: {NOTHING}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_while_the_run_is_made_ready_its_folder_is_free_again(tmp_path):
    folder = tmp_path / "run"
    overrides = (*WORDS, f"hydra.run.dir={folder}")
    for death, more in {
        "SIGINT at 0 setup_fit": ("logger=offline",),  # W&B has begun by then
        "SIGTERM at 0 fit": ("logger=csv",),
    }.items():
        done = play(folder, *overrides, *more, death=death)
        number = signal.Signals[death.split()[0]]
        assert (done.returncode, done.stderr) == (128 + number, f"textgan_lit: {number.name}: {NOTHING}\n")
        assert not holds_a_run(folder)
        assert not (folder / ".hydra").exists()
    done = play(folder, *overrides, "logger=csv", death="SIGINT at 2 setup_test")
    assert (done.returncode, done.stderr) == (130, f"textgan_lit: SIGINT: ended. Go on with resume={folder}\n")
    assert play(folder, *overrides, "logger=csv", "resume=true").returncode == 0


@pytest.mark.slow
def test_while_weights_and_biases_begins(tmp_path):
    command = [sys.executable, "-c", W_AND_B, *WORDS, "logger=offline", f"hydra.run.dir={tmp_path / 'run'}"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, f"textgan_lit: SIGINT: {NOTHING}\n")
    assert not holds_a_run(tmp_path / "run")


@pytest.mark.slow
def test_a_run_that_was_taken_up_keeps_its_folder(tmp_path):
    folder = tmp_path / "run"
    overrides = (*WORDS, "logger=csv", f"hydra.run.dir={folder}", "resume=true")
    assert play(folder, *overrides, death="SIGKILL at 0 start").returncode == -signal.SIGKILL
    done = play(folder, *overrides, death="SIGINT at 0 setup_fit")
    assert (done.returncode, done.stderr) == (130, f"textgan_lit: SIGINT: ended. Go on with resume={folder}\n")
    assert play(folder, f"resume={folder}", "trust=[tests]").returncode == 0
