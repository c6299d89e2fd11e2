"""What it costs to watch a run: logging and panels, measuring, and keeping its states, as shares of its seconds.

Runs as users play them, through the command line, with every callback at its default interval and W&B offline: the
demo whole, and 50 adversarial cycles of SeqGAN at the published oracle's size, with an evaluation before and after
them. A clock in the run itself adds up what Lightning's validation loop, each callback's own hooks and the loggers
take, so both sides of every ratio are of one run. It takes some microseconds itself at every hook, which are counted,
too.

Three things are told apart. *Logging and panels*: rows, the samples' table, progress, what is printed. *Measuring*: the
truth, the proxies, the sentences that both look at; how large that is, is the experimenter's choice. *Keeping*: what
lets a run be stopped and taken up. What is paid once, however long a run is, is a row of its own, and so is W&B's
service, a process beside the run.
"""

from __future__ import annotations

import atexit
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl

from benchmarks import measure
from benchmarks.measure import NONE
from benchmarks.row import Row
from textgan_lit import play
from textgan_lit.callbacks.truth import TruthPanel
from textgan_lit.logger import CSV, WandB
from textgan_lit.system import TextGAN

MOST = 0.05
SHORT = (
    "model.schedule.pretrain_steps=1",
    "model.schedule.discriminator_pretrain_steps=0",
    "model.schedule.adversarial_steps=50",
)
PLAYED = {
    "the demo": (),
    "50 cycles of SeqGAN at the published oracle's size": ("model=seqgan", "data=oracle_lstm", *SHORT),
}
SAMPLING = "writing and reading the sentences"  # the validation loop without the callbacks that look at what it gives
BEGIN, END = "W&B's beginning", "W&B's end"
OURS = {CSV: "metrics.csv", WandB: "W&B's rows"}
KINDS = {
    "logging and panels": (
        "rows",
        *OURS.values(),
        "the console",
        "Steps",
        "SampleTable",
        "Progress",
        "WeightsAndBiases",
    ),
    "measuring": (SAMPLING, "TruthPanel", "Quality", "Health"),
    "keeping": ("Checkpoints", "Interruption", "Recovery", "Evaluations"),
}


@final
class Clock(pl.Callback):
    """Writes ``watching.json`` into ``folder``: processor seconds of the fit and of the test, and of their parts."""

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.spent: Counter[str] = Counter()
        self.inside: list[float] = []  # what was spent in the pieces within each piece that is being timed
        self.told: dict[str, Any] = {}
        for owner, name, said in ((WandB, "_begin", BEGIN), (WandB, "finalize", END), (play, "finish", END)):
            setattr(owner, name, self.timed(said, getattr(owner, name)))
        for logger, said in OURS.items():
            logger.log_metrics = self.timed(said, logger.log_metrics)
        TruthPanel._show = self.timed("the console", TruthPanel._show)
        atexit.register(self.tell)  # the earlier, the later it is called: when W&B's service has gone

    def setup(self, trainer: pl.Trainer, system: TextGAN, stage: str) -> None:
        if stage != "fit":
            return
        for callback in trainer.callbacks:
            for hook in (name for name in dir(callback) if name.startswith("on_") and callback is not self):
                if getattr(type(callback), hook) is not getattr(pl.Callback, hook, None):
                    setattr(callback, hook, self.timed(type(callback).__name__, getattr(callback, hook)))
        loop = trainer.fit_loop.epoch_loop.val_loop
        loop.run = self.timed(SAMPLING, loop.run)
        system.record = self.timed("rows", system.record)

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
        self.told["beginning"] = self.spent.total()
        self.spent.clear()
        self.since = time.process_time()

    def on_fit_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        fit = time.process_time() - self.since
        self.told |= {"fit": fit, "parts": dict(self.spent), "steps": dict(system.clock.steps)}

    def on_test_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.told["closing"] = time.process_time() - self.since - self.told["fit"]

    def tell(self) -> None:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.told |= {"end": self.spent[END], "service": used.ru_utime + used.ru_stime}
        (self.folder / "watching.json").write_text(json.dumps(self.told))


def rows() -> Iterator[Row]:
    for name, overrides in PLAYED.items():
        yield from shares(name, played(overrides))


def shares(name: str, found: dict[str, Any]) -> Iterator[Row]:
    """The rows of one run: each kind of what is not a step, what it is made of, and what is paid once."""
    fit, parts = found["fit"], found["parts"]
    kind_of = {part: kind for kind, of_kind in KINDS.items() for part in of_kind}
    for kind in KINDS:
        own = {part: spent for part, spent in parts.items() if kind_of[part] == kind}
        share = sum(own.values()) / fit
        target, met = (f"≤ {MOST}", share <= MOST) if kind == "logging and panels" else ("", None)
        yield Row(f"{kind}, over a run: {name}", sum(own.values()), fit, NONE, share, target, met)
        for part, spent in sorted(own.items(), key=lambda item: -item[1]):
            if spent > 0.002 * fit:
                yield Row(f"… {part}", spent, fit, NONE, spent / fit, "", None)
    once = {"beginning": "once, before the first step", "closing": "once, the closing table", "end": f"once, {END}"}
    for key, said in (once | {"service": "W&B's service, a process of its own"}).items():
        yield Row(f"… {said}", found[key], fit, NONE, found[key] / fit, "", None)


def played(overrides: tuple[str, ...]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        clock = "+callbacks.clock._target_=benchmarks.watching.Clock"
        measure.played(*overrides, clock, f"hydra.run.dir={folder}")
        return json.loads(Path(folder, "watching.json").read_text())
