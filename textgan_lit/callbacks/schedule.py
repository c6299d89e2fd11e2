"""When a run is evaluated: by the turns of a move, at every change of phase, and at the end."""

from __future__ import annotations

from typing import Annotated, Any, final

import pytorch_lightning as pl
from annotated_types import Ge

from textgan_lit.system import TextGAN

NEVER = 10**12


@final
class Schedule(pl.Callback):
    """Lets Lightning's validation loop run after every n-th turn of a move.

    Lightning counts batches; here a batch is a turn of one of several moves, and phases end when they end. So this
    callback says, turn by turn, whether the next check is due (``trainer.val_check_batch``). ``likelihood``,
    ``discriminator`` and ``generator`` are turns between evaluations (0: only when the phase changes).
    """

    def __init__(
        self,
        likelihood: Annotated[int, Ge(0)] = 0,
        discriminator: Annotated[int, Ge(0)] = 0,
        generator: Annotated[int, Ge(0)] = 50,
    ):
        self.every = {"likelihood": likelihood, "discriminator": discriminator, "generator": generator}
        self.phase: str | None = None

    def on_train_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        trainer.val_check_batch = NEVER
        self.phase = self._phase(system)

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Any, *_: Any) -> None:
        every, turns = self.every[outputs["move"]], system.clock.turns[outputs["move"]]
        before, self.phase = self.phase, self._phase(system)
        last = self.phase is None or system.clock.total == trainer.max_steps
        due = last or self.phase != before or (every > 0 and turns % every == 0)
        trainer.val_check_batch = 1 if due else NEVER

    @staticmethod
    def _phase(system: TextGAN) -> str | None:
        phase = system.program.phase(system.clock)
        return phase and phase.name
