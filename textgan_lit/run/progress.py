"""How long work goes on: a line that is repainted below all others, or one of its own now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, final

from textgan_lit.run import terminal

REPAINT = 0.2  # seconds at least between two looks of a line that is repainted
APART = 30.0  # … and between two lines where none can be: in a pipe, or a batch system's file


@final
class Progress:
    """One line: repainted at the bottom of a watched terminal, elsewhere said every ``APART`` seconds.

    ``drawn`` gives what is repainted, a text or what else rich can draw, and ``line`` what is said; both are asked for
    only when they are due. What is said otherwise in the meantime stands above, and stays.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self.now = now
        self.live: Any = None  # rich.live.Live, while something is repainted
        self.shown_at = now()

    def show(self, drawn: Callable[[], Any], line: Callable[[], str], at_once: bool = False) -> None:
        """Shows how it goes, if that is due; ``at_once`` where the next look may come late."""
        since = self.now() - self.shown_at
        if since < REPAINT and not at_once:
            return
        if terminal.watched():
            self._repaint(drawn())
        elif since >= APART:
            terminal.console().print(line(), highlight=False, soft_wrap=True)
        else:
            return
        self.shown_at = self.now()

    def doing(self, what: str) -> None:
        """Shows what takes a while from now on."""
        self.show(lambda: what, lambda: what, at_once=True)

    def _repaint(self, drawn: Any) -> None:
        from rich.live import Live
        from rich.text import Text

        drawn = Text(drawn, no_wrap=True, overflow="ellipsis") if isinstance(drawn, str) else drawn
        if self.live is None:
            self.live = Live(console=terminal.console(), auto_refresh=False, transient=True)
            self.live.start()
            terminal.console().show_cursor(True)  # which would stay hidden where the process is killed
        self.live.update(drawn, refresh=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        self.clear()

    def clear(self) -> None:
        """Takes the line away."""
        if self.live is not None:
            self.live.stop()
            self.live = None
