"""A callback that ends its process at a step, as a power cut or a batch system would."""

import os
import shutil
import signal

import pytorch_lightning as pl


class Death(pl.Callback):
    """Does what the environment's DEATH says ("SIGKILL at 7 start"), at that step, by way of that hook, in the first
    process, in that of DEATH_RANK or in all (-1): sends itself the signal, raises an ERROR, hangs where Python handles
    no signal (HANG), or presses CTRL+C."""

    def __init__(self):
        self.what, _, step, self.hook = os.environ.get("DEATH", "SIGKILL at -1 start").split()
        self.step, self.rank = int(step), int(os.environ.get("DEATH_RANK", 0))

    def _die(self, system, hook):
        if (system.clock.total, hook) != (self.step, self.hook) or self.rank not in (system.global_rank, -1):
            return
        if self.what == "ERROR":
            raise ArithmeticError("one process failed")
        if self.what == "HANG":
            signal.sigwait([signal.SIGUSR2])
        elif self.what == "CTRL+C":
            os.killpg(0, signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.Signals[self.what])

    def setup(self, trainer, system, stage):
        self._die(system, f"setup_{stage.value}")

    def on_fit_start(self, trainer, system):
        self._die(system, "fit")

    def on_train_batch_start(self, trainer, system, *_):
        self._die(system, "start")

    def on_train_batch_end(self, trainer, system, *_):
        self._die(system, "end")

    def on_validation_batch_end(self, trainer, system, *_):
        self._die(system, "evaluation")

    def on_test_batch_end(self, trainer, system, *_):
        self._die(system, "test")


class Thief(pl.Callback):
    """Takes the run's folder away in mid-run."""

    def on_train_batch_end(self, trainer, system, *_):
        if system.clock.total == 5:
            folder = next(one.folder for one in trainer.callbacks if type(one).__name__ == "TruthPanel")
            shutil.rmtree(folder)
