"""Processes that prepare batches: whatever happens to them, the batches are the same, and all of them come."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch.utils.data import Dataset

import textgan_lit
from tests.helpers.lives import CHECKOUT
from textgan_lit.data.loader import Endless, Fresh, Sentences, Shuffled
from textgan_lit.data.tiny import Tiny
from textgan_lit.errors import UserError
from textgan_lit.types import TextBatch

EVERYONE = slice(0, None, 1)
LOADER = """
import os, sys, time, multiprocessing, torch
from textgan_lit.data.loader import Endless, Sentences, Shuffled
from textgan_lit.types import TextBatch

tokens = torch.arange(4096).unsqueeze(1).repeat(1, 8)
loader = Endless(Sentences(TextBatch(tokens, tokens >= 0)), Shuffled(4096, 512, slice(0, None, 1), "data"), workers=2)
"""


@pytest.fixture
def sentences():
    tokens = torch.arange(23).unsqueeze(1).repeat(1, 2)
    return TextBatch(tokens, tokens >= 0)


def plan():
    return Shuffled(23, 5, EVERYONE, "data", 0)


def take(loader, n):
    return [batch.tokens for _, batch in zip(range(n), loader, strict=False)]


def harassed(loader, n):
    """The first n batches of a loader whose workers are killed twice."""
    found = []
    for _, batch in zip(range(n), loader, strict=False):
        found.append(batch.tokens)
        if len(found) in (3, 11):
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)
            for _ in range(100):  # the news of a death must not be raised in here, where a step is played
                time.sleep(0.001)
    return found


@pytest.mark.parametrize("fresh", [False, True])
def test_where_workers_are_killed_others_give_the_same_batches(sentences, fresh):
    def loader(workers=0):
        if fresh:
            return Endless(Fresh(Tiny(), 5, EVERYONE, "data", 0), lambda number: [number], workers=workers)
        return Endless(Sentences(sentences), plan(), workers=workers)

    uninterrupted, killed = take(loader(), 200), loader(workers=2)
    said = r"data\.workers: a worker died \(exit code -9\); others go on with batch \d+\."
    with pytest.warns(UserWarning, match=said) as warned:
        found = harassed(killed, 200)  # more than are prepared ahead
    assert len(found) == killed.position == 200
    assert all(got.equal(wanted) for got, wanted in zip(found, uninterrupted, strict=True))
    assert 1 <= sum("others go on" in str(one.message) for one in warned) <= 2
    assert not multiprocessing.active_children()


class Deadly(Dataset):
    def __getitems__(self, rows):
        os.kill(os.getpid(), signal.SIGKILL)


class Stuck(Dataset):
    def __getitems__(self, rows):
        signal.sigwait([signal.SIGUSR2])


@pytest.mark.parametrize(
    ("dataset", "said"),
    [(Deadly(), r"a worker died \(exit code -9\)"), (Stuck(), r"a worker had no batch after 0\.1 seconds")],
)
def test_workers_without_a_batch_end_the_run_with_the_way_out(monkeypatch, dataset, said):
    monkeypatch.setattr(textgan_lit.data.workers, "WAIT", 0.1 if isinstance(dataset, Stuck) else 30.0)
    with (
        pytest.warns(UserWarning, match=f"{said}; others go on with batch 4"),
        pytest.raises(UserError, match=rf"data\.workers=1: {said}, 4 times before batch 4 .* use data\.workers=0"),
    ):
        next(iter(Endless(dataset, plan(), position=4, workers=1)))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("error", [RuntimeError("a bug of its own"), UserError("no such file"), OSError(2, "gone")])
def test_an_error_in_a_worker_is_no_death(error):
    class Broken(Dataset):
        def __getitems__(self, rows):
            raise error

    with pytest.raises(type(error), match=str(error.args[-1])) as raised:
        next(iter(Endless(Broken(), plan(), workers=1)))
    assert "in __getitems__" in str(raised.value.__cause__)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_all_processes_leaves_the_workers_at_work(number, sentences):
    batches = iter(Endless(Sentences(sentences), plan(), workers=1))
    next(batches)
    workers = multiprocessing.active_children()
    for worker in workers:
        os.kill(worker.pid, number)
    for _ in range(2000):  # more than are fetched ahead
        next(batches)
    assert [worker.pid for worker in multiprocessing.active_children()] == [worker.pid for worker in workers]


def run(*lines):
    return subprocess.run(
        [sys.executable, "-c", LOADER + "\n".join(lines)], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )


def test_batches_need_no_shared_memory():
    """A limit on the size of files stands for a small /dev/shm."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    done = run(limit, "print(sum(len(batch.tokens) for _, batch in zip(range(9), loader)))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "4608\n", "")


def test_a_process_that_ends_in_mid_batch_waits_for_no_worker():
    done = run("batches = iter(loader)", "next(batches)", "print(len(multiprocessing.active_children()))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_the_workers_of_a_process_that_is_killed_are_gone_with_it():
    pids = "print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)"
    lines = [LOADER, "batches = iter(loader)", "next(batches)", pids, "time.sleep(60)"]
    with subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as killed:
        workers = killed.stdout.readline().split()
        assert len(workers) == 2
        killed.kill()
    latest = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{worker}") for worker in workers) and time.monotonic() < latest:
        time.sleep(0.05)
    assert not any(os.path.exists(f"/proc/{worker}") for worker in workers)
