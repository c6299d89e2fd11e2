"""Lightning's Trainer as a run has it: what may be set, and what the design has fixed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, final

import pytorch_lightning as pl
from annotated_types import Ge, Interval, MaxLen
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import CheckpointFiles
from textgan_lit.run.ranks import JobDDP, started_outside, surroundings

SHARED = 4  # processes a CPU: to try what several do; far more are a slip of the finger
MOST = 4096  # of devices in a node, and of nodes: no cluster has so many, and Lightning keeps a list of them

FIXED = {  # a batch is a step: the schedule says how many there are, and the run's own callbacks when to evaluate
    "max_epochs": -1,
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "log_every_n_steps": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@final
@dataclass(frozen=True)
class Settings:
    """The keys of the group ``trainer``: Lightning's own, and ``timeout``, the minutes that one of several processes
    waits for another. ``max_steps`` are steps; -1: as many as the schedule plays."""

    accelerator: str = "cpu"
    devices: Annotated[int, Interval(ge=-1, le=MOST)] | Literal["auto"] | Annotated[list[int], MaxLen(MOST)] = 1
    num_nodes: Annotated[int, Interval(ge=1, le=MOST)] = 1
    precision: int | str = "32-true"
    max_steps: Annotated[int, Ge(1)] | Literal[-1] = -1
    max_time: str | dict[str, int] | None = None
    deterministic: bool | Literal["warn"] = "warn"
    limit_val_batches: int | float = 1.0
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    timeout: Annotated[float, Interval(gt=0, le=10_080)] = 10.0  # a week: later ones are no time for the system


def make(settings: Settings, callbacks: Sequence[pl.Callback], loggers: Sequence[Any]) -> pl.Trainer:
    """The Trainer of ``settings``.

    Raises:
        UserError: where Lightning refuses a value, or the processes are not those that were started.
    """
    given, cpus = asdict(settings), os.cpu_count() or 1
    timeout = given.pop("timeout")
    if (settings.devices, settings.num_nodes) != (1, 1):
        given["strategy"] = JobDDP(timeout=timeout)
    saves = any(isinstance(callback, Checkpoint) for callback in callbacks)  # Lightning's own, beside ours
    own = {"callbacks": list(callbacks), "logger": list(loggers) or False, "enable_checkpointing": saves}
    try:
        made = pl.Trainer(**given, **FIXED, **own, plugins=[CheckpointFiles(), *surroundings()])
    except (MisconfigurationException, ImportError, ValueError, TypeError, OverflowError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise UserError(
            f"trainer: {line} Look at the trainer group (trainer=cpu, ddp_cpu or gpu) and its keys."
        ) from error
    if isinstance(made.accelerator, CPUAccelerator) and made.num_devices > SHARED * cpus:
        raise UserError(
            f"trainer.devices={settings.devices}, but this machine has {cpus} CPUs. Give at most {SHARED * cpus}; more "
            "processes than CPUs gain nothing."
        )
    started = started_outside()
    if started not in (None, made.world_size):
        raise UserError(
            f"{started} processes were started from outside (torchrun, srun), but trainer.devices={settings.devices} "
            f"and trainer.num_nodes={settings.num_nodes} make {made.world_size}. Give the processes of a node, and the "
            "nodes."
        )
    return made
