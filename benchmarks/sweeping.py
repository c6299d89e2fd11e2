"""What a sweep's trial costs beside its turns: the same command with one trial and with many.

The tiny world, as small as a trial can be, W&B offline, one process. What a further trial takes is the difference of
two commands, their children counted; what of it were turns, evaluations between them included, a clock in the run says.
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
WORDS = ("-m", "sweep=optuna", "data=tiny", "debug=smoke", "data.workers=0", "model.program.k=1,2")


@final
class Clock(pl.Callback):
    """Writes ``turns.json`` into ``folder``: processor seconds of the fit."""

    def __init__(self, folder: str):
        self.folder = Path(folder)

    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.since = time.process_time()

    def on_fit_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        (self.folder / "turns.json").write_text(json.dumps(time.process_time() - self.since))


def rows() -> Iterator[Row]:
    (first, _), (all_, turns) = played(FEW), played(MANY)
    trial = (all_ - first) / (MANY - FEW)
    turns = statistics.fmean(turns[FEW:])
    beside = trial - turns
    said = "a trial beside its turns, sweep=optuna on the tiny world"
    yield Row(said, beside, turns, NONE, beside, f"≤ {MOST:g} s", beside <= MOST)
    count, seconds = PROMISED
    whole = first + (count - 1) * trial
    yield Row(
        f"… so {count} trials in one process", whole, NONE, NONE, whole / seconds, "≤ 1: 10 minutes", whole <= seconds
    )


def played(trials: int) -> tuple[float, list[float]]:
    """Processor seconds of the whole command, and of the turns of each trial."""
    with tempfile.TemporaryDirectory() as folder:
        clock = (
            "+callbacks.clock._target_=benchmarks.sweeping.Clock",
            "+callbacks.clock.folder=${hydra:runtime.output_dir}",
        )
        before = used()
        measure.played(*WORDS, *clock, f"hydra.sweep.dir={folder}", f"hydra.sweeper.n_trials={trials}")
        spent = used() - before
        places = (Path(folder, str(number), "turns.json") for number in range(trials))
        return spent, [json.loads(place.read_text()) for place in places]


def used() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
