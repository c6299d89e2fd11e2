"""A run from its configuration to its objective: build → fit → test."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CPUAccelerator

from textgan_lit.build import experiment, fitting, parts, players, restore, trust
from textgan_lit.callbacks.interruption import Interruption
from textgan_lit.callbacks.recovery import Recovery
from textgan_lit.clock import duration
from textgan_lit.errors import UserError
from textgan_lit.logger import finish
from textgan_lit.metrics.fresh_critic import KEY, FreshCritic
from textgan_lit.run import credentials, ending, provenance, terminal
from textgan_lit.run.checkpoint import Saved, chosen, kept, named, newest
from textgan_lit.run.closing_table import estimate
from textgan_lit.run.distributed import lost
from textgan_lit.run.folder import rewind
from textgan_lit.run.memory import keep_freed_memory
from textgan_lit.run.process import first
from textgan_lit.run.ranks import dismiss
from textgan_lit.system import TextGAN
from textgan_lit.types import Seed, Threads


def play(
    config: Mapping[str, Any], folder: str | Path, sweep: bool = False, overrides: Sequence[str] = ()
) -> float | None:
    """Plays a run in ``folder`` and returns the sweep's objective on the test sentences, in nats: the true JSD, or
    where P is unknown a fresh critic's bound on it.

    None where neither is measured; a ``sweep`` is refused there. ``config`` is the resolved configuration as plain
    containers, ``overrides`` what was said on the command line.
    """
    folder = Path(folder).resolve()
    _check(config, folder)
    _prepare(config, folder)
    data = experiment.data(config, players.opener(config))
    if sweep:
        _check_objective(data, config)
    state = _saved(config["resume"], folder) if config.get("resume") else None
    system = experiment.system(config, data, players.sources(config) if state is None else {})
    fitting.check_overrides(overrides, system.updates, config["trainer"])
    callbacks = [Interruption(), Recovery(), *experiment.callbacks(config, data, folder)]
    if config.get("resume"):
        _take_up(state, folder, system, callbacks, data)
    trainer = experiment.trainer(config, callbacks, folder)
    trainer.strategy.checkpoint_io.taken_up = state
    fitting.check_shares(system, data, trainer.world_size)
    if first():
        provenance.write(folder, config)
        _say_what(data, system, trainer)
        _say_start(config, state)
    failed = True
    try:
        _fit_and_test(trainer, system, data, state)
        failed = False
        return _end(trainer, system, folder, sweep)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}, so the run in {folder} had to stop. "
            f"Its checkpoints are as they were: see to the disk, then go on with resume={folder}."
        ) from error
    except RuntimeError as error:
        if not lost(error):
            raise
        raise UserError(
            f"Another process of this run failed, so the run in {folder} had to stop. What that one said is the "
            f"reason; if nothing, it was killed. Then go on with resume={folder}."
        ) from None
    finally:
        dismiss(trainer.strategy, failed)
        finish(failed=failed)  # W&B's run: the next job of a multirun is a run of its own


def _fit_and_test(trainer: pl.Trainer, system: TextGAN, data: Any, state: Saved | None) -> None:
    if state is None or state.state["textgan_lit"]["upcoming"] is not None:
        trainer.fit(system, datamodule=data, ckpt_path=state and state.path)
        state = None
    trainer.test(system, datamodule=data, ckpt_path=state and state.path, verbose=False)
    if trainer.is_global_zero and (profile := trainer.profiler.summary()):  # Lightning would log it, where nobody looks
        terminal.console().print(profile, highlight=False, soft_wrap=True)


def _end(trainer: pl.Trainer, system: TextGAN, folder: Path, sweep: bool) -> float | None:
    """Says where the run is, or what a job of a sweep has reached; the sweep's objective."""
    measured = trainer.callback_metrics
    if trainer.is_global_zero:
        job = [told(folder, measured, system.stopwatch.read()["seconds"])]
        terminal.say(*(job if sweep else ending.of_run(folder)))
    return objective(measured)


def objective(measured: Mapping[str, Any]) -> float | None:
    """What a sweep makes small: the truth where it is known, else the bound of the critic that is the same for all."""
    key = _objective(measured)
    return None if key is None else float(measured[key])


def _objective(measured: Mapping[str, Any]) -> str | None:
    fresh = (key for key in measured if key.startswith(f"test/{KEY}") and not key.endswith("_se"))
    return "test/truth/jsd" if "test/truth/jsd" in measured else next(fresh, None)


