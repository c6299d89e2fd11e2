"""Whether weights that were read from a file are those of what was built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from textgan_lit.errors import UserError, shown

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # any of them is taken for another


def check_fit(wanted: Mapping[str, Any], given: Mapping[str, Any], owner: str, ids: int) -> None:
    """Whether ``given`` has the names, shapes, types and possible numbers of ``wanted``, the state of an ``owner``.

    Floating point numbers are finite. Whole numbers count from 0; those of a table are ids, ``ids`` of them. What is no
    tensor in ``wanted`` (a module's extra state) is that module's own to look at.

    Raises:
        UserError: with the weight's name, what it is and what was wanted.
    """
    for one, other, said in ((wanted, given, "lacks"), (given, wanted, "has")):
        if odd := sorted(one.keys() - other.keys(), key=str):
            raise UserError(f"It {said} the weight {shown(odd[0])}, unlike its {owner}.")
    for name, weight in given.items():
        if isinstance(wanted[name], Tensor):
            check_like(weight, wanted[name], f"{owner}'s {name}")
            _check_numbers(weight, f"{owner}'s {name}", ids)


def check_like(given: Any, wanted: Tensor, name: str) -> None:
    """Whether ``given`` is a tensor of the shape and the kind of ``wanted``."""
    if not isinstance(given, Tensor):
        raise UserError(f"{name} is {shown(given)}, wanted a tensor.")
    found, asked = (f"{_kind(some)}{list(some.shape)}" for some in (given, wanted))
    if found != asked:
        raise UserError(f"{name} is {shown(found)}, wanted {asked}.")


def bases(generator: nn.Module, discriminator: nn.Module | None) -> dict[str, str]:
    """The sha256 of the pretrained weights that each player stands on, where it does."""
    players = {"generator": generator, "discriminator": discriminator}
    return {name: player.base for name, player in players.items() if player is not None and player.base is not None}


def check_bases(kept: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Whether the players stand on the pretrained weights they stood on, each named by its sha256."""
    for name in sorted(kept.keys() | now.keys()):
        if kept.get(name) != now.get(name):
            was, is_now = (shown(str(some.get(name, "none"))[:12]) for some in (kept, now))
            raise UserError(
                f"Its {name} stands on pretrained weights of sha256 {was}…, and would stand on others now ({is_now}…). "
                "Give that model as it was."
            )


def _check_numbers(weight: Tensor, name: str, ids: int) -> None:
    if weight.is_floating_point():
        if not weight.isfinite().all():
            raise UserError(f"{name} holds numbers that are none (NaN or infinite).")
    elif weight.dtype is not torch.bool and weight.numel():
        least, most = (int(value) for value in weight.aminmax())
        if least < 0 or (weight.dim() and most >= ids):
            raise UserError(f"{name} holds {least if least < 0 else most}, wanted 0 or more, and less than {ids}.")


def _kind(weight: Tensor) -> str:
    return "Float" if weight.dtype in FLOATS else str(weight.dtype).removeprefix("torch.")
