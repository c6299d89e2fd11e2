"""Many short lives of one run: ``python -m tests.soak`` (ten minutes; writes docs/soak.md).

The run is played twice: once by one process that nobody touches, once by processes that are killed at random moments,
some of them kindly, some with their newest checkpoint truncated afterwards. Both must leave the same behind. What the
untouched one says of its memory and of its open files must not grow.
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
from pathlib import Path

import pytorch_lightning as pl

from tests.command import rows
from tests.lives import CHECKOUT, left, play, same
from textgan_lit.checkpoint import kept

WORDS = (
    *("data.valid=1000", "data.test=2000", "model.program.warm_up=400", "model.program.duel=900"),
    *("model.discriminator.dropout=0.2", "callbacks.schedule.generator=25", "callbacks.schedule.likelihood=50"),
    *("+callbacks.gauge._target_=tests.soak.Gauge", "+callbacks.gauge.folder=${hydra:runtime.output_dir}"),
)
EVERY = 20  # turns between two looks
PAGE = CHECKOUT / "docs" / "soak.md"


class Gauge(pl.Callback):
    """Writes down how much memory the process holds and how many files it has open."""

    def __init__(self, folder: str):
        self.path = Path(folder, "gauge.jsonl")

    def on_train_batch_end(self, trainer, system, *_):
        if system.clock.total % EVERY == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            row = {"turn": system.clock.total, "bytes": pages * os.sysconf("SC_PAGE_SIZE")}
            row["files"] = len(os.listdir("/proc/self/fd"))
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def live(folder: Path, seconds: float | None, number: int, at_once: bool) -> tuple[int, int]:
    """One life, ended by a signal so long after its first look or (``at_once``) its start, unless it ends before.

    Its exit code, and the last turn that was looked at.
    """
    command = [sys.executable, str(CHECKOUT / "train.py"), *WORDS, f"hydra.run.dir={folder}", "resume=true"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    looks = folder / "gauge.jsonl"
    before = looks.stat().st_size if looks.exists() else 0
    process = subprocess.Popen(command, cwd=folder.parent, env=environment, stdout=subprocess.DEVNULL)
    while seconds is not None and not at_once and process.poll() is None:
        if looks.exists() and looks.stat().st_size > before:
            break
        time.sleep(0.1)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    code = process.wait(300)
    return code, json.loads(looks.read_text().splitlines()[-1])["turn"] if looks.exists() else 0


def lives(folder: Path, kills: int, longest: float) -> dict[str, int]:
    """Plays the run to its end, after at least so many kills; counts what happened."""
    told = {"SIGKILL": 0, "SIGTERM": 0, "truncated": 0, "beginnings": 0, "lives": 0}
    while True:
        number = random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        enough = told["SIGKILL"] + told["SIGTERM"] >= kills
        code, turn = live(folder, None if enough else random.uniform(0, longest), number, random.random() < 0.2)
        told["lives"] += 1
        told["beginnings"] += not kept(folder / "checkpoints")
        print(f"life {told['lives']}: exit code {code}, turn {turn}", flush=True)
        if code == 0:
            return told
        if code not in (-signal.SIGKILL, 128 + signal.SIGTERM, -signal.SIGTERM):
            raise SystemExit(f"a life ended with {code}")
        told["SIGKILL" if code == -signal.SIGKILL else "SIGTERM"] += 1
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
    parser.add_argument("--kills", type=int, default=25, metavar="N", help="at least (25)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, cut = Path(scratch, "whole"), Path(scratch, "cut")
        began = time.monotonic()
        done = play(whole, *WORDS, f"hydra.run.dir={whole}", timeout=3600)
        if done.returncode:
            raise SystemExit(done.stderr)
        seconds = time.monotonic() - began
        played = rows(whole)[-1]["system/seconds"]
        told = lives(cut, arguments.kills, 2 * played / arguments.kills)
        same(left(cut), left(whole))
        share, size, files = growth(whole)
        turns = sum(left(whole)["state"]["textgan_lit"]["turns"].values())
    report(told, turns, seconds, share, size, files)


def report(told: dict[str, int], turns: int, seconds: float, share: float, size: float, files: int) -> None:
    text = PAGE.read_text()
    begin, end = "<!-- soak: begin -->\n", "<!-- soak: end -->"
    table = f"""
| | |
|---|---|
| turns of the run | {turns:,} |
| seconds of the untouched life, start included | {seconds:.0f} |
| lives of the other | {told["lives"]} |
| … killed with SIGKILL / SIGTERM | {told["SIGKILL"]} / {told["SIGTERM"]} |
| … after which the newest checkpoint was truncated | {told["truncated"]} |
| … that ended before the first checkpoint | {told["beginnings"]} |
| weights, optimizers, rows, tables of both | equal, bit for bit |
| growth of memory, second to last quarter of the run | {100 * share:+.2f} % of {size / 1e6:.0f} MB |
| growth of open files | {files:+d} |

"""
    PAGE.write_text(text[: text.index(begin) + len(begin)] + table + text[text.index(end) :])


if __name__ == "__main__":
    main()
