"""What an optimizer has learnt of its gradients: what is saved of it, and whether it is this optimizer's.

Its settings are the configuration's, which is read anew; saved are its memory, by parameter, and of each group the
learning rate, which pretraining lowers, and what its constructor does not take.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from textgan_lit.errors import UserError, shown
from textgan_lit.model.weights import check_like
from textgan_lit.run.schema import Count, Measured, Seconds, check, form

MEMORY = form(state=dict[Count, dict[str, Any]], param_groups=list[dict[str, Any]])


def kept(optimizer: Optimizer) -> dict[str, Any]:
    """What is saved of an optimizer."""
    state = optimizer.state_dict()
    own = _own(optimizer)
    groups = [{key: group[key] for key in group if key in own} for group in state["param_groups"]]
    return {"state": state["state"], "param_groups": groups}


def whole(saved: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """What was saved, with the settings of ``optimizer``: what its ``load_state_dict`` takes."""
    groups = zip(optimizer.state_dict()["param_groups"], saved["param_groups"], strict=True)
    return {"state": saved["state"], "param_groups": [{**now, **then} for now, then in groups]}


def _own(optimizer: Optimizer) -> set[str]:
    """The keys of its groups that a configuration does not say."""
    given = {name for kind in type(optimizer).__mro__ for name in inspect.signature(kind.__init__).parameters}
    return {key for group in optimizer.param_groups for key in group if key == "lr" or key not in given}


def check_moments(saved: Any, make: Callable[[Iterable[Parameter]], Optimizer], weights: list[Parameter], where: str):
    """Whether ``saved`` is what an optimizer that ``make`` makes for ``weights`` may have learnt.

    Raises:
        UserError: with the place, what stands there and what was wanted.
    """
    check(saved, MEMORY, where)
    optimizer = make(weights)
    groups, own = optimizer.param_groups, _own(optimizer)
    if len(saved["param_groups"]) != len(groups):
        raise UserError(f"{where} has {len(saved['param_groups'])} groups of parameters, wanted {len(groups)}.")
    for number, (given, now) in enumerate(zip(saved["param_groups"], groups, strict=True)):
        check(given, form(**{key: _kind(key, now[key]) for key in now if key in own}), f"{where}.param_groups.{number}")
    learnt = _learnt(make, weights)
    for number, given in saved["state"].items():
        place = f"{where}.state.{number}"
        if number >= len(weights):
            raise UserError(f"{place}: there are {len(weights)} parameters.")
        if learnt is not None:
            _check_memory(given, learnt[number], place)


def _kind(key: str, value: Any) -> Any:
    return Seconds if key == "lr" else Measured if isinstance(value, float) else type(value)


def _learnt(make: Callable[[Iterable[Parameter]], Optimizer], weights: list[Parameter]) -> list[dict[str, Any]] | None:
    """What such an optimizer knows of each weight after one step: names, shapes and types, on torch's meta device,
    which takes no memory, with one weight of each kind. None of one that cannot play there."""
    kinds = [(weight.shape, weight.dtype) for weight in weights]
    bare = {(shape, dtype): Parameter(torch.empty(shape, dtype=dtype, device="meta")) for shape, dtype in kinds}
    for weight in bare.values():
        weight.grad = torch.empty_like(weight)
    optimizer = make(list(bare.values()))
    try:
        optimizer.step()
    except Exception:  # a class of the user's own may do anything
        return None
    return [dict(optimizer.state[bare[kind]]) for kind in kinds]


def _check_memory(given: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> None:
    if given.keys() != wanted.keys():
        raise UserError(f"{place} knows {shown(sorted(given))}, wanted {shown(sorted(wanted))}.")
    for name, value in given.items():
        if not isinstance(wanted[name], Tensor):
            check(value, Any if wanted[name] is None else type(wanted[name]), f"{place}.{name}")
            continue
        check_like(value, wanted[name], f"{place}.{name}")
        if value.isnan().any() or (name == "step" and not 0 <= float(value) <= 2**53):
            raise UserError(f"{place}.{name} holds numbers that no optimizer comes to.")
