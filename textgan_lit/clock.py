"""How long a run has taken, over all its lives, and what it spent its time on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, final

from textgan_lit.run.schema import Seconds, form

KINDS = ("seconds", "cpu_seconds")
PARTS = ("pretraining", "adversarial", "evaluations", "temperatures", "networks")
SPENT = dict[Literal[PARTS], form(**dict.fromkeys(KINDS, Seconds))]  # of Stopwatch.spent, where it is saved


@final
class Stopwatch:
    """Seconds by part, since the first :meth:`start` and in the lives before: on the wall, and of this process's CPU
    time.

    Wall time is what people wait for; CPU time (all threads) is what the arithmetic took, whoever else was there.
    """

    def __init__(self) -> None:
        self.spent: dict[str, dict[str, float]] = {}
        self.part: str | None = None  # what time goes into now
        self._since = _now()

    def start(self, part: str | None) -> None:
        """Time goes into ``part`` from now on; None: into none."""
        self._settle()
        self.part = part

    @contextmanager
    def during(self, part: str) -> Iterator[None]:
        """Time goes into ``part``, and then into what it went into before."""
        before = self.part
        self.start(part)
        try:
            yield
        finally:
            self.start(before)

    def read(self) -> dict[str, float]:
        """Both kinds of seconds so far, in all."""
        self._settle()
        return {kind: sum(part[kind] for part in self.spent.values()) for kind in KINDS}

    def state(self) -> dict[str, dict[str, float]]:
        """What another life of the run begins with, as its ``spent``."""
        self._settle()
        return dict(self.spent)

    def parts(self) -> dict[str, float]:
        """Seconds on the wall so far, by part."""
        self._settle()
        return {name: self.spent[name]["seconds"] for name in PARTS if name in self.spent}

    def _settle(self) -> None:
        before, self._since = self._since, _now()
        if self.part is not None:
            spent = self.spent.get(self.part, dict.fromkeys(KINDS, 0.0))
            self.spent[self.part] = {kind: spent[kind] + self._since[kind] - before[kind] for kind in KINDS}


def _now() -> dict[str, float]:
    return {"seconds": time.monotonic(), "cpu_seconds": time.process_time()}


def told(parts: Mapping[str, float]) -> str:
    """Seconds by part in words.

    >>> told({"pretraining": 61.2, "evaluations": 8.9, "networks": 0.0})
    '70 s: pretraining 61, evaluations 9'
    """
    each = ", ".join(f"{name} {parts[name]:,.0f}" for name in PARTS if parts.get(name, 0.0) >= 0.5)
    return f"{sum(parts.get(name, 0.0) for name in PARTS):,.0f} s" + f": {each}" * bool(each)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(7.6), duration(417.0), duration(3723.0)
    ('8 s', '6:57', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60:,}:{minutes % 60:02}:{rest:02}"


def pace(steps: int, seconds: float) -> str:
    """How fast steps are played.

    >>> pace(240, 2.0), pace(5, 2.0), pace(2, 9.0)
    ('120 steps/s', '2.5 steps/s', '4.5 s a step')
    """
    rate = steps / max(seconds, 1e-9)
    return f"{1 / rate:.1f} s a step" if 0 < rate < 1 else f"{rate:,.{0 if rate >= 10 else 1}f} steps/s"
