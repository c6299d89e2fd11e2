"""How the samples' table of a long run grows: 1,000 and 10,000 evaluations of ten sentences, W&B offline.

By evaluation, the long run should take no more than the short one, in seconds and in bytes on the disk (W&B's own file,
the tables, and what waits to be sent). A table that is sent whole each time, or in parts that each name all parts
before, takes ten times that.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import NONE
from benchmarks.row import Row
from textgan_lit import logger
from textgan_lit.callbacks.samples import COLUMNS, SampleTable
from textgan_lit.types import Vocab

SHORT, LONG = 1_000, 10_000
SAID = dict.fromkeys(COLUMNS, 0.5) | {"text": "a b c d e f g h", "nearest training sentence": "a b c d e f g i"}


def rows() -> Iterator[Row]:
    name = f"the samples' table, an evaluation of {LONG:,}, over one of {SHORT:,}"
    (short, few), (long, many) = (written(evaluations) for evaluations in (SHORT, LONG))
    for said, ours, reference, unit in ((name, long, short, "s"), ("… on the disk", many / 1000, few / 1000, "kB")):
        ours, reference = ours / LONG, reference / SHORT
        ratio = ours / reference
        yield Row(said, ours, reference, NONE, ratio, "< 2: does not grow", ratio < 2, unit)


def written(evaluations: int) -> tuple[float, int]:
    """Processor seconds, and bytes on the disk, of all of a run's tables."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANDB_DATA_DIR"] = folder  # where what waits to be sent lies: in the run's folder, as ever
        samples, log = (
            SampleTable(folder, Vocab(("a",)), lambda split: None),
            logger.WandB(folder, "benchmarks", "table"),
        )
        since = time.process_time()
        for step in range(evaluations):
            samples._log(log, [[step, number, *SAID.values()] for number in range(samples.count)])
        samples._send(log)
        took = time.process_time() - since
        logger.finish()
        logger.finish(dead=True)  # its service, which writes until it ends
        return took, sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
