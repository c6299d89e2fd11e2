"""What it costs to watch a run: evaluations, panels, samples and logging, as a share of all of its seconds.

Runs as users play them, through the command line, with every callback at its default interval and W&B offline: the
demo whole, and 50 duel cycles of SeqGAN at the published oracle's size, with an evaluation before and after them. A
clock in the run itself adds up what Lightning's validation loop and each callback's own hooks take, so both sides of
the ratio are of one run. The closing table, after the last turn, is a row of its own: it is paid once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl

from benchmarks.measure import NONE
from benchmarks.row import Row
from textgan_lit.system import TextGAN

MOST = 0.05
SHORT = ("model.program.warm_up=1", "model.program.discriminator_warm_up=0", "model.program.duel=50")
PLAYED = {
    "the demo": (),
    "50 cycles of SeqGAN at the published oracle's size": ("model=seqgan", "data=oracle_lstm", *SHORT),
}
SAMPLING = "writing and reading the sentences"  # the validation loop without the callbacks that look at what it gives


@final
class Clock(pl.Callback):
    """Writes ``watching.json`` into ``folder``: processor seconds of the fit and of the test, and of their parts."""

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.spent: Counter[str] = Counter()
        self.inside: list[float] = []  # what was spent in the pieces within each piece that is being timed

    def setup(self, trainer: pl.Trainer, system: TextGAN, stage: str) -> None:
        if stage != "fit":
            return
        for callback in trainer.callbacks:
            for hook in (name for name in dir(callback) if name.startswith("on_") and callback is not self):
                if getattr(type(callback), hook) is not getattr(pl.Callback, hook, None):
                    setattr(callback, hook, self.timed(type(callback).__name__, getattr(callback, hook)))
        loop = trainer.fit_loop.epoch_loop.val_loop
        loop.run = self.timed(SAMPLING, loop.run)

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            since = time.process_time()
            self.inside.append(0.0)
            try:
                return work(*given, **named)
            finally:
                took = time.process_time() - since
                self.spent[name] += took - self.inside.pop()
                if self.inside:
                    self.inside[-1] += took

        return run

    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.spent.clear()
        self.since = time.process_time()

    def on_fit_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.fit, self.parts = time.process_time() - self.since, dict(self.spent)

    def on_test_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        closing = time.process_time() - self.since - self.fit
        told = {"fit": self.fit, "closing": closing, "parts": self.parts, "turns": dict(system.clock.turns)}
        (self.folder / "watching.json").write_text(json.dumps(told))


def rows() -> Iterator[Row]:
    for name, words in PLAYED.items():
        found = played(words)
        watched = sum(found["parts"].values())
        share = watched / found["fit"]
        yield Row(f"watching, over a run: {name}", watched, found["fit"], NONE, share, f"≤ {MOST}", share <= MOST)
        for part, spent in sorted(found["parts"].items(), key=lambda item: -item[1]):
            if spent > 0.002 * found["fit"]:
                yield Row(f"… {part}", spent, found["fit"], NONE, spent / found["fit"], "", None)
        share = found["closing"] / found["fit"]
        yield Row("… the closing table, once", found["closing"], found["fit"], NONE, share, "", None)


def played(words: tuple[str, ...]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        clock = ["+callbacks.clock._target_=benchmarks.watching.Clock", f"+callbacks.clock.folder={folder}"]
        command = [sys.executable, "-m", "textgan_lit.cli", *words, *clock, f"hydra.run.dir={folder}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(folder, "watching.json").read_text())
