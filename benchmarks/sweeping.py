"""What a sweep's trial costs beside its steps: the same command with one trial and with many.

The tiny world, as small as a trial can be, W&B offline, one process. What a further trial takes is the difference of
two commands, their children counted; what of it were steps, evaluations between them included, a clock in the run says.
The rest is composing, building, the closing table, checkpoints, W&B's beginning and end, and Optuna.
"""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import final

import pytorch_lightning as pl

from benchmarks import measure
from benchmarks.measure import NONE
from benchmarks.row import Row
from textgan_lit.system import TextGAN

FEW, MANY = 1, 13
MOST = 3.0  # seconds a trial
PROMISED = 200, 600.0  # trials, and the seconds in which they should have been played
OVERRIDES = ("-m", "sweep=optuna", "data=tiny", "debug=smoke", "data.workers=0", "model.schedule.k=1,2")


@final
class Clock(pl.Callback):
    """Writes ``steps.json`` into ``folder``: processor seconds of the fit."""

    def __init__(self, folder: str):
        self.folder = Path(folder)

    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.since = time.process_time()

    def on_fit_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        (self.folder / "steps.json").write_text(json.dumps(time.process_time() - self.since))


def rows() -> Iterator[Row]:
    (first, _), (all_, steps) = played(FEW), played(MANY)
    trial = (all_ - first) / (MANY - FEW)
    steps = statistics.fmean(steps[FEW:])
    beside = trial - steps
    said = "a trial beside its steps, sweep=optuna on the tiny world"
    yield Row(said, beside, steps, NONE, beside, f"≤ {MOST:g} s", beside <= MOST)
    count, seconds = PROMISED
    whole = first + (count - 1) * trial
    yield Row(
        f"… so {count} trials in one process", whole, NONE, NONE, whole / seconds, "≤ 1: 10 minutes", whole <= seconds
    )


def played(trials: int) -> tuple[float, list[float]]:
    """Processor seconds of the whole command, and of the steps of each trial."""
    with tempfile.TemporaryDirectory() as folder:
        clock = ("+callbacks.clock._target_=benchmarks.sweeping.Clock",)
        before = used()
        measure.played(*OVERRIDES, *clock, f"hydra.sweep.dir={folder}", f"hydra.sweeper.n_trials={trials}")
        spent = used() - before
        places = (Path(folder, str(number), "steps.json") for number in range(trials))
        return spent, [json.loads(place.read_text()) for place in places]


def used() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
