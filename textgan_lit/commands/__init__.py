"""``textgan COMMAND …``: what can be done beside playing a run. One module a command.

A command module has ``parser() -> ArgumentParser``, whose description is the module's first line, and ``run(options) ->
int``, the exit code. Free of torch until one runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys

from textgan_lit.cli import FULL_ERROR, explain, is_expected
from textgan_lit.commands import audit, compare, dashboard, evaluate, fetch_model, generate, info, new, report, score
from textgan_lit.run import terminal

COMMANDS = {
    "audit": audit,
    "compare": compare,
    "dashboard": dashboard,
    "evaluate": evaluate,
    "fetch-model": fetch_model,
    "generate": generate,
    "info": info,
    "new": new,
    "report": report,
    "score": score,
}


def main() -> None:
    """What ``textgan`` calls."""
    with terminal.guarded():
        _perform(sys.argv[1:])


def _perform(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in COMMANDS:
        _usage().parse_args(arguments)
    command = COMMANDS[arguments[0]]
    sys.stdout.reconfigure(errors="replace")  # a terminal that knows no ‖ gets a ? instead of a traceback
    options = command.parser().parse_intermixed_args(arguments[1:])  # flags may stand between key=value overrides
    try:
        sys.exit(command.run(options))
    except BrokenPipeError:  # | head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes when it ends
        sys.exit(141)  # what a shell says of a program that a closed pipe has ended
    except Exception as error:
        if FULL_ERROR or not is_expected(error):
            raise
        sys.exit(f"textgan_lit: {explain(error)}")


def _usage() -> argparse.ArgumentParser:
    lines = [f"  {name:<11} {first_line(module)}" for name, module in COMMANDS.items()]
    usage = argparse.ArgumentParser(
        prog="textgan",
        description="What can be done beside playing a run, which is textgan-train's.",
        epilog="commands:\n" + "\n".join(lines) + "\n\ntextgan COMMAND --help says more",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usage.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    return usage


def first_line(module: object) -> str:
    return (module.__doc__ or "").splitlines()[0]
