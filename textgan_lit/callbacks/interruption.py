"""What a run does when it is told to stop: ends its turn, saves its state, and says how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import Any, final

import pytorch_lightning as pl

from textgan_lit import terminal
from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.distributed import greatest, rank
from textgan_lit.errors import Interrupted
from textgan_lit.system import TextGAN

AGAIN = 2.0  # seconds: what comes sooner is the same signal by another way (a terminal's, and then torchrun's)


@final
class Interruption(pl.Callback):
    """SIGTERM and SIGINT (Ctrl+C) end a run after its turn, with the conventional exit code; a second time, at once.

    Whichever process is told, all of them stop after the same turn. In a SLURM job so does SIGUSR1
    (``#SBATCH --signal=USR1@120``), after which the job is put back into the queue.
    """

    def __init__(self) -> None:
        self.received = 0
        self.pipe: int | None = None

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """Here, after Lightning has set its own handlers; it puts back the old ones when it is done."""
        signals = [signal.SIGTERM, signal.SIGINT]
        for number in signals + [signal.SIGUSR1] * ("SLURM_JOB_ID" in os.environ):
            signal.signal(number, self._receive)
        reading, self.pipe = os.pipe()
        os.set_blocking(self.pipe, False)
        signal.set_wakeup_fd(self.pipe, warn_on_full_buffer=False)
        threading.Thread(target=_insist, args=(reading, set(signals)), daemon=True, name="insist").start()

    on_test_start = on_train_start

    def teardown(self, *_: Any, **__: Any) -> None:
        if self.pipe is not None:
            signal.set_wakeup_fd(-1)
            os.close(self.pipe)
            self.pipe = None

    on_exception = teardown

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if number := self._told(system):
            saved = [one.save(trainer, system) for one in trainer.callbacks if isinstance(one, Checkpoints)]
            way = f"Go on with resume={saved[0].parents[1]}" if saved else "Nothing keeps its state."
            self._leave(system, number, f"stopped after turn {system.clock.total:,}. {way}")

    def on_test_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if number := self._told(system):
            self._leave(system, number, "stopped before the last evaluation, with all turns played and saved.")

    def _told(self, system: TextGAN) -> int:
        """The signal that some process has received; all of them must ask."""
        return greatest(self.received, system.device)

    def _leave(self, system: TextGAN, number: int, said: str) -> None:
        if rank() == 0:
            lines = [f"{signal.Signals(number).name}: {said}"]
            if number == signal.SIGUSR1:
                lines += requeue(sys.argv)
            terminal.console().print("\n".join(lines), highlight=False, soft_wrap=True)
        raise Interrupted(number)


def _insist(pipe: int, signals: set[int]) -> None:
    """Ends the process at a signal that comes again, even where its turn hangs and Python can handle none: they are
    read from ``pipe``, until it is closed."""
    first: dict[int, float] = {}
    while told := os.read(pipe, 1):
        now = time.monotonic()
        if told[0] in signals and now - first.setdefault(told[0], now) > AGAIN:
            os._exit(128 + told[0])
    os.close(pipe)


def requeue(words: list[str]) -> list[str]:
    """Asks SLURM to start this job again; what there is to say of it. ``words`` are the run's command line."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return [f"SLURM did not put job {job} back into the queue ({error}). Submit it again."]
    resumes = any(word.startswith("resume=") for word in words)
    without = " Its command has no resume=true, so it will start anew: give it one."
    return [f"Job {job} is back in the queue." + ("" if resumes else without)]
