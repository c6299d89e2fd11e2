"""A progress bar for each phase, with steps and throughput. Silent where nobody watches a terminal."""

from __future__ import annotations

from typing import Any, final

import pytorch_lightning as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from textgan_lit.run import terminal
from textgan_lit.system import TextGAN

LABELS = {"pretrain": "pretraining", "discriminator_pretrain": "discriminator pretraining", "adversarial": "game"}


@final
class Bar(pl.Callback):
    """One bar a phase: done / total steps of the update that the phase counts, and steps of any update a second."""

    def __init__(self) -> None:
        self.bar: Progress | None = None
        self.task: Any = None
        self.phase: str | None = None
        self.counted = ""  # whose steps this phase counts

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if trainer.is_global_zero and terminal.console().is_terminal:
            columns = [TextColumn("{task.description:>22}"), BarColumn(), MofNCompleteColumn()]
            columns += [TextColumn("{task.fields[rate]:>7.0f} steps/s, all updates"), TimeElapsedColumn()]
            self.bar = Progress(*columns, console=terminal.console())
            self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        phase = system.schedule.phase(system.clock)
        if self.bar is None or phase is None:
            return
        if phase.name != self.phase:
            self._finish(system)
            self.phase, self.counted = phase.name, phase.update
            self.task = self.bar.add_task(LABELS[phase.name], total=phase.total, rate=0.0)
            self.first = system.clock.total
        elapsed = self.bar.tasks[-1].elapsed or 1e-9
        self.bar.update(self.task, completed=phase.done, rate=(system.clock.total - self.first) / elapsed)

    def _finish(self, system: TextGAN) -> None:
        if self.task is not None:  # pretraining may end before its cap: what it did is all there was
            done = system.clock.steps[self.counted]
            self.bar.update(self.task, completed=done, total=done)
            self.bar.stop_task(self.task)

    def on_train_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if self.bar is not None:
            self._finish(system)
            self.bar.stop()
            self.bar = None

    def on_exception(self, trainer: pl.Trainer, system: TextGAN, exception: BaseException) -> None:
        self.on_train_end(trainer, system)
