"""Where a command reads sentences: from a file, as the run's own files are read, or from standard input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgan_lit.data.file_reader import Row, Skip, load
from textgan_lit.data.format import KINDS, Format, Kind
from textgan_lit.errors import PATH, UserError, shown

if TYPE_CHECKING:
    from textgan_lit.inference import Run

KEYS = {"column": "--column", "format": "--input-format", "separator": "--separator", "quote": "--quote"}


def arguments(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("file", "as training's data.column, data.format, …; by default the run's")
    files.add_argument("--column", metavar="NAME", help="a number, from 1 on, where a file has no header")
    files.add_argument("--input-format", choices=KINDS, help="(by the file's ending; lines of standard input)")
    files.add_argument("--separator", metavar="CHARACTER", help="between fields of csv and tsv")
    files.add_argument("--quote", metavar="CHARACTER", help="around fields of csv and tsv; '': none")


@contextmanager
def opened(name: str) -> Iterator[BufferedIOBase]:
    """The file of that name, or standard input for ``-``."""
    if name == "-":
        yield sys.stdin.buffer
        return
    place = Path(os.path.expanduser(name))
    try:
        file = place.open("rb")
    except OSError as error:
        raise UserError(f"{shown(name, PATH)} cannot be read ({error.strerror}). Give a file of sentences.") from error
    with file:
        yield file


def size(file: BufferedIOBase) -> int | None:
    """How many bytes a file has that is read from its start on; None where that is not known."""
    if not file.seekable():
        return None
    end = file.seek(0, 2)
    file.seek(0)
    return end


def rows(
    file: BufferedIOBase,
    name: str,
    options: argparse.Namespace,
    run: Run | None,
    skip: Skip | None = None,
    tokens: bool = False,
) -> Iterator[Row]:
    """The sentences of an open file of that name; see :func:`textgan_lit.data.file_reader.load`.

    Without a run the format is what is asked for, else by the ending.
    """
    form = replace(_format(name, options, run), tokens=tokens)
    return load(file, "standard input" if name == "-" else name, form, run is not None and run.vocab.keeps_breaks, skip)


def _format(name: str, options: argparse.Namespace, run: Run | None) -> Format:
    """What is asked for. What is not is as in the run's own files: the column, and the rest in a file of their kind."""
    column = options.column
    column = int(column) if column is not None and column.isdecimal() else column
    asked = Format(column, options.input_format, options.separator, options.quote, KEYS)
    own, ending = (Format(), "") if run is None else _own(run)
    if asked.kind is None:
        kind = "txt" if name == "-" else own.kind if Path(name).suffix == ending else None
        asked = replace(asked, kind=kind or asked.kind_of(name))
    asked.check([asked.kind])
    if asked.kind == "txt" or (isinstance(own.column, int) and asked.kind not in ("csv", "tsv")):
        own = replace(own, column=None)
    if asked.kind != (own.kind or ending[1:].lower()):
        own = replace(own, separator=None, quote=None)
    return replace(asked, **{key: getattr(own, key) for key in KEYS.keys() - {"format"} if getattr(asked, key) is None})


def _own(run: Run) -> tuple[Format, str]:
    """How the run's own files are read, and their ending; of a run of other data nothing is known."""
    from textgan_lit.build.parts import setting

    def known(key: str, wanted: Any) -> Any:
        data = run.config.get("data")
        return setting(data.get(key) if isinstance(data, Mapping) else None, wanted, f"data.{key}")

    kinds = {"column": str | int | None, "kind": Kind | None, "separator": str | None, "quote": str | None}
    form = Format(**{name: known("format" if name == "kind" else name, wanted) for name, wanted in kinds.items()})
    paths = known("path", str | list[str] | None) or ""
    return form, Path(next(iter([paths] if isinstance(paths, str) else paths), "")).suffix
