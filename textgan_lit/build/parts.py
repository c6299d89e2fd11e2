"""Configuration → a part: an object whose class the configuration names.

A part's schema is its constructor's own signature: names, types and bounds are checked against it here, so a
class of a user's own package is checked just as well.
"""

from __future__ import annotations

import difflib
import inspect
import os
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from textgan_lit.build import foreign_keys
from textgan_lit.build.trust import find
from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError, shown
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.generator.base import Generator

SETTINGS = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


def part(config: Any, where: str, kind: type = object, /, **context: Any) -> Any:
    """The object that ``config``, a mapping, names by ``_target_``: of a class that is a ``kind``.

    ``context`` offers what only the program knows (vocab, oracle, …): a constructor takes what it has a name for.
    Nested parts are built first. Errors name the key, its value and what was wanted.
    """
    cls = class_of(config, where)
    _check_kind(cls, kind, where)
    given = {key: value for key, value in config.items() if key != "_target_"}
    # nn.Module's own constructor takes whatever it is given, and then refuses it
    accepted = {} if cls.__init__ is torch.nn.Module.__init__ else inspect.signature(cls).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    for key in given:
        if key in context:
            raise UserError(f"{where}.{key}: the program itself gives {cls.__name__} its {key}. Leave it out.")
        if key not in accepted and not open_ended:
            raise UserError(
                foreign_keys.refusal(f"{where}.{key}")
                or f"{where}.{shown(key)}: {cls.__name__} has no such setting{_nearest(key, accepted)}. "
                f"Where a file under conf/ gives it, leave it out by ~{where}.{shown(key)}."
            )
    hints = _hints(cls)
    values = {key: context[key] for key in accepted if context.get(key) is not None}
    for key, value in given.items():
        values[key] = _value(value, hints.get(key, Any), f"{where}.{key}", context)
    missing = [
        name
        for name, parameter in accepted.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in values
    ]
    if missing:
        raise UserError(
            f"{where}: {cls.__name__} also needs {', '.join(missing)}. "
            + (f"Choose one: model/{missing[0]}=…" if missing[0] in context else f"Give {where}.{missing[0]}=…")
            + (", or choose data that has it." if missing[0] not in context else ".")
        )
    _check_memory(cls, values, where)
    return cls(**values)


def class_of(config: Any, where: str) -> type:
    """The class that ``config`` names, found under the rules of trust."""
    if not isinstance(config, Mapping):
        raise UserError(f"{where}={shown(config)}: wanted a part, settings with a _target_, as the files in conf/ are.")
    if "_target_" not in config:
        raise UserError(f"{where} names no class. Give it a _target_, for example one from conf/.")
    return find(str(config["_target_"]), where)


def _check_kind(cls: type, hint: Any, where: str) -> None:
    """Whether what ``cls`` makes may stand where ``hint`` is asked for."""
    kinds = _kinds(hint)
    if not issubclass(cls, kinds):
        names = " or ".join(kind.__name__ for kind in kinds if kind is not types.NoneType)
        raise UserError(f"{where}._target_={shown(_path(cls))}: wanted a {names}. Choose one as conf/ does there.")


def _kinds(hint: Any) -> tuple[type, ...]:
    """The classes that a hint asks for; ``object`` where it does not say."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _kinds(options[0])
    if origin is typing.Literal:
        return tuple(type(option) for option in options)
    if origin in (typing.Union, types.UnionType):
        return tuple(kind for option in options for kind in _kinds(option))
    kind = origin or hint
    vague = kind is Any or not inspect.isclass(kind) or getattr(kind, "_is_protocol", False)
    return (object,) if vague else (kind,)


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _check_memory(cls: type, values: Mapping[str, Any], where: str) -> None:
    """Whether a player of ours fits into this machine's memory, before any of that is taken.

    On torch's meta device modules have shapes and no numbers. A part that is made of others adds little to them.
    """
    ours = issubclass(cls, (Generator, Discriminator)) and cls.__module__.startswith("textgan_lit.")
    if not ours or issubclass(cls, Oracle) or any(callable(value) for value in values.values()):
        return
    with torch.device("meta"):
        needed = size_of(cls(**values).state_dict())
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > has:
        raise UserError(
            f"{where}: {cls.__name__} of these sizes takes {needed / 1e9:,.0f} GB, and this machine has "
            f"{has / 1e9:,.0f} GB of memory. Give smaller ones."
        )


def size_of(weights: Mapping[str, torch.Tensor]) -> int:
    """Bytes of all the numbers that these shapes have room for."""
    return sum(weight.numel() * weight.element_size() for weight in weights.values())


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls.__init__, include_extras=True)
    except NameError:  # a library's own class, whose annotations only a type checker can read
        return {}


def _value(value: Any, hint: Any, where: str, context: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping) and "_target_" in value:
        _check_kind(class_of(value, where), hint, where)
        return part(value, where, **context)
    return setting(value, hint, where)


def setting(value: Any, hint: Any, where: str) -> Any:
    """``value`` as ``hint`` wants it, or an error that names both."""
    try:
        return TypeAdapter(hint, config=SETTINGS).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise UserError(f"{where}={shown(value)}: wanted {problem}.") from None
    except PydanticUserError:  # a hint that it has no check for, or one that brings its own configuration
        return value


def group(config: Any, where: str) -> Mapping[str, Any]:
    """The settings under a dotted path."""
    for name in where.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    if not isinstance(config, Mapping):
        raise UserError(f"{where}={shown(config)}: wanted settings. `--cfg job` prints what stands there by default.")
    return config


def _nearest(key: str, names: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(key, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; it takes {', '.join(names)}"
