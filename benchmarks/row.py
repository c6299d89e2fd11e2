"""One line of the table."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """The same work done by this project, by a plain reference and by the least arithmetic that it needs.

    ``ours``, ``reference`` and ``floor`` are in ``unit``, of one processor core unless the row's name says otherwise.
    ``target`` speaks of ``ratio``, which is measured within one run, so that the machine's mood cancels.
    """

    name: str
    ours: float
    reference: float
    floor: float
    ratio: float
    target: str
    unit: str = "s"
