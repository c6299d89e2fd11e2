"""``python -m benchmarks [--json FILE] [SET …]``."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import warnings
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import (
    cache,
    captions,
    likelihood,
    lm,
    long_run,
    loop,
    ngram,
    rounds,
    sampling,
    step,
    sweeping,
    truth,
    watching,
)
from textgan_lit.run.memory import keep_freed_memory

SETS = {
    room.__name__.rpartition(".")[2]: room
    for room in (
        *(sampling, step, likelihood, captions, cache, rounds, lm, ngram, truth, loop, watching, sweeping, long_run),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"which of {', '.join(SETS)}; all by default")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.sets if name not in SETS]
    if unknown:
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(SETS)}.")
    _prepare()
    rows = []
    for name in track(arguments.sets or list(SETS), "measuring", transient=True):
        rows += SETS[name].rows()
    Console().print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([_plain(row._asdict()) for row in rows], indent=2) + "\n")


def _prepare() -> None:
    """One thread, as a run; nobody talks in between."""
    torch.set_num_threads(1)
    keep_freed_memory()
    os.environ["WANDB_SILENT"] = "true"
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")


def table(rows: list) -> Table:
    found = Table("work", "ours", "reference", "floor", "ratio", "target", "met")
    for row in rows:
        numbers = ("" if math.isnan(x) else f"{x:.3g} {row.unit}" for x in (row.ours, row.reference, row.floor))
        met = {True: "yes", False: "NO", None: ""}[row.met]
        found.add_row(row.name, *numbers, f"{row.ratio:.3g}", row.target, met)
    return found


def _plain(row: dict) -> dict:
    """JSON knows no NaN: what was not measured is null."""
    return {key: None if isinstance(x, float) and math.isnan(x) else x for key, x in row.items()}


if __name__ == "__main__":
    main()
