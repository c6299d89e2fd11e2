"""What a run does when it is told to stop: ends its step, saves its state, and says how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any, final

import pytorch_lightning as pl

from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.errors import Interrupted
from textgan_lit.run import process
from textgan_lit.run.distributed import greatest_of, rank
from textgan_lit.system import TextGAN


@final
class Interruption(pl.Callback):
    """SIGTERM and SIGINT (Ctrl+C) end a run after its step, with the conventional exit code.

    Whichever process is told, all of them stop after the same step. In a SLURM job so does SIGUSR1
    (``#SBATCH --signal=USR1@120``), after which the job is put back into the queue.
    """

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """Here, after Lightning has set its own handlers; it puts back the old ones when it is done."""
        process.hear(*process.STOP, *[signal.SIGUSR1] * ("SLURM_JOB_ID" in os.environ))
        process.postpone(True)

    on_test_start = on_train_start

    def teardown(self, *_: Any, **__: Any) -> None:
        process.postpone(False)

    def on_exception(self, trainer: pl.Trainer, system: TextGAN, exception: BaseException) -> None:
        process.postpone(isinstance(exception, Interrupted))  # which is what the signal wanted

    def on_train_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if number := self._told(system):
            saved = [one.save(trainer, system) for one in trainer.callbacks if isinstance(one, Checkpoints)]
            way = f"Go on with resume={saved[0].parents[1]}" if saved else "Nothing keeps its state."
            self._leave(system, number, f"stopped after step {system.clock.total:,}. {way}")

    def on_test_batch_start(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if number := self._told(system):
            self._leave(system, number, "stopped before the last evaluation, with all steps played and saved.")

    def _told(self, system: TextGAN) -> int:
        """The signal that some process has received; all of them must ask."""
        return greatest_of(process.received(), system.device)

    def _leave(self, system: TextGAN, number: int, said: str) -> None:
        lines = [f"{signal.Signals(number).name}: {said}"]
        if rank() == 0 and number == signal.SIGUSR1:
            lines += requeue(sys.argv)
        raise Interrupted(number, *lines)


def requeue(overrides: list[str]) -> list[str]:
    """Asks SLURM to start this job again; what there is to say of it. ``overrides`` are its command line."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return [f"SLURM did not put job {job} back into the queue ({error}). Submit it again."]
    resumes = any(override.startswith("resume=") for override in overrides)
    without = " Its command has no resume=true, so it will start anew: give it one."
    return [f"Job {job} is back in the queue." + ("" if resumes else without)]
