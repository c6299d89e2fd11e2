"""This process: whether it speaks for its job, and when it ends: at a signal, or with the process that it follows.

Free of all that takes long to import, since it listens from the first line of a command on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from textgan_lit.errors import harmless

STOP = (signal.SIGTERM, signal.SIGINT)
AGAIN = 2.0  # seconds: what comes sooner is the same signal by another way (a terminal's, and then torchrun's)
MAIN = "TEXTGAN_LIT_MAIN"  # the process whose job, or whose sweep, this one plays

last_words: Callable[[], str] = str  # what an end at a signal still does, and says
_postponed = False  # whether somebody ends the process after the signal, as soon as a step is done
_received = 0
_pipe: int | None = None  # into which signals are written
_ending = False
_followed: set[str] = set()


def first() -> bool:
    """Whether this process speaks for the job; asked before processes know each other."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in names)


# --- signals ----------------------------------------------------------------------------------------------------------


def listen() -> None:
    """SIGINT and SIGTERM end this process from now on: at once, or (:func:`postpone`) after its step.

    One that comes again ends it wherever it hangs, and so does one that Python cannot handle for ``AGAIN`` seconds: a
    thread reads them from a pipe, into which they are written before any Python runs.
    """
    global _pipe, _postponed, _received
    if _pipe is not None or threading.current_thread() is not threading.main_thread():
        return
    reading, _pipe = os.pipe()
    os.set_blocking(_pipe, False)
    signal.set_wakeup_fd(_pipe, warn_on_full_buffer=False)
    threading.Thread(target=_insist, args=(reading,), daemon=True, name="signals").start()
    _postponed, _received = False, 0
    hear(*STOP)


@contextmanager
def listening() -> Iterator[None]:
    """Listens where nobody does yet, until the end of the block."""
    global _pipe
    before, already = {number: signal.getsignal(number) for number in STOP}, _pipe is not None
    listen()
    try:
        yield
    finally:
        if _pipe is not None and not already:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
            os.close(_pipe)  # which ends the thread
            _pipe = None


def hear(*numbers: int) -> None:
    """Takes these signals, whoever has taken them in the meantime."""
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            signal.signal(number, _receive)


def postpone(yes: bool) -> None:
    """Whether a signal is from now on only noted, for :func:`received`."""
    global _postponed
    _postponed = yes


def received() -> int:
    """The last signal that was noted; 0: none."""
    return _received


def _receive(number: int, frame: FrameType | None) -> None:
    global _received
    if not _postponed and number in STOP:
        _end(number)
    _received = number


def _insist(pipe: int) -> None:
    heard: dict[int, float] = {}
    while told := os.read(pipe, 1):
        number, now = told[0], time.monotonic()
        if number not in STOP:
            continue
        if not _postponed:
            time.sleep(AGAIN)
        if not _postponed or now - heard.setdefault(number, now) > AGAIN:
            _end(number)
    os.close(pipe)


def _end(number: int) -> None:
    """Ends the process without unwinding it: no library can catch, swallow or print what is not raised."""
    global _ending
    try:
        if not _ending:  # else the last words take too long
            _ending = True
            if threading.current_thread() is threading.main_thread():
                sys.stdout.flush()
            if said := last_words():
                line = f"textgan_lit: {signal.Signals(number).name}: {harmless(said)}\n"
                os.write(2, line.encode())  # print may wait for a lock
    finally:
        os._exit(128 + number)


# --- the process that started this one --------------------------------------------------------------------------------


@contextmanager
def leading() -> Iterator[None]:
    """Follows the process whose job or sweep this one plays, and lets those that are started here follow this one."""
    before = os.environ.get(MAIN)
    follow()
    os.environ[MAIN] = _name("self")
    try:
        yield
    finally:
        os.environ.pop(MAIN)
        if before is not None:
            os.environ[MAIN] = before


def follow() -> None:
    """Ends this process within a second after the one it follows, however that ended and whoever stands between them.

    On another machine, where a scheduler or a cluster has started it, it follows nobody.
    """
    leader = os.environ.get(MAIN, "")
    place, _, number = leader.rpartition(" ")[0].rpartition(" ")
    if leader in _followed or leader == (own := _name("self")) or not own.startswith(f"{place} "):
        return
    _followed.add(leader)

    def watch() -> None:
        while _name(number) == leader:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="follow").start()


def _name(number: str) -> str:
    """A process of one boot of one machine, by its number and when it was started, since numbers are given again.

    Empty where it is gone, or where there is no /proc.
    """
    try:
        place = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
        told = Path("/proc", number, "stat").read_text()
    except OSError:
        return ""
    state, *fields = told.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if state in "ZX" else f"{place} {told.split()[0]} {fields[18]}"
