"""What a run does when it is told to stop: ends its turn, saves its state, and says how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
from types import FrameType
from typing import Any, final

import pytorch_lightning as pl
import torch
from rich import get_console

from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.distributed import most, rank
from textgan_lit.errors import Interrupted
from textgan_lit.system import TextGAN


@final
class Interruption(pl.Callback):
    """SIGTERM and SIGINT (Ctrl+C) end a run after its turn, with the conventional exit code; twice, at once.

    In a SLURM job so does SIGUSR1 (``#SBATCH --signal=USR1@120``), after which the job is put back into the queue.
    """

    def __init__(self) -> None:
        self.received = 0

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """Here, after Lightning has set its own handlers; it puts back the old ones when it is done."""
        signals = [signal.SIGTERM, signal.SIGINT]
        for number in signals + [signal.SIGUSR1] * ("SLURM_JOB_ID" in os.environ):
            signal.signal(number, self._receive)

    on_test_start = on_train_start

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received == number:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        number = int(most(torch.tensor(self.received, device=system.device)))  # whichever rank was told
        if not number:
            return
        saved = [one.save(trainer, system) for one in trainer.callbacks if isinstance(one, Checkpoints)]
        if rank() == 0:
            way = f"Go on with resume={saved[0].parents[1]}" if saved else "Nothing keeps its state."
            said = f"{signal.Signals(number).name}: stopped after turn {system.clock.total:,}. {way}"
            get_console().print(said, highlight=False, markup=False, soft_wrap=True)
            if number == signal.SIGUSR1:
                requeue()
        raise Interrupted(number)

    def on_test_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if self.received:
            raise Interrupted(self.received)


def requeue() -> None:
    """Asks SLURM to start this job again."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    subprocess.run(["scontrol", "requeue", job], check=False)
