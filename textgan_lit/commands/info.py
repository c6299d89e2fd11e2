"""Names versions and machine, here and of a run, as a report of a fault should.

A run's configuration stands there as a fingerprint, so that nothing of it is shown: two runs have the same where all
their settings are the same, in whichever folders they were played.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textgan_lit.errors import UserError, shown
from textgan_lit.run import folder, provenance


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan info", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", nargs="?", type=Path, help="the folder of a run")
    return parser


def run(options: argparse.Namespace) -> int:
    import torch  # noqa: F401 (which knows of accelerators)

    print(*_lines(provenance.here()), sep="\n")
    if options.run is None:
        return 0
    from textgan_lit.report.record import begun

    found = begun(options.run).provenance
    if not found:
        raise UserError(
            f"{shown(str(options.run))} says nothing of its versions. Give the folder of a run: its hydra.run.dir."
        )
    print(f"\n{shown(str(options.run))} was played with", *_lines(found), sep="\n")
    if isinstance(configuration := folder.record(options.run).get("configuration"), str):
        print(f"configuration: {shown(configuration)}")
    return 0


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(found.get("versions"), dict):
        for name, version in found["versions"].items():
            yield f"{name} {version}"
    for key in ("commit", "machine"):
        if isinstance(found.get(key), str):
            yield f"{key}: {found[key]}"
