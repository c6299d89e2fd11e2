"""The form of what a file says: names, types and ranges, looked at before anything uses it."""

from __future__ import annotations

import math
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from textgan_lit.errors import UserError, shown


class Form(BaseModel):
    """A dict with these keys and no other. Nothing is converted, and numbers are finite unless it is said otherwise."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


Count = Annotated[int, Interval(ge=0, le=2**53)]
Measured = Annotated[float, Field(allow_inf_nan=True)]  # which may be infinite, or no number
Least = Annotated[float, Field(allow_inf_nan=True, ge=-math.inf)]  # the least so far; infinite before the first
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r'^[^,"\p{C}\p{Zl}\p{Zp}]{1,100}$')]  # such as heads a column


def form(base: type[Form] = Form, /, **fields: Any) -> type[Form]:
    """The form of a dict with these keys, and with those of ``base``."""
    kinds: dict[str, Any] = {name: (kind, ...) for name, kind in fields.items()}
    return create_model("Form", __base__=base, **kinds)


def check(value: Any, kind: Any, where: str) -> None:
    """Whether ``value``, which stands at ``where``, is of a ``kind``: a form, or a type with its bounds.

    Raises:
        UserError: with the place, what stands there and what was wanted.
    """
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = shown(".".join((where, *map(str, problem["loc"]))))
        match problem["type"]:
            case "missing":
                raise UserError(f"{place} is missing.") from None
            case "extra_forbidden":
                raise UserError(f"{place}: nothing of that name was wanted.") from None
        wanted = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        raise UserError(f"{place}={shown(problem['input'])}: wanted {wanted}.") from None
