"""Whether a part answered with what its place needs: a wrong shape is broadcast, and trained on without a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from textgan_lit.errors import UserError, shown


def checked(part: object, given: Any, wanted: Sequence[int], what: str) -> Tensor:
    """``given``, the answer of ``part``; ``what`` says of how many numbers and which.

    Raises:
        UserError: where it is no tensor of floating-point numbers in the shape ``wanted``. Whether they are finite is
            asked once a step (:mod:`textgan_lit.faults`), for that takes a synchronisation with the device.
    """
    if isinstance(given, Tensor) and given.is_floating_point() and given.shape == tuple(wanted):
        return given
    raise UserError(f"{name_of(part)} gave {told(given)}, wanted shape {tuple(wanted)}: {what}.")


def name_of(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def told(given: Any) -> str:
    """What an answer is, in words.

    >>> told([0.5]), told(None)
    ('a list, [0.5]', 'None')
    """
    if isinstance(given, Tensor):
        kind = "" if given.is_floating_point() else f" of {str(given.dtype).removeprefix('torch.')}"
        return f"shape {tuple(given.shape)}{kind}"
    return "None" if given is None else f"a {type(given).__name__}, {shown(given)}"
