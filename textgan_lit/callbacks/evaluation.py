"""When a run is evaluated: by the steps of an update, at every change of phase, and at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, final

import pytorch_lightning as pl
from annotated_types import Ge

from textgan_lit.system import TextGAN
from textgan_lit.types import UPDATES

NEVER = 10**12


@final
class Evaluations(pl.Callback):
    """Lets Lightning's validation loop run after every n-th step of an update.

    Lightning counts batches; here a batch is a step of one of several updates, and phases end when they end. So this
    callback says, step by step, whether the next check is due (``trainer.val_check_batch``). ``every`` gives for each
    update the steps between evaluations (0: only when the phase changes).
    """

    def __init__(self, every: Mapping[Literal[UPDATES], Annotated[int, Ge(0)]]):
        self.every = dict.fromkeys(UPDATES, 0) | dict(every)
        self.phase: str | None = None

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        trainer.val_check_batch = NEVER
        self.phase = self._phase(system)

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Any, *_: Any) -> None:
        every, steps = self.every[outputs["update"]], system.clock.steps[outputs["update"]]
        before, self.phase = self.phase, self._phase(system)
        last = self.phase is None or system.clock.total == trainer.max_steps
        due = last or self.phase != before or (every > 0 and steps % every == 0)
        trainer.val_check_batch = 1 if due else NEVER

    @staticmethod
    def _phase(system: TextGAN) -> str | None:
        phase = system.schedule.phase(system.clock)
        return phase and phase.name
