"""What a run does about a step that is at fault: without its step it stops, goes on or goes back."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
import torch

from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.errors import UserError
from textgan_lit.logger import alert
from textgan_lit.model.moments import whole
from textgan_lit.model.objective import Loss
from textgan_lit.run import terminal
from textgan_lit.run.checkpoint import newest
from textgan_lit.run.distributed import rank
from textgan_lit.run.files import replace
from textgan_lit.run.schema import Count, form
from textgan_lit.system import TextGAN


@final
class Recovery(pl.Callback):
    """Does what ``faults.policy`` says, and keeps the checkpoint before a fault as ``before-fault-step-….ckpt``.

    All ranks see the same faults and do the same.
    """

    form = form(left_out=Count, rollbacks=Count, streak=Count, target=str | None)  # what a resumed run must know

    def __init__(self) -> None:
        self.left_out = self.rollbacks = 0  # steps, since the run began
        self.streak = 0  # faults in a row; under rollback those that went back to ``target``
        self.target: str | None = None

    def on_before_optimizer_step(self, trainer: pl.Trainer, system: TextGAN, optimizer: torch.optim.Optimizer) -> None:
        """Before the step, which then does nothing: what follows in the step sees players that are whole again."""
        fault, faults = system.fault, system.faults
        if fault is None:
            self.streak = self.streak if self.target else 0  # what went back once may have to do so again
            return
        files = next((one for one in trainer.callbacks if isinstance(one, Checkpoints)), None)
        found = newest(files.folder, warnings.warn) if files else None
        last = None if found is None else found.path
        if faults.policy == "rollback" and last is not None and last.name != self.target:
            self.streak, self.target = 0, last.name
        saved = keep(last, fault.step, files.keep) if last is not None and self.streak == 0 else last
        update = system.updates[fault.update]
        said = fault.said(update.max_grad_norm, payers(update.loss))
        if self.streak in (0, faults.patience):  # the first of a row, and the one that ends the run
            alert(trainer.loggers, f"A step's {fault.kind} is no number to learn from", said)
        if faults.policy == "stop":
            raise UserError(f"{said} Or faults.policy=skip or rollback. {_way_back(saved)}")
        self.streak += 1
        if self.streak > faults.patience:
            again = f"{faults.policy} has not helped {faults.patience} times in a row (faults.patience)."
            raise UserError(f"{said} {again} {_way_back(saved)}")
        self.left_out += 1
        back = faults.policy == "rollback" and found is not None
        if back:
            go_back(trainer, system, found.state)
            self.rollbacks += 1
        if back or self.streak == 1:
            done = f"Both players are as in {last.name} again." if back else "Its step is left out."
            _say(f"{said} {done}")

    def on_train_batch_end(self, trainer: pl.Trainer, system: TextGAN, *_: Any) -> None:
        if system.fault is not None:
            system.record({"faults/left_out": float(self.left_out), "faults/rollbacks": float(self.rollbacks)})

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.form.model_fields}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def keep(last: Path, step: int, most: int) -> Path:
    """A copy of ``last`` that outlives the next ones; the last ``most`` such copies are kept."""
    path = last.with_name(f"before-fault-step-{step:08d}.ckpt")
    if rank() == 0:
        with suppress(OSError):
            replace(path, last.read_bytes())
        for old in sorted(path.parent.glob("before-fault-step-*.ckpt"))[:-most]:
            old.unlink()
    return path


def payers(objective: Loss) -> str:
    """The parts that make an objective's rewards, by name: where a number is none, it is likely of one of them."""
    inner = getattr(objective, "objective", objective)  # what is regularised
    named = {name: getattr(inner, name, None) for name in ("reward", "credit", "baseline")}
    return ", ".join(f"{name} {type(part).__name__}" for name, part in named.items() if part is not None)


def go_back(trainer: pl.Trainer, system: TextGAN, state: dict[str, Any]) -> None:
    """Weights, optimizers and the objectives' memory as in ``state``.

    The clock and all that counts by it go on: the schedule, its rule and its learning rates, held-out checks, what was
    consumed. Noise and batches belong to the step, so what follows is another attempt and not the same one again.
    """
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in trainer.optimizers]
    system.load_state_dict(state["state_dict"])
    kept = zip(state["optimizer_states"], trainer.optimizers, strict=True)
    trainer.strategy.load_optimizer_state_dict({"optimizer_states": [whole(*both) for both in kept]})
    for optimizer, kept in zip(trainer.optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, kept, strict=True):
            group["lr"] = rate


def _way_back(saved: Path | None) -> str:
    return f"The state before it: resume={saved}" if saved else "No state was saved before it."


def _say(line: str) -> None:
    if rank() == 0:
        terminal.say(line)
