"""Configuration → objects: data first, then the vocabulary, then the players.

A part's schema is its constructor's own signature: names, types and bounds are checked against it here, so a
class of a user's own package is checked just as well.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from annotated_types import Gt, Interval
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from textgan_lit import elsewhere, fitting
from textgan_lit.baseline import Baseline
from textgan_lit.credit import Credit
from textgan_lit.data.oracle import Oracle
from textgan_lit.discriminator.base import Discriminator
from textgan_lit.errors import UserError, shown
from textgan_lit.faults import Faults
from textgan_lit.generator.base import Generator
from textgan_lit.metrics.base import SetMetric
from textgan_lit.objective import Objective
from textgan_lit.penalty import Penalty
from textgan_lit.policy import Policy
from textgan_lit.program import Fixed, Program
from textgan_lit.regulariser import Regularised, Regulariser
from textgan_lit.reward import Reward
from textgan_lit.system import Move, TextGAN
from textgan_lit.trainer import Settings, make
from textgan_lit.trust import find
from textgan_lit.types import MANY, Seed

PLAYER_OF = {"likelihood": "generator", "discriminator": "discriminator", "generator": "generator"}
KINDS = {
    "generator": Generator,
    "discriminator": Discriminator,
    "policy": Policy,
    "reward": Reward,
    "credit": Credit,
    "baseline": Baseline,
    "objective": Objective,
    "estimator": Objective,
    "adversary": Objective,
    "penalty": Penalty,
}
NEEDED = ("generator", "policy")
SETTINGS = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


def part(config: Any, where: str, kind: type = object, /, **context: Any) -> Any:
    """The object that ``config``, a mapping, names by ``_target_``: of a class that is a ``kind``.

    ``context`` offers what only the program knows (vocab, oracle, …): a constructor takes what it has a name for.
    Nested parts are built first. Errors name the key, its value and what was wanted.
    """
    cls = _class(config, where)
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
                elsewhere.refusal(f"{where}.{key}")
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


def _class(config: Any, where: str) -> type:
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
        _check_kind(_class(value, where), hint, where)
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


def data(config: Mapping[str, Any]) -> pl.LightningDataModule:
    """The data module, told how many sentences the widest move takes a turn."""
    settings = dict(group(config, "data"))
    if "weights" not in inspect.signature(_class(settings, "data")).parameters:
        settings.pop("weights", None)  # conf/data/oracle_seqgan.yaml: short for oracle.weights
    module = part(settings, "data", pl.LightningDataModule)
    missing = [
        name for name in ("vocab", "max_length", "sizes", "with_batch", "sentences") if not hasattr(module, name)
    ]
    if missing:
        raise UserError(
            f"data: {type(module).__name__} has no {' and no '.join(missing)}. "
            "docs/extending.md lists what a data module offers."
        )
    batches = [_batch(config["model"], name) for name in group(config, "model.moves")]
    module.with_batch(max(batches, default=1))
    return module


def system(config: Mapping[str, Any], module: pl.LightningDataModule) -> TextGAN:
    """The game on ``module``'s sentences."""
    model = group(config, "model")
    group(model, "moves")
    known = {"vocab": module.vocab, "max_length": module.max_length, "sentences": module.sentences}
    if getattr(module, "oracle", None) is not None:
        known["oracle"] = module.oracle
    make = functools.partial(_optional, model, known)
    generator, policy = make("generator", reader=reader(model, known)), make("policy")
    known["generator"] = generator
    discriminator = make("discriminator")
    rules = {"reward": make("reward"), "credit": make("credit"), "baseline": make("baseline")}
    fitting.check_credit(rules["credit"], discriminator, model)
    if discriminator is not None and discriminator.reads_density:
        generator.need_likelihood(f"discriminator {type(discriminator).__name__}", "model/discriminator=conv")
    estimator = make("estimator", **rules)
    fitting.check_used(estimator, rules)
    objectives = {
        "likelihood": make("objective"),
        "discriminator": make("adversary", penalty=make("penalty")) if discriminator is not None else None,
        "generator": _regularised(estimator, model, known),
    }
    players = {"generator": generator, "discriminator": discriminator}
    moves = {
        name: _move(model, name, objective)
        for name, objective in objectives.items()
        if objective is not None and any(p.requires_grad for p in players[PLAYER_OF[name]].parameters())
    }
    for move in moves.values():
        move.objective.check(generator, discriminator)
    fitting.check_taught(discriminator, moves)
    adversary = objectives["discriminator"] if "discriminator" in moves else None
    fitting.check_reward(rules["reward"], adversary, estimator)
    if adversary is not None:
        fitting.check_length(rules["credit"], adversary, rules["reward"], module.vocab)
    together = moves["generator"].objective.epochs if "generator" in moves else 1
    turns = {"moves": tuple(moves), "epoch": _epoch(module, moves), "in_a_row": together}
    program = part(model.get("program"), "model.program", Program, **turns)
    fitting.check_policy(policy, program, moves)
    if any(move.objective.null for move in moves.values()):
        program.rule = Fixed()  # nothing may withhold a control's generator turns
    fitting.check_rule(program.rule, discriminator, known)
    if program.rule.needs_oracle:
        generator.need_likelihood(f"{type(program.rule).__name__}, which compares with D*,", "model/program=staleness")
    seed = setting(config.get("seed"), Seed, "seed")
    size = setting(config.get("reading_size"), Annotated[int, Interval(ge=2, le=MANY)], "reading_size")
    ema = setting(model.get("ema"), Annotated[float, Interval(gt=0, lt=1)] | None, "model.ema")
    faults = _faults(config)
    sentences = getattr(module, "fingerprint", None)
    return TextGAN(generator, discriminator, moves, program, policy, seed, size, ema, dict(config), faults, sentences)


