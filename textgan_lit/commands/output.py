"""Where a command writes: standard output, or a file that is there whole or not at all."""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOBase, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgan_lit.errors import UserError
from textgan_lit.run import terminal
from textgan_lit.run.files import replacing

if TYPE_CHECKING:
    from textgan_lit.inference import Sentence

Stream = TextIOBase | terminal.Guarded
BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")  # what Python, for one, takes for the end of a line


def arguments(parser: argparse.ArgumentParser, formats: tuple[str, str]) -> None:
    parser.add_argument("--out", metavar="FILE", help="instead of standard output; written whole or not at all")
    parser.add_argument("--overwrite", action="store_true", help="an older FILE may go")
    parser.add_argument("--format", choices=formats, help=f"({formats[0]}; jsonl where FILE ends with .jsonl)")


def wants_jsonl(options: argparse.Namespace) -> bool:
    return (options.format or ("jsonl" if str(options.out).endswith(".jsonl") else "")) == "jsonl"


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Stream]:
    """Standard output, or ``--out``, which gets its name when all has been written.

    Generated text is as it is in a file and for a program; a terminal, which would obey it, stays guarded.
    """
    if options.out is None:
        if sys.stdout.isatty():
            yield sys.stdout
        else:
            # What is read from it should not depend on the locale.
            sys.stdout.reconfigure(encoding="utf-8", errors="replace")
            yield terminal.unguarded(sys.stdout)
        sys.stdout.flush()  # so that a closed pipe is heard of here and not when Python ends
        return
    path = Path(options.out)
    if path.exists() and not (options.overwrite and path.is_file()):
        way_out = "Give another name, or --overwrite." if path.is_file() else "Give the name of a file."
        raise UserError(f"--out {path} is there already. {way_out}")
    try:
        with replacing(path) as file:
            text = TextIOWrapper(file, encoding="utf-8", errors="replace", newline="\n")
            yield text
            text.detach()  # what it still holds is in the file then
    except OSError as error:  # no such folder, or a full disk
        raise UserError(f"--out {path} cannot be written ({error.strerror}). Give a folder that can be.") from error


@contextmanager
def bar(what: str, total: int | None, out: Stream) -> Iterator[Callable[[int], None]]:
    """A progress bar, to be told of each advance. On a terminal alone, and not between the lines of the output."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    hidden = not sys.stderr.isatty() or out.isatty()
    with Progress(
        *(*columns, TimeElapsedColumn(), TimeRemainingColumn()),
        console=terminal.console("stderr"),
        redirect_stdout=False,  # to standard error it would go
        disable=hidden,
    ) as progress:
        yield functools.partial(progress.advance, progress.add_task(what, total=total))


def one_line(text: str) -> str:
    r"""A text whose line breaks are escaped, each as Python writes it.

    >>> print(one_line("a\nb"))
    a\nb
    """
    return BREAKS.sub(lambda found: repr(found[0])[1:-1], text)


def record(sentence: Sentence) -> dict[str, Any]:
    """What jsonl says of a sentence; ``real`` and ``log_probability`` are absent where nobody knows them.

    ``tokens`` stand beside the text, which may be that of other tokens, too.
    """
    found: dict[str, Any] = {"text": sentence.text, "tokens": sentence.tokens}
    if sentence.log_probability is not None:
        found["log_probability"] = digits(sentence.log_probability)
    found["length"] = len(sentence.tokens) - sentence.ended
    if sentence.real:
        found["real"] = digits(sentence.real[-1])
    return found


def digits(number: float) -> float:
    """As many of its digits as a float32 has."""
    return float(f"{number:.7g}")
