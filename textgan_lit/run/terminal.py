"""Where text reaches a terminal, which obeys some of it: whatever somebody else has put into it is made harmless here.

Names, settings, samples and messages of somebody's run are said in many places, so it is not these that take care but
what all text passes: the streams of a command, and the one console. Generated text is as it is in files and pipes.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, final

from textgan_lit.errors import harmless

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


def unguarded(stream: Any) -> Any:
    """The stream itself, whatever stands before it."""
    while hasattr(stream, "rich_proxied_file"):
        stream = stream.rich_proxied_file
    return stream


def console_on(stream: Any) -> Console:
    """A console whose own styles reach the stream, and nobody else's: foreign text is no markup, and harmless."""
    from rich.console import Console

    console = Console(file=stream, markup=False, emoji=False)
    console.push_render_hook(_Harmless())
    return console


@functools.cache
def console(name: Literal["stdout", "stderr"] = "stdout") -> Console:
    """The one console of a standard stream, which progress bars and lines share."""
    return console_on(_Standard(name))


@final
class _Standard:
    """What sys.stdout, say, is at the moment, unguarded."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(unguarded(getattr(sys, self._name)), name)


@final
class _Harmless:
    """What rich calls a render hook."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Rendered(one) for one in renderables]


@final
class _Rendered:
    """A renderable whose text is harmless, and no link. What rich itself tells the terminal has its own segments."""

    def __init__(self, renderable: ConsoleRenderable):
        self.renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.renderable, options):
            style = segment.style.update_link(None) if segment.style and segment.style.link else segment.style
            yield segment if segment.control else segment._replace(text=harmless(segment.text), style=style)


def _say_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(harmless("".join(traceback.format_exception(kind, error, trace))))
