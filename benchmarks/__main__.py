"""``python -m benchmarks [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import loop

SETS = (loop,)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    arguments = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    console, table = Console(), Table("work", "ours, s", "reference, s", "floor, s", "ratio", "target")
    rows = []
    for module in SETS:
        console.print(f"{module.__name__} …")
        for row in module.rows():
            rows.append(row._asdict())
            numbers = (f"{seconds:.4f}" for seconds in (row.ours, row.reference, row.floor))
            table.add_row(row.name, *numbers, f"{row.ratio:.3f}", row.target)
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
