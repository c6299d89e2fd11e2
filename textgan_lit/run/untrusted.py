"""Files of a run's folder, which somebody may have sent: read as plain data, and nothing in them is done.

YAML is words, lists and settings: no tag, no alias, and an interpolation stays the text that it is. No file is opened
that is a link, lies behind one or is no plain file, and none takes more memory or time than those of a long run do:
sizes, depths and counts are bounded before anything is made of them. Nothing else here opens a file of a run to read.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from json import loads
from pathlib import Path, PurePath
from typing import Any, BinaryIO, ClassVar, NamedTuple, final

from yaml import AliasEvent, SafeLoader  # what Hydra writes with, and brings
from yaml.composer import ComposerError

from textgan_lit.errors import PATH, SURROGATE, UserError, shown

# Bytes, far more than a long run writes: a configuration has 10 kB, and 10,000 evaluations have 100 MB.
YAML, JSON, LINE, ROWS = 2**18, 2**22, 2**24, 2**30
NODES, VALUES, DEEPEST = 20_000, 8_000_000, 40  # of YAML; of other files, in all; lists within lists
LETTERS = 16  # that count as one value, as do so many empty cells …
CONTAINER = 8  # … and values that each list or dictionary counts as, beside its own
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # of a pipe nobody waits for


@final
class Unreadable(UserError):
    """A file that is not what a run leaves under its name."""


class Line(NamedTuple):
    """``row`` is what the text of the line says; None where that is no JSON object."""

    text: str
    row: dict[str, Any] | None


def yaml(folder: Path, name: str) -> Any:
    """What ``folder/name`` says; ``name`` may lie deeper, and only ``folder`` itself may be reached through a link.

    Raises:
        FileNotFoundError: there is no such file.
        Unreadable: it is nothing that a run has written.
    """
    content = _whole(folder, name, YAML)
    try:
        return Allowance().take(_Loader(content).get_single_data())
    except Exception as error:  # whatever a parser of hostile text may raise
        raise _unreadable(folder, name, f"not as a run writes it ({_why(error)})") from error


def json(folder: Path, name: str) -> Any:
    """As :func:`yaml`."""
    content = _whole(folder, name, JSON)
    try:
        return Allowance().take(loads(content))
    except (ValueError, RecursionError) as error:
        raise _unreadable(folder, name, f"not as a run writes it ({_why(error)})") from error


def lines(folder: Path, name: str, kept: Allowance | None = None) -> Iterator[Line]:
    """The lines of a file of JSON objects, one a line; a kill may have cut off the last one. Raises as :func:`yaml`.

    What is not only looked at, line by line, counts against the allowance of all that is ``kept``.
    """
    for line in _lines(folder, name):
        allowance = kept or Allowance()
        try:
            row = allowance.take(loads(line))
        except (ValueError, RecursionError) as error:
            if allowance.values < 0:
                raise _unreadable(folder, name, _why(error)) from error
            row = None
        yield Line(line, row if isinstance(row, dict) else None)


def table(folder: Path, name: str, kept: Allowance | None = None) -> Iterator[list[str]]:
    """The rows of metrics.csv, the names of its columns first: numbers, which nobody quotes. As :func:`lines`."""
    for line in _lines(folder, name):
        cells = line.split(",")
        try:
            (kept or Allowance()).count(sum(map(bool, cells)) + CONTAINER + len(cells) // LETTERS)
        except ValueError as error:
            raise _unreadable(folder, name, _why(error)) from error
        yield cells


def text(folder: Path, name: str, most: int) -> str:
    """A file of at most so many bytes. Raises as :func:`yaml`."""
    return _whole(folder, name, most)


def start(folder: Path, name: str, most: int) -> bytes:
    """The first bytes of a file, however long it is. Raises as :func:`yaml`."""
    with opened(folder, name) as (file, _):
        return file.read(most)


@dataclass
class Allowance:
    """How many values may still be read."""

    values: int = VALUES

    def count(self, some: int) -> None:
        self.values -= some
        if self.values < 0:
            raise ValueError("more values than a run writes")

    def take(self, value: Any, depth: int = 0) -> Any:
        """``value`` as plain data: without half characters (lone surrogates), numbers no longer than arithmetic takes.

        Raises:
            ValueError: it holds too many values, or lists within lists too deep.
        """
        if depth > DEEPEST:
            raise ValueError(f"lists within lists more than {DEEPEST} deep")
        if isinstance(value, str):
            self.count(len(value) // LETTERS)
            return SURROGATE.sub("\ufffd", value)
        if isinstance(value, list):
            self.count(len(value) + CONTAINER)
            return value if _are_floats(value) else [self.take(one, depth + 1) for one in value]
        if isinstance(value, dict):
            self.count(len(value) + CONTAINER)
            return {self.take(key, depth + 1): self.take(one, depth + 1) for key, one in value.items()}
        if isinstance(value, int) and value.bit_length() > 64:
            return float(value) if value.bit_length() < 1024 else math.inf if value > 0 else -math.inf
        return value


def _are_floats(values: list[Any]) -> bool:
    return set(map(type, values)) == {float}


class _Loader(SafeLoader):
    """YAML's plain part: words, numbers, lists and settings. Dates stay words, and numbers are decimal."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # none of YAML's own: below are those that are left

    def __init__(self, content: str):
        super().__init__(content)
        self.depth, self.nodes = 0, Allowance(NODES)

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, AliasEvent) or event.anchor or getattr(event, "tag", None):
            raise ComposerError(None, None, "an alias or a tag", event.start_mark)
        self.nodes.count(1)
        self.depth += 1
        if self.depth > DEEPEST:
            raise ComposerError(None, None, f"lists within lists more than {DEEPEST} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern in {
    "null": r"|~|null|Null|NULL",
    "bool": r"(?i:true|false|yes|no|on|off)",
    "int": r"[-+]?(0|[1-9][0-9]{0,18})",
    "float": r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?i:inf)|\.(?i:nan)",
}.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)


