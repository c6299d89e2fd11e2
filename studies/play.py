"""Plays what is missing: each run is an ordinary ``python train.py …`` in a process and a folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from studies.study import ROOT, Run
from textgan_lit.run import untrusted

COLUMNS = (
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
    TextColumn("{task.fields[last]}"),
)


KEPT = ("closing.json", "frontier.json", "across_files.json")  # small; with the evaluations enough for every page
EVALUATIONS = "evaluations.jsonl"


def keep(runs: Iterable[Run], home: Path) -> None:
    """Copies finished runs' numbers and overrides into ``home``: a page can be written without playing."""
    for run in runs:
        kept = home / run.arm / str(run.seed)
        if not run.finished or run.folder == kept:
            continue
        (kept / ".hydra").mkdir(parents=True, exist_ok=True)
        shutil.copy(run.folder / ".hydra" / "overrides.yaml", kept / ".hydra")
        for name in KEPT:
            if (run.folder / name).exists():
                numbers = untrusted.json(run.folder, name)
                (kept / name).write_text(json.dumps(numbers, separators=(",", ":")) + "\n")
        if (run.folder / EVALUATIONS).exists():
            rows = [row for _, row in untrusted.lines(run.folder, EVALUATIONS)]
            single = [{key: value for key, value in row.items() if not isinstance(value, list)} for row in rows]
            (kept / EVALUATIONS).write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in single))


def missing(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if not run.finished]


def play(runs: list[Run], jobs: int = 1) -> list[str]:
    """Plays ``runs``, so many at a time, and says of each that failed why. Interrupted, it keeps what was finished."""
    failed = []
    with Progress(*COLUMNS) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("", total=len(runs), last="")
        future = {pool.submit(train, run): run for run in runs}
        try:
            for done in as_completed(future):
                run, reason = future[done], done.result()
                progress.update(task, advance=1, last=f"{run.arm}, seed {run.seed}")
                if reason:
                    failed.append(f"{run.arm}, seed {run.seed}: {reason}")
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def train(run: Run) -> str | None:
    """None, or the last line that the run had to say. What an interrupted one left in its folder is played anew."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    log = run.folder.with_name(f"{run.seed}.log")
    overrides = [*run.overrides, "logger=csv", "overwrite=true", f"hydra.run.dir={run.folder.resolve()}"]
    with log.open("w") as file:
        code = subprocess.run(
            [sys.executable, "train.py", *overrides],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        ).returncode
    said = log.read_text().strip().splitlines()
    return (said[-1] if said else f"exit code {code}") if code else None
