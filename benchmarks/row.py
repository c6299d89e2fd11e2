"""One line of the table."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Seconds of the same work done by this project, by a plain reference and by the least that it can cost.

    ``ratio`` is what ``target`` speaks of, and is measured within one run, so that the machine's mood cancels.
    """

    name: str
    ours: float
    reference: float
    floor: float
    ratio: float
    target: str
