"""A callback that ends its process at a turn, as a power cut or a batch system would."""

import os
import shutil
import signal

import pytorch_lightning as pl


class Death(pl.Callback):
    """Sends the signal named by the environment's DEATH ("SIGKILL at 7 start"), at that turn, by way of that hook."""

    def __init__(self):
        name, _, turn, self.hook = os.environ.get("DEATH", "SIGKILL at -1 start").split()
        self.signal, self.turn = signal.Signals[name], int(turn)

    def _die(self, system, hook):
        if (system.clock.total, hook) == (self.turn, self.hook):
            os.kill(os.getpid(), self.signal)

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
