"""Where a run begins: ``train.py`` and ``textgan-train``, and :func:`train` in Python, which starts such a command.

Signals are heard before anything that takes long is imported. The module is not called train, for it would take the
function's place in the package.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textgan_lit.errors import UserError, shown
from textgan_lit.run import process

if TYPE_CHECKING:
    from textgan_lit.inference import Run

# With -m it would look for modules in the working directory first, which may be somebody's run.
CHILD = """
import os, sys
told, path, *sys.argv[1:] = sys.argv[1:]
sys.path[:] = path.split("\\n")
from textgan_lit.training import main
main()
from textgan_lit.run.folder import finished
os.write(int(told), b"".join(map(os.fsencode, finished)))
"""
SWEEP = ("-m", "--multirun")
MARK = "textgan_lit: "  # before a line that says it all


def main() -> None:
    """What ``train.py`` and ``textgan-train`` call."""
    if process.first():
        process.last_words = lambda: "ended before anything was played."
    process.listen()
    from textgan_lit import cli

    cli.main()


def train(*overrides: str) -> Run:
    """Plays a run as ``textgan-train`` does with these overrides, shows what it says, and opens it as ``load`` does.

    The run is a process of its own, so that random numbers, signals, logging and all else of this process stay as they
    are; it ends when this one does. An interruption (Ctrl+C, a notebook's stop) reaches it as on the command line: it
    saves its state, and ``train("resume=FOLDER")`` goes on.

    Raises:
        UserError: the overrides are refused, or the run had to stop; or there is no single run to open.
        RuntimeError: the run failed for a reason of its own, which stands above.
    """
    for override in overrides:
        if not isinstance(override, str):
            raise UserError(
                f"train({shown(override)}): wanted the overrides of a command line, each a text of its own: "
                'train("model=seqgan", "seed=2").'
            )
    if not {*SWEEP}.isdisjoint(overrides) or any(override.startswith("hydra.mode=") for override in overrides):
        raise UserError("train plays one run and opens it, and a sweep is many. Play it by textgan-train -m ….")
    folder = _played(overrides)
    if folder is None:
        raise UserError("These overrides play no run, so there is none to open. textgan-train takes them, too.")
    from textgan_lit.inference import load

    return load(folder, trust=_packages(folder))


def _played(overrides: tuple[str, ...]) -> Path | None:
    """The folder of a run that another process has played with these overrides."""
    with tempfile.TemporaryFile() as told, process.leading():
        command = [sys.executable, "-u", "-c", CHILD, str(told.fileno()), "\n".join(sys.path), *overrides]
        with subprocess.Popen(
            command,
            text=True,
            errors="replace",
            pass_fds=[told.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as run:
            try:
                last = _shown(run)
            except BaseException:
                run.send_signal(signal.SIGINT)
                _shown(run)
                raise
        told.seek(0)
        folder = os.fsdecode(told.read())
    if run.returncode and last.startswith(MARK):
        raise UserError(last.removeprefix(MARK))
    if run.returncode:
        raise RuntimeError(f"The run ended with code {run.returncode}. What it said stands above.")
    return Path(folder) if folder else None


def _shown(run: subprocess.Popen[str]) -> str:
    """Prints what a run says, where this process prints, until it has ended; its last line."""
    last = ""
    for line in run.stdout or ():
        print(line, end="", flush=True)
        last = line.strip() or last
    run.wait()
    return last


def _packages(folder: Path) -> list[str]:
    """Those of the user's own that the run has named, and so has run."""
    from textgan_lit.run import resume, untrusted
    from textgan_lit.run.folder import COMPOSED

    config = resume.flat(untrusted.yaml(folder, f"{COMPOSED}/config.yaml"))
    named = {str(target).partition(".")[0] for key, target in config.items() if key.endswith("_target_")}
    return sorted(named - {"textgan_lit", "torch"})  # which conf/ itself names
