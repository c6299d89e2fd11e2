"""Many short lives of one run: ``python -m tests.soak`` (ten minutes a kind; writes docs/soak.md).

The run is played twice: once by processes that nobody touches, once by processes that are killed at random moments,
some of them kindly, some with their newest checkpoint truncated afterwards. Both must leave the same behind. What the
untouched one says of its memory and of its open files must not grow.

``--of two`` does so to a run of two processes, of which either is killed; ``--of sweep`` to three jobs, two of them
side by side, whose command is killed and at once given again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytorch_lightning as pl

from tests.helpers.command import rows
from tests.helpers.lives import CHECKOUT, left, play, same
from textgan_lit.run.checkpoint import kept

SMALL = (
    *("data=tiny", "data.train=2048", "data.valid=256", "data.test=256", "model.discriminator.dropout=0.2"),
    *(f"model.optim.{update}.batch_size=64" for update in ("pretrain", "discriminator", "generator")),
    *("model.schedule.pretrain_steps=150", "check_size=64", "callbacks.evaluation.every.pretrain=50"),
)
WORDS = {
    "one": (
        *(
            "data.valid=1000",
            "data.test=2000",
            "model.schedule.pretrain_steps=400",
            "model.schedule.adversarial_steps=900",
        ),
        *(
            "model.discriminator.dropout=0.2",
            "callbacks.evaluation.every.generator=25",
            "callbacks.evaluation.every.pretrain=50",
        ),
        "+callbacks.gauge._target_=tests.soak.Gauge",
    ),
    "two": (*SMALL, "model.schedule.adversarial_steps=150", "trainer=ddp_cpu"),
    "sweep": (
        *("-m", *SMALL, "model.schedule.adversarial_steps=400", "seed=1,2,3"),
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    ),
}
PLACE = {"one": "hydra.run.dir", "two": "hydra.run.dir", "sweep": "hydra.sweep.dir"}
KILLS = {"one": 25, "two": 16, "sweep": 6}
KINDLY = {"one": 1 / 3, "two": 1 / 3, "sweep": 0.0}  # how many of the kills are SIGTERM
EVERY = 20  # steps between two looks
PAGE = CHECKOUT / "docs" / "soak.md"


class Gauge(pl.Callback):
    """Writes down how much memory the process holds and how many files it has open."""

    def __init__(self, folder: str):
        self.path = Path(folder, "gauge.jsonl")

    def on_train_batch_end(self, trainer, system, *_):
        if system.clock.total % EVERY == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            row = {"step": system.clock.total, "bytes": pages * os.sysconf("SC_PAGE_SIZE")}
            row["files"] = len(os.listdir("/proc/self/fd"))
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def logged(folder: Path) -> int:
    """Bytes of all rows in a run or a sweep."""
    return sum(table.stat().st_size for table in folder.rglob("metrics.csv"))


def ranks(main: int) -> list[int]:
    """A job's processes: the main one, and those that it started to play with it."""
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    return [main, *(int(one) for one in children if b"textgan_lit.cli" in Path(f"/proc/{one}/cmdline").read_bytes())]