def reader(model: Mapping[str, Any], known: Mapping[str, Any]) -> Callable[[], Discriminator | None]:
    """What makes a generator that looks on a discriminator of its own like the model's; None where that shows nothing.

    A generator is made before the discriminator, which may be made of it.
    """

    def make() -> Discriminator | None:
        config = model.get("discriminator")
        leaks = config is not None and getattr(_class(config, "model.discriminator"), "leaks", False)
        return part(config, "model.discriminator", Discriminator, **known) if leaks else None

    return make


def _faults(config: Mapping[str, Any]) -> Faults:
    faults = part(config["faults"], "faults", Faults) if config.get("faults") else Faults()
    precision = (config.get("trainer") or {}).get("precision")
    if faults.policy != "stop" and precision in ("16-mixed", "16", 16):
        raise UserError(
            f"faults.policy={faults.policy} leaves steps out, but trainer.precision={precision} has its own rules for "
            "that. Use trainer.precision=bf16-mixed, or faults.policy=stop."
        )
    return faults


def _regularised(objective: Any, model: Mapping[str, Any], known: dict[str, Any]) -> Any:
    """The generator's objective with what ``model.regulariser`` adds to it."""
    if not model.get("regulariser"):
        return objective
    chosen = group({"model": model}, "model.regulariser")
    if objective is None:
        raise UserError(
            f"model.regulariser={', '.join(chosen)} adds to the generator's turns, and without an estimator there are "
            "none. Leave it out, or choose a game: model=minimax."
        )
    more = {name: part(entry, f"model.regulariser.{name}", Regulariser, **known) for name, entry in chosen.items()}
    return Regularised(objective, more)


def _epoch(module: pl.LightningDataModule, moves: dict[str, Move]) -> int:
    """Likelihood turns between validations: one pass over the training sentences, or 100 where they never end."""
    size = module.sizes["train"]
    return max(1, size // moves["likelihood"].batch) if size and "likelihood" in moves else 100


def _optional(model: Mapping[str, Any], known: dict[str, Any], name: str, **more: Any) -> Any:
    config = model.get(name)
    if config is None and name in NEEDED:
        raise UserError(f"model.{name}=null: a game cannot do without. Choose one: model/{name}=…")
    return None if config is None else part(config, f"model.{name}", KINDS[name], **known, **more)


def _move(model: Mapping[str, Any], name: str, objective: Any) -> Move:
    where = f"model.moves.{name}"
    config = group({"model": model}, where)

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return part(config.get("optimizer"), f"{where}.optimizer", torch.optim.Optimizer, params=parameters)

    try:
        optimizer([torch.zeros(1, requires_grad=True)])  # says now what it would say at the first turn
    except ValueError as error:
        raise UserError(f"{where}.optimizer: {error}. Give it a value that it takes.") from error
    clip = setting(config.get("clip"), Annotated[float, Gt(0)] | None, f"{where}.clip")
    return Move(PLAYER_OF[name], objective, optimizer, _batch(model, name), clip)


def _batch(model: Mapping[str, Any], name: str) -> int:
    """Sentences a turn of a move."""
    where = f"model.moves.{name}"
    return setting(
        group({"model": model}, where).get("batch"), Annotated[int, Interval(ge=1, le=MANY)], f"{where}.batch"
    )


def metrics(config: Mapping[str, Any], module: Any) -> dict[str, dict[str, SetMetric]]:
    """What is measured at every evaluation, and what at the end besides.

    ``module`` has a ``vocab``, a ``max_length`` and ``sentences``, as a data module has.
    """
    known = {"vocab": module.vocab, "max_length": module.max_length, "sentences": module.sentences}
    chosen = {stage: (config.get("metrics") or {}).get(stage) or {} for stage in ("evaluation", "closing")}
    return {
        stage: {
            name: part(entry, f"metrics.{stage}.{name}", SetMetric, **known) for name, entry in entries.items() if entry
        }
        for stage, entries in chosen.items()
    }


def callbacks(config: Mapping[str, Any], module: pl.LightningDataModule) -> list[pl.Callback]:
    """The run's callbacks, which see what ``module`` holds."""
    known = {"vocab": module.vocab, "sentences": module.sentences, **metrics(config, module)}
    chosen = (config.get("callbacks") or {}).items()
    return [part(entry, f"callbacks.{name}", **known) for name, entry in chosen if entry]


def trainer(config: Mapping[str, Any], callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """Lightning's Trainer with these callbacks and the run's loggers."""
    loggers = [part(entry, f"logger.{name}") for name, entry in (config.get("logger") or {}).items() if entry]
    named = {**group(config, "trainer"), "_target_": f"{Settings.__module__}.{Settings.__qualname__}"}
    return make(part(named, "trainer", Settings), callbacks, loggers)