def told(folder: Path, measured: Mapping[str, Any], seconds: float) -> str:
    """A job of a sweep that has finished, in a line."""
    key = _objective(measured)
    name = "true JSD" if key == "test/truth/jsd" else "fresh critic's bound on JSD"
    reached = f"{name} {estimate(float(measured[key]), float(measured[f'{key}_se']))}, " if key else ""
    return f"{ending.near(folder)}: {reached}{duration(seconds)}"


def _check(config: Mapping[str, Any], folder: Path) -> None:
    if isinstance(config.get("resume"), str):  # the overrides came with the folder, whoever wrote them
        trust.check(config, config["trust"])
        trust.check_paths(config, folder)
    credentials.refuse(config)  # where they were interpolations until now


def _check_objective(data: Any, config: Mapping[str, Any]) -> None:
    if getattr(data, "oracle", None) is None and not _has_fresh_critic(config):
        raise UserError(
            "A sweep needs data with a known truth to rank its runs by, or a fresh critic: a run's own bound may be "
            "low because its discriminator is bad. Use metrics=text, or sweep on an oracle (data=mixture, …)."
        )


def _has_fresh_critic(config: Mapping[str, Any]) -> bool:
    chosen = config.get("metrics") or {}
    parts = [part for stage in ("evaluation", "closing") for part in (chosen.get(stage) or {}).values() if part]
    name = f"{FreshCritic.__module__}.{FreshCritic.__qualname__}"
    return any(part.get("_target_") == name for part in parts)


def _saved(resume: bool | str, folder: Path) -> Saved | None:
    """The state that the run goes on from; None where there is none yet."""
    if isinstance(resume, str) and resume.endswith(".ckpt"):
        return chosen(Path(resume).resolve())
    return newest(folder / "checkpoints", _warn)


def _take_up(state: Saved | None, folder: Path, system: TextGAN, callbacks: Sequence[pl.Callback], data: Any) -> None:
    """Looks at the state that the run goes on from; then what was written after it is taken away."""
    if state is not None:
        restore.check_state(state, system, callbacks, data)
    if first():
        _rewind(folder, state)


def _rewind(folder: Path, state: Saved | None) -> None:
    step = sum(state.state["textgan_lit"]["steps"].values()) if state else -1
    said = f"after step {step:,}." if state else "from the beginning: there is no whole checkpoint."
    terminal.say(f"Going on {said}")
    rewind(folder, step)
    for later in kept(folder / "checkpoints"):
        if state and later > named(folder / "checkpoints", step):
            later.unlink()


def _warn(line: str) -> None:
    if first():
        print(f"textgan_lit: {line}", file=sys.stderr)


def _prepare(config: Mapping[str, Any], folder: Path) -> None:
    """Threads, memory and seed; keeps W&B's files inside the run, and the console for what the run has to say."""
    torch.set_num_threads(parts.setting(config["threads"], Threads, "threads"))
    keep_freed_memory()
    pl.seed_everything(parts.setting(config["seed"], Seed, "seed"), workers=True, verbose=False)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        os.environ[name] = str(folder / "wandb")
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it reports on itself at every row, a third of its cost
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.raiseExceptions = False  # else each line for a log on a full disk is a traceback; the run says so itself
    for message in (
        ".*does not have many workers.*",
        ".*`isinstance.treespec, LeafSpec.`.*",
        ".*exists and is not empty.*",
        ".*your dataloader is not resumable.*",  # ours begins at the clock's step
        ".*in eval mode at the start of training.*",  # frozen copies of the generator
    ):
        warnings.filterwarnings("ignore", message)


def _say_what(data: Any, system: TextGAN, trainer: pl.Trainer) -> None:
    console, here, cpus = terminal.console(), trainer.num_devices, os.cpu_count() or 1
    if isinstance(trainer.accelerator, CPUAccelerator) and here > cpus:
        console.print(f"{here} processes share {cpus} CPUs: the same game, no faster.", highlight=False)
    oracle = getattr(data, "oracle", None)
    if oracle is not None:
        name = f"{type(oracle).__name__} {oracle.fingerprint()}"
        console.print(f"Oracle {name}: {data.vocab.size:,} tokens, {data.max_length} positions.", highlight=False)
    for line in getattr(data, "summary", ()):
        console.print(line, highlight=False)
    if system.null_control:
        console.print("A null control: what is paid must not teach. No rule withholds its steps.", highlight=False)


def _say_start(config: Mapping[str, Any], state: Saved | None) -> None:
    """Which players were taken from other runs, if this one begins."""
    said = {"generator_from": "The generator is that of", "discriminator_from": "The discriminator is that of"}
    for key, words in said.items() if state is None else ():
        if path := config["model"].get(key):
            terminal.console().print(f"{words} {path}: its pretraining is not played again.", highlight=False)
