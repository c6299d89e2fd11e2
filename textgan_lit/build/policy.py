"""The policy that settings of temperature, top_k and top_p ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from textgan_lit.build.parts import setting
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical, Nucleus, Policy, TopK


def policy(given: Mapping[str, Any], spelled: Callable[[str], str] = str) -> Policy | None:
    """The policy that temperature, top_k and top_p ask for; None where all are None.

    Raises:
        UserError: a value of another kind, by its name as it is ``spelled``; or both top_k and top_p.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    if not asked:
        return None
    if {"top_k", "top_p"} <= asked.keys():
        raise UserError("top_k and top_p each leave out tokens of their own. Give one of them.")
    chosen = TopK if "top_k" in asked else Nucleus if "top_p" in asked else Categorical
    hints, settings = get_type_hints(chosen.__init__, include_extras=True), {}
    for name, value in asked.items():
        own = name.removeprefix("top_")
        settings[own] = setting(value, hints[own], spelled(name))
    return chosen(**settings)
