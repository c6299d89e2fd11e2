"""Runs that are played by processes of their own, and all that they leave behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.helpers.command import evaluations, rows
from textgan_lit.run.checkpoint import kept, read

CHECKOUT = Path(__file__).parents[2]

# A game that remembers all it can, for a run that is killed; and the shortest of runs.
RUN = (
    *("debug=smoke", "logger=csv", "data=tiny", "data.train=256", "data.valid=64", "data.test=64", "check_size=32"),
    *(
        "data.workers=0",
        "model.schedule.adversarial_steps=6",
        "callbacks.evaluation.every.generator=2",
        "callbacks.steps.every=3",
    ),
    *("model/generator=lstm", "model.generator.embedding=4", "model.generator.hidden=8", "model.generator.dropout=0.2"),
    *("model.discriminator.dropout=0.3", "model/baseline=moving_average"),
    *("model.ema=0.9", "model/schedule=guard", "model.schedule.rule.patience=1000"),
    *(f"model.optim.{update}.batch_size=16" for update in ("pretrain", "discriminator", "generator")),
    "+callbacks.death._target_=tests.helpers.dying.Death",
)
SMOKE = ("debug=smoke", "logger=csv", "model=mle", "data=tiny", "data.train=256", "data.valid=64", "data.test=64")
SMOKE += ("model.optim.pretrain.batch_size=16",)


def play(
    folder: Path, *overrides: str, death: str = "", cwd: Path | None = None, timeout: float = 300
) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)} | ({"DEATH": death} if death else {})
    command = [sys.executable, str(CHECKOUT / "train.py"), *overrides]
    return subprocess.run(
        command, cwd=cwd or folder.parent, env=environment, capture_output=True, text=True, timeout=timeout
    )


def begin(folder: Path, *overrides: str) -> subprocess.Popen:
    """A run that the caller ends."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, str(CHECKOUT / "train.py"), *overrides]
    return subprocess.Popen(command, cwd=folder.parent, env=environment, stdout=subprocess.DEVNULL)


def lasting(row: dict) -> dict:
    return {key: value for key, value in row.items() if not key.startswith(("system/", "test/system/"))}


def left(folder: Path) -> dict:
    """All that a run leaves behind but for the time it took."""
    state = read(kept(folder / "checkpoints")[0])
    state["textgan_lit"].pop("spent")
    for table in ("sent", "waiting"):  # which of W&B's parts the samples are in: an interruption sends what waits
        state["callbacks"].get("SampleTable", {}).pop(table, None)
    state["textgan_lit"].pop("settings")  # name the folder, and whether it was taken up
    return {
        "state": {key: state[key] for key in ("state_dict", "optimizer_states", "textgan_lit", "callbacks")},
        "rows": [lasting(row) for row in rows(folder)],
        "evaluations": [lasting(row) for row in evaluations(folder)],
        "samples": [lasting(row) for row in evaluations(folder, "samples.jsonl")],
        "closing": {name: lasting(row) for name, row in json.loads((folder / "closing.json").read_text()).items()}
        | {"time": {}},
    }


def same(one, other, where="") -> None:
    """Bit for bit, NaN equal to itself."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            same(a, b, f"{where}/{place}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one.nan_to_num(), other.nan_to_num()), where
    else:
        assert one == other or one != one, (where, one, other)
