"""A process ends at a signal, wherever it is, and with the one that it follows, whoever stands between them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.lives import CHECKOUT

HEAD = """
import signal, subprocess, sys, threading, time
from textgan_lit.run import process
process.AGAIN = 0.3
process.last_words = lambda: "ended."
process.listen()
"""
HANGS = "signal.sigwait([signal.SIGUSR2])"  # where Python handles no signal


def started(*lines: str) -> subprocess.Popen:
    """Python that has listened, then played these lines, of which one says up."""
    command = [sys.executable, "-c", "\n".join([HEAD, *lines])]
    child = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "up\n"
    return child


def ended(child: subprocess.Popen) -> tuple[str, int]:
    """Errors and exit code."""
    try:
        return child.communicate(timeout=20)[1], child.returncode
    finally:
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("waits", ["time.sleep(30)", "threading.Event().wait(30)", HANGS])
def test_a_signal_ends_a_process_in_one_line_wherever_it_is(number, waits):
    child = started("print('up', flush=True)", waits)
    child.send_signal(number)
    assert ended(child) == (f"textgan_lit: {number.name}: ended.\n", 128 + number)


def test_nothing_that_catches_everything_keeps_it():
    child = started(
        "print('up', flush=True)", "try:", "    time.sleep(30)", "except BaseException:", "    time.sleep(30)"
    )
    child.send_signal(signal.SIGINT)
    assert ended(child) == ("textgan_lit: SIGINT: ended.\n", 130)


def test_a_signal_that_is_postponed_is_noted_and_ends_the_process_when_it_comes_again():
    child = started("process.postpone(True)", "print('up', flush=True)", HANGS, "print(process.received())")
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGTERM)  # the same by another way
    time.sleep(0.6)
    assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    assert ended(child) == ("textgan_lit: SIGTERM: ended.\n", 143)


def test_what_was_noted_can_be_asked_for():
    lines = ("process.postpone(True)", "signal.raise_signal(signal.SIGTERM)", "print('up', flush=True)")
    assert ended(started(*lines, "sys.exit(process.received())")) == ("", signal.SIGTERM)


def test_last_words_that_never_end_are_not_waited_for():
    child = started("process.last_words = lambda: time.sleep(30)", "print('up', flush=True)", "time.sleep(30)")
    child.send_signal(signal.SIGINT)
    assert ended(child) == ("", 130)


FOLLOWER = """
with process.leading():
    print({up!r}, flush=True)
    time.sleep(60)
"""
BETWEEN = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', sys.argv[1]]))"  # follows nobody


def test_who_follows_ends_with_its_leader_whoever_stands_between_them():
    lines = (
        f"follower = {HEAD + FOLLOWER.format(up='follows')!r}",
        "with process.leading():",
        f"    child = subprocess.Popen([sys.executable, '-c', {BETWEEN!r}, follower], stdout=subprocess.PIPE)",
        "    child.stdout.readline()",
        "    print('up', flush=True)",
        "    print(child.pid, flush=True)",
        "    time.sleep(60)",
    )
    leader = started(*lines)
    between = int(leader.stdout.readline())
    leader.kill()
    leader.wait()
    latest = time.monotonic() + 10
    while os.path.exists(f"/proc/{between}") and time.monotonic() < latest:  # it ends with its own child
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{between}")


def test_whose_leader_was_gone_before_ends_at_once():
    """The number of its leader may be another's by now."""
    gone = started(
        "with process.leading():", "    print('up', flush=True)", "    print(__import__('os').environ[process.MAIN])"
    )
    name = gone.stdout.readline().strip()
    gone.wait()
    *place, _, since = name.split()
    for leader in (name, " ".join([*place, str(os.getpid()), since])):
        environment = {**os.environ, "TEXTGAN_LIT_MAIN": leader}
        command = [sys.executable, "-c", HEAD + FOLLOWER.format(up="up")]
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, timeout=20)
        assert done.returncode == 1


@pytest.mark.slow
def test_elsewhere_nobody_is_followed():
    for leader in ("another-boot pid:[1] 17 100", "", "nonsense"):
        environment = {**os.environ, "TEXTGAN_LIT_MAIN": leader}
        lines = "with process.leading():\n    time.sleep(1)"
        subprocess.run([sys.executable, "-c", HEAD + lines], cwd=CHECKOUT, env=environment, check=True, timeout=20)
