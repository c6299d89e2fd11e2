"""``python -m studies [NAME …]``: plays a study's missing runs and writes its page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from studies import ledger, page, scorecard, sheet
from studies.picture import draw
from studies.play import keep, missing, play
from studies.study import RESULTS, Study, StudyError, names

# Of a study that has more to say than tables of columns.
KINDS = {"ledger": ledger, "scorecard": scorecard, "sheet": sheet}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which study; none: says where each stands")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="of all studies' runs (runs)")
    parser.add_argument("--arms", metavar="PATTERN[,…]", help="play these arms only, such as 'H8-*,H4-conv'")
    parser.add_argument("--limit", type=int, metavar="N", help="play so many runs at most; 0: write the page only")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time, one core each (1)")
    parser.add_argument("--keep", action="store_true", help="puts finished runs' numbers into studies/results, to stay")
    arguments = parser.parse_args()
    try:
        if not arguments.names:
            show(arguments.runs)
        for name in arguments.names:
            perform(Study.load(name), arguments)
    except StudyError as error:
        sys.exit(f"studies: {error}")
    except KeyboardInterrupt:
        sys.exit("studies: interrupted. The same command goes on where it was.")


def show(folder: Path) -> None:
    for name in names():
        study = Study.load(name)
        runs = study.runs(folder)
        print(f"{name:18} {len(runs) - len(missing(runs)):4} of {len(runs):4} runs  {study.config['question']}")


def perform(study: Study, arguments: argparse.Namespace) -> None:
    """Plays, then writes the picture and the page of whatever is finished."""
    wanted = missing(study.runs(arguments.runs, arguments.arms and arguments.arms.split(",")))
    failed = play(wanted[: arguments.limit], arguments.jobs) if arguments.limit != 0 else []
    runs = study.runs(arguments.runs)
    if arguments.keep:
        keep(runs, RESULTS / study.config.get("folder", study.name))
    draw(study, runs)
    body = next((own.table for kind, own in KINDS.items() if kind in study.config), page.tables)(study, runs)
    page.write(study, page.generated(study, runs, body))
    for line in failed:
        print(f"not played: {line}", file=sys.stderr)
    print(f"{study.name}: {len(missing(runs))} of {len(runs)} runs are missing; see {study.page}")


if __name__ == "__main__":
    main()
