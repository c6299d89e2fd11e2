"""How long a run has taken, over all its lives."""

from __future__ import annotations

import time
from typing import final


@final
class Stopwatch:
    """Seconds since :meth:`start`, and those of the lives before: on the wall, and of this process's CPU time.

    Wall time is what people wait for; CPU time (all threads) is what the arithmetic took, whoever else was there.
    """

    def __init__(self) -> None:
        self.before = {"seconds": 0.0, "cpu_seconds": 0.0}
        self._since: dict[str, float] | None = None

    def start(self) -> None:
        self._since = _now()

    def read(self) -> dict[str, float]:
        """Both kinds of seconds so far; those of ``before`` until it is started."""
        if self._since is None:
            return dict(self.before)
        return {name: self.before[name] + now - self._since[name] for name, now in _now().items()}


def _now() -> dict[str, float]:
    return {"seconds": time.monotonic(), "cpu_seconds": time.process_time()}
