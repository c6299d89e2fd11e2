"""Where text reaches a terminal, which obeys some of it: whatever somebody else has put into it is made harmless here.

Names, settings, samples and messages of somebody's run are said in many places, so it is not these that take care but
what all text passes: the streams of a command, and the one console. Generated text is as it is in files and pipes.

What a run says on the console is kept in its log, too (:func:`logged`).
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final

from textgan_lit.errors import harmless
from textgan_lit.run import files

if TYPE_CHECKING:  # what only says --help needs no rich
    from rich.console import Console, ConsoleOptions, ConsoleRenderable
    from rich.segment import Segment


@contextmanager
def guarded() -> Iterator[None]:
    """Whatever this process says from here on is harmless: lines, warnings, refusals and tracebacks."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Guarded, map(unguarded, before))
    sys.excepthook = _say_traceback
    try:
        yield
    except SystemExit as left:
        if isinstance(left.code, str):  # which Python says when nothing stands before its streams any more
            raise SystemExit(harmless(left.code)) from None
        raise
    finally:
        sys.stdout, sys.stderr = before


@final
class Guarded:
    """A stream to which nothing is written that a terminal would obey, but a return to the start of the line: other
    libraries' progress bars need it."""

    def __init__(self, stream: Any):
        self.rich_proxied_file = stream  # what rich, too, calls a stream that another stands before

    def write(self, text: str) -> int:
        self.rich_proxied_file.write("\r".join(map(harmless, text.split("\r"))))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


class Log(NamedTuple):
    """Where what the console says is kept; ``only`` there, but for what is said by :func:`say`."""

    path: Path
    only: bool

    def write(self, text: str) -> None:
        if text.strip():  # else what ends the line of a bar
            with suppress(OSError):  # no reason to end a run: a full disk is said by what needs it
                files.append(self.path, "\n".join(line.rstrip() for line in text.split("\n")))


_log: Log | None = None


@contextmanager
def logged(path: Path, only: bool = False) -> Iterator[None]:
    """What the console says is also kept at the end of ``path``, as plain text and without what is repainted, until the
    end of the block."""
    global _log
    before, _log = _log, Log(path, only)
    try:
        yield
    finally:
        _log = before


def note(line: str) -> None:
    """Keeps a line that somebody else will say."""
    if _log is not None:
        _log.write(f"{line}\n")


def say(*lines: str) -> None:
    """Says lines that are to be seen even where the rest is only kept in the log."""
    global _log
    before = _log
    if _log is not None:
        _log = _log._replace(only=False)
    try:
        console().print(*lines, sep="\n", highlight=False, soft_wrap=True)
    finally:
        _log = before


def watched() -> bool:
    """Whether something on the console can be repainted, and somebody sees it."""
    return console().is_terminal and not console().is_dumb_terminal and not (_log and _log.only)


def unguarded(stream: Any) -> Any:
    """The stream itself, whatever stands before it."""
    while hasattr(stream, "rich_proxied_file"):
        stream = stream.rich_proxied_file
    return stream


def console_on(stream: Any) -> Console:
    """A console whose own styles reach the stream, and nobody else's: foreign text is no markup, and harmless."""
    return _console(stream, kept=False)


def _console(stream: Any, kept: bool) -> Console:
    from rich.console import Console

    console = Console(file=stream, markup=False, emoji=False)
    console.push_render_hook(_Hook(kept))
    return console


@functools.cache
def console(name: Literal["stdout", "stderr"] = "stdout") -> Console:
    """The one console of a standard stream, which progress bars and lines share."""
    return _console(_Standard(name), kept=True)


@final
class _Standard:
    """What sys.stdout, say, is at the moment, unguarded."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(unguarded(getattr(sys, self._name)), name)


@final
class _Hook:
    """What rich calls a render hook: of all that is printed. What rich repaints by itself does not pass it."""

    def __init__(self, kept: bool):
        self.kept = kept

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Rendered(one, self.kept) for one in renderables]


@final
class _Rendered:
    """A renderable whose text is harmless, and no link. What rich itself tells the terminal has its own segments.

    Where it is ``kept``, the log has its text, too, or alone.
    """

    def __init__(self, renderable: ConsoleRenderable, kept: bool):
        self.renderable, self.kept = renderable, kept

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        segments = [_harmless(segment) for segment in console.render(self.renderable, options)]
        if self.kept and _log is not None:
            _log.write("".join(segment.text for segment in segments if not segment.control))
            segments = [segment for segment in segments if segment.control or not _log.only]
        yield from segments


def _harmless(segment: Segment) -> Segment:
    if segment.control:
        return segment
    style = segment.style.update_link(None) if segment.style and segment.style.link else segment.style
    return segment._replace(text=harmless(segment.text), style=style)


def _say_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(harmless("".join(traceback.format_exception(kind, error, trace))))