def live(kind: str, folder: Path, seconds: float | None, number: int, at_once: bool) -> tuple[int, int]:
    """One life, ended by a signal to one of its processes so long after its first row or (``at_once``) its start,
    unless it ends before.

    Its exit code, and the rank of the process that was told; -1: none.
    """
    command = [sys.executable, str(CHECKOUT / "train.py"), *WORDS[kind], f"{PLACE[kind]}={folder}", "resume=true"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    before = logged(folder)
    process = subprocess.Popen(command, cwd=folder.parent, env=environment, stdout=subprocess.DEVNULL)
    while seconds is not None and not at_once and process.poll() is None and logged(folder) <= before:
        time.sleep(0.1)
    try:
        return process.wait(seconds), -1
    except subprocess.TimeoutExpired:
        there = ranks(process.pid) if kind == "two" else [process.pid]
        rank = random.randrange(len(there))
        os.kill(there[rank], number)
        return process.wait(300), rank


def lives(kind: str, folder: Path, kills: int, longest: float) -> Counter[str]:
    """Plays the run to its end, after so many kills unless it ends before; counts what happened."""
    told: Counter[str] = Counter()
    while True:
        number = signal.SIGTERM if random.random() < KINDLY[kind] else signal.SIGKILL
        enough = told["SIGKILL"] + told["SIGTERM"] >= kills
        code, rank = live(kind, folder, None if enough else random.uniform(0, longest), number, random.random() < 0.2)
        told["lives"] += 1
        told["beginnings"] += not kept(folder / "checkpoints")
        print(f"life {told['lives']}: exit code {code}, {f'{number.name} to rank {rank}' * (rank >= 0)}", flush=True)
        if code == 0:
            return told
        if rank < 0 or code not in (1 if rank else -number, 128 + signal.SIGTERM):
            raise SystemExit(f"a life ended with {code}")
        told.update([number.name, f"rank {rank}"])
        files = kept(folder / "checkpoints")
        if len(files) > 1 and random.random() < 0.2:
            files[0].write_bytes(files[0].read_bytes()[: random.randrange(files[0].stat().st_size)])
            told["truncated"] += 1


def growth(folder: Path) -> tuple[float, float, int]:
    """From the second to the last quarter of the looks: of memory, as a share of the bytes then, and of open files."""
    rows = [json.loads(line) for line in (folder / "gauge.jsonl").read_text().splitlines()]
    quarter = len(rows) // 4
    early, late = rows[quarter : 2 * quarter], rows[-quarter:]
    means = [statistics.mean(row["bytes"] for row in part) for part in (early, late)]
    return means[1] / means[0] - 1, means[1], max(r["files"] for r in late) - max(r["files"] for r in early)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--of", choices=WORDS, default="one", help="one process, two, or a sweep (one)")
    parser.add_argument("--kills", type=int, metavar="N", help="unless the run is over before")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    arguments = parser.parse_args()
    kind, kills = arguments.of, arguments.kills or KILLS[arguments.of]
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, cut = Path(scratch, "whole"), Path(scratch, "cut")
        began = time.monotonic()
        done = play(whole, *WORDS[kind], f"{PLACE[kind]}={whole}", timeout=3600)
        if done.returncode:
            raise SystemExit(done.stderr)
        seconds = time.monotonic() - began
        runs = [table.parent.relative_to(whole) for table in sorted(whole.rglob("metrics.csv"))]
        played = sum(rows(whole / run)[-1]["system/seconds"] for run in runs)
        told = lives(kind, cut, kills, 1.4 * played / len(runs) / kills)  # so that it is not over before
        for run in runs:
            same(left(cut / run), left(whole / run))
        steps = sum(sum(left(whole / run)["state"]["textgan_lit"]["steps"].values()) for run in runs)
        grown = growth(whole) if kind == "one" else None
    report(kind, told, steps, seconds, grown)


def report(kind: str, told: Counter[str], steps: int, seconds: float, grown: tuple[float, float, int] | None) -> None:
    text = PAGE.read_text()
    begin, end = f"<!-- {kind}: begin -->\n", f"<!-- {kind}: end -->"
    found = {
        "steps" if kind != "sweep" else "steps of its three jobs": f"{steps:,}",
        "seconds of the untouched life, start included": f"{seconds:.0f}",
        "lives of the other": told["lives"],
        "… killed with SIGKILL / SIGTERM": f"{told['SIGKILL']} / {told['SIGTERM']}",
    }
    if kind == "two":
        found["… of which rank 0 / rank 1"] = f"{told['rank 0']} / {told['rank 1']}"
    if kind != "sweep":
        found["… after which the newest checkpoint was truncated"] = told["truncated"]
        found["… that ended before the first checkpoint"] = told["beginnings"]
    found["weights, optimizers, rows, tables of both"] = "equal, bit for bit"
    if grown is not None:
        share, size, files = grown
        found["growth of memory, second to last quarter of the run"] = f"{100 * share:+.2f} % of {size / 1e6:.0f} MB"
        found["growth of open files"] = f"{files:+d}"
    lines = "".join(f"| {name} | {value} |\n" for name, value in found.items())
    table = f"\n| | |\n|---|---|\n{lines}\n"
    PAGE.write_text(text[: text.index(begin) + len(begin)] + table + text[text.index(end) :])


if __name__ == "__main__":
    main()
