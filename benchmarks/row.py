"""One line of the table."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """The same work done by this project, by a plain reference and by the least arithmetic that it needs.

    ``ours``, ``reference`` and ``floor`` are in ``unit``, of one processor core; NaN where there is none. ``target``
    says in words what ``ratio`` should reach, ``met`` whether it did (None: there is no target). Where ``ratio``
    compares with another library's seconds, ``gflops`` is this machine's fp32 rate beside it, by which they are scaled.
    """

    name: str
    ours: float
    reference: float
    floor: float
    ratio: float
    target: str
    met: bool | None
    unit: str = "s"
    gflops: float = float("nan")
