"""Processes that prepare batches ahead of the run.

Each has a pipe of its own and shares nothing else, no lock, queue or memory, so that one that dies takes nothing with
it and is missed at once. (torch's DataLoader sends tensors through /dev/shm: where that is full a batch is dropped, and
then waited for without an end.)
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from itertools import count, cycle
from multiprocessing.connection import Connection
from typing import Any, final

import torch
from torch.multiprocessing import _prctl_pr_set_pdeathsig as at_death_of_parent

from textgan_lit.types import TextBatch

FORK = multiprocessing.get_context("fork")
WAIT = 60.0  # seconds after which a worker without its batch is taken for dead


class Lost(Exception):
    """A worker is dead, or taken for dead, and its batches with it."""


@final
class Workers:
    """The batches ``fetch(n)`` from n = ``position`` on, by ``number`` processes, each in its place in the
    row, until :meth:`close`.

    Each is ahead by as much as fits into its pipe, and one batch.
    """

    def __init__(self, fetch: Callable[[int], TextBatch], position: int, number: int):
        self.members: list[tuple[Any, Connection]] = []
        atexit.register(self.close)  # before Python would wait for them
        for first in range(position, position + number):
            ours, theirs = FORK.Pipe(duplex=False)
            process = FORK.Process(target=_work, args=(fetch, count(first, number), theirs, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            self.members.append((process, ours))

    def __iter__(self) -> Iterator[TextBatch]:
        """
        Raises:
            Lost: the worker that is due has died, or its batch does not come.
        """
        for process, pipe in cycle(self.members):
            try:
                if not pipe.poll(WAIT):
                    raise Lost(f"a worker had no batch after {WAIT:g} seconds")
                found = pipe.recv()
            except (EOFError, OSError) as error:
                process.join(1)
                raise Lost(f"a worker died (exit code {process.exitcode})") from error
            if isinstance(found[0], Exception):
                error, where = found
                raise error from RuntimeError(where)
            yield TextBatch(*map(torch.from_numpy, found))

    def close(self) -> None:
        """Ends the processes, whatever they do."""
        if self.members:
            atexit.unregister(self.close)
        while self.members:
            process, pipe = self.members.pop()
            process.kill()
            process.join()
            pipe.close()


def _work(fetch: Callable[[int], TextBatch], numbers: Iterable[int], pipe: Connection, parent: int) -> None:
    """Ctrl+C and a batch system's signals reach workers, too; the run, which they serve, still has a step to end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    at_death_of_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return  # it had died before
    torch.set_num_threads(1)
    try:
        for number in numbers:
            pipe.send([part.numpy() for part in fetch(number)])
    except Exception as error:
        pipe.send((error, traceback.format_exc()))