def _lines(folder: Path, name: str) -> Iterator[str]:
    """Those that stood there when it was opened, for a run that is being played goes on writing."""
    with opened(folder, name, ROWS) as (file, left):
        for _ in range(VALUES):
            line = file.readline(min(left, LINE))
            if not line:
                return
            left -= len(line)
            if len(line) == LINE:
                raise _unreadable(folder, name, f"a line of {LINE // 2**20} MB")
            yield line.decode(errors="replace").rstrip("\r\n")
        raise _unreadable(folder, name, "more lines than a run writes")


def _whole(folder: Path, name: str, most: int) -> str:
    with opened(folder, name, most) as (file, size):
        return file.read(size).decode(errors="replace")


@contextmanager
def opened(folder: Path, name: str, most: int | float = math.inf) -> Iterator[tuple[BinaryIO, int]]:
    """A plain file of at most so many bytes, and how many; the way to it leads through folders, and no link. Raises as
    :func:`yaml`."""
    *rooms, last = PurePath(name).parts
    with ExitStack() as held:
        place = None
        try:
            for part, flags in ((folder, FOLDER), *((room, FOLDER | os.O_NOFOLLOW) for room in rooms), (last, FILE)):
                place = os.open(part, flags, dir_fd=place)
                held.callback(os.close, place)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unreadable(folder, name, f"a link or no plain file ({error.strerror})") from error
        found = os.fstat(place)
        if not stat.S_ISREG(found.st_mode):
            raise _unreadable(folder, name, "no plain file")
        if found.st_size > most:
            raise _unreadable(folder, name, f"{found.st_size:,} bytes, where at most {most:,} are read")
        yield held.enter_context(open(place, "rb", closefd=False)), found.st_size


def _unreadable(folder: Path, name: str, reason: str) -> Unreadable:
    return Unreadable(f"{shown(str(folder / name), PATH)} cannot be read: {reason}. Give it as the run has left it.")


def _why(error: Exception) -> str:
    return shown(" ".join(str(error).split()) or type(error).__name__)
