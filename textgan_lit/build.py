"""Configuration → objects: data first, then the vocabulary, then the players.

A part's schema is its constructor's own signature: names, types and bounds are checked against it here, so a
class of a user's own package is checked just as well.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import os
import typing
from collections.abc import Mapping
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from annotated_types import Ge, Gt, Interval
from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from textgan_lit.checkpoint import CheckpointFiles
from textgan_lit.credit import Credit
from textgan_lit.discriminator.base import Discriminator
from textgan_lit.errors import UserError
from textgan_lit.estimator.data_side import DataSide
from textgan_lit.estimator.self_play import SelfPlay
from textgan_lit.faults import Faults
from textgan_lit.launch import JobDDP
from textgan_lit.policy import Policy
from textgan_lit.program import Fixed, Rule
from textgan_lit.regulariser import Regularised
from textgan_lit.reward import Reward
from textgan_lit.system import Move, TextGAN

PLAYER_OF = {"likelihood": "generator", "discriminator": "discriminator", "generator": "generator"}


def part(config: Mapping[str, Any], where: str, **context: Any) -> Any:
    """The object that ``config`` names by ``_target_``.

    ``context`` offers what only the program knows (vocab, oracle, …): a constructor takes what it has a name for.
    Nested parts are built first. Errors name the key, its value and what was wanted.
    """
    cls, given = _class(config, where), {key: value for key, value in config.items() if key != "_target_"}
    accepted = inspect.signature(cls).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    for key in given:
        if key not in accepted and not open_ended:
            raise UserError(f"{where}.{key}: {cls.__name__} has no such setting{_nearest(key, accepted)}.")
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
    return cls(**values)


def _class(config: Mapping[str, Any], where: str) -> type:
    if "_target_" not in config:
        raise UserError(f"{where} names no class. Give it a _target_, for example one from conf/.")
    target = str(config["_target_"])
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{where}._target_={target}: no such class ({' '.join(str(error).split())}).") from error
    if not isinstance(found, type):
        raise UserError(f"{where}._target_={target} is not a class. Name one, as the files under conf/ do.")
    return found


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls.__init__, include_extras=True)
    except NameError:  # a library's own class, whose annotations only a type checker can read
        return {}


def _value(value: Any, hint: Any, where: str, context: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping) and "_target_" in value:
        return part(value, where, **context)
    return _setting(value, hint, where)


def _setting(value: Any, hint: Any, where: str) -> Any:
    """``value`` as ``hint`` wants it, or an error that names both."""
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise UserError(f"{where}={value}: wanted {problem}.") from None
    except PydanticSchemaGenerationError:
        return value


def _nearest(key: str, names: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(key, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; it takes {', '.join(names)}"


def data(config: Mapping[str, Any]) -> pl.LightningDataModule:
    """The data module, told how many sentences the widest move takes a turn."""
    settings = dict(config["data"])
    if "weights" not in inspect.signature(_class(settings, "data")).parameters:
        settings.pop("weights", None)  # conf/data/oracle_seqgan.yaml: short for oracle.weights
    module = part(settings, "data")
    missing = [
        name for name in ("vocab", "max_length", "sizes", "with_batch", "sentences") if not hasattr(module, name)
    ]
    if missing:
        raise UserError(
            f"data: {type(module).__name__} has no {' and no '.join(missing)}. "
            "docs/extending.md lists what a data module offers."
        )
    moves = config["model"]["moves"]
    widest = max(_setting(moves[name]["batch"], Annotated[int, Ge(1)], f"model.moves.{name}.batch") for name in moves)
    module.with_batch(widest)
    return module


def system(config: Mapping[str, Any], module: pl.LightningDataModule) -> TextGAN:
    """The game on ``module``'s sentences."""
    model = config["model"]
    known = {"vocab": module.vocab, "max_length": module.max_length, "sentences": module.sentences}
    if getattr(module, "oracle", None) is not None:
        known["oracle"] = module.oracle
    make = functools.partial(_optional, model, known)
    generator, policy = make("generator"), make("policy")
    known["generator"] = generator
    discriminator = make("discriminator")
    rules = {"reward": make("reward"), "credit": make("credit"), "baseline": make("baseline")}
    _check_fit(rules["credit"], discriminator, model)
    estimator = make("estimator", **rules)
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
    _check_taught(discriminator, moves)
    _check_reward(rules["reward"], objectives["discriminator"] if "discriminator" in moves else None, estimator)
    _check_policy(policy, model)
    together = moves["generator"].objective.epochs if "generator" in moves else 1
    program = part(
        model["program"], "model.program", moves=tuple(moves), epoch=_epoch(module, moves), in_a_row=together
    )
    if any(move.objective.null for move in moves.values()):
        program.rule = Fixed()  # nothing may withhold a control's generator turns
    _check_rule(program.rule, known)
    seed = _setting(config["seed"], Annotated[int, Ge(0)], "seed")
    size = _setting(config["reading_size"], Annotated[int, Ge(2)], "reading_size")
    ema = _setting(model.get("ema"), Annotated[float, Interval(gt=0, lt=1)] | None, "model.ema")
    faults = _faults(config)
    return TextGAN(generator, discriminator, moves, program, policy, seed, size, ema, dict(config), faults)


def _faults(config: Mapping[str, Any]) -> Faults:
    faults = part(config["faults"], "faults") if config.get("faults") else Faults()
    precision = (config.get("trainer") or {}).get("precision")
    if faults.policy != "stop" and precision in ("16-mixed", "16", 16):
        raise UserError(
            f"faults.policy={faults.policy} leaves steps out, but trainer.precision={precision} has its own rules for "
            "that. Use trainer.precision=bf16-mixed, or faults.policy=stop."
        )
    return faults


def _regularised(objective: Any, model: Mapping[str, Any], known: dict[str, Any]) -> Any:
    """The generator's objective with what ``model.regulariser`` adds to it."""
    chosen = model.get("regulariser") or {}
    if objective is None or not chosen:
        return objective
    return Regularised(
        objective, {name: part(entry, f"model.regulariser.{name}", **known) for name, entry in chosen.items()}
    )


def _epoch(module: pl.LightningDataModule, moves: dict[str, Move]) -> int:
    """Likelihood turns between validations: one pass over the training sentences, or 100 where they never end."""
    size = module.sizes["train"]
    return max(1, size // moves["likelihood"].batch) if size and "likelihood" in moves else 100


def _optional(model: Mapping[str, Any], known: dict[str, Any], name: str, **more: Any) -> Any:
    config = model.get(name)
    return None if config is None else part(config, f"model.{name}", **known, **more)


def _move(model: Mapping[str, Any], name: str, objective: Any) -> Move:
    config, where = model["moves"][name], f"model.moves.{name}"

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return part(config["optimizer"], f"{where}.optimizer", params=parameters)

    try:
        optimizer([torch.zeros(1, requires_grad=True)])  # says now what it would say at the first turn
    except ValueError as error:
        raise UserError(f"{where}.optimizer: {error}. Give it a value that it takes.") from error
    clip = _setting(config["clip"], Annotated[float, Gt(0)] | None, f"{where}.clip")
    return Move(PLAYER_OF[name], objective, optimizer, config["batch"], clip)


def _check_rule(rule: Rule, known: Mapping[str, Any]) -> None:
    if rule.needs_oracle and "oracle" not in known:
        raise UserError(
            f"{type(rule).__name__} compares D with the best possible D, which takes data whose distribution is known. "
            "Use data=mixture or another oracle, or a rule that does without, such as model/program=staleness."
        )


def _check_policy(policy: Policy, model: Mapping[str, Any]) -> None:
    if policy.leaves_out and model["program"].get("warm_up", 0) > 0:
        raise UserError(
            f"{type(policy).__name__} gives some words probability 0, so the likelihood warm-up would be infinite. "
            "Use model/policy=categorical while training, or model.program.warm_up=0."
        )


def _check_fit(credit: Credit | None, discriminator: Discriminator | None, model: Mapping[str, Any]) -> None:
    if credit is None or discriminator is None or credit.needs in ("any", discriminator.scores):
        return
    fitting = {
        "word": "model/credit=terminal or model/credit=reward_to_go",
        "sentence": "model/credit=terminal or model/credit=monte_carlo",
    }
    group = "model/discriminator" + ("@model.discriminator.critic" if "critic" in model["discriminator"] else "")
    players = {"word": f"{group}=recurrent", "sentence": f"{group}=conv or transformer"}
    raise UserError(
        f"{type(credit).__name__} credit needs one score per {credit.needs}, but the discriminator "
        f"{type(discriminator).__name__} gives one per {discriminator.scores}. "
        f"Use {fitting[discriminator.scores]}, or {players[credit.needs]}."
    )


def _check_taught(discriminator: Discriminator | None, moves: dict[str, Move]) -> None:
    learns = discriminator is not None and any(weight.requires_grad for weight in discriminator.parameters())
    if learns and "discriminator" not in moves:
        raise UserError(
            f"{type(discriminator).__name__} has to be taught, but the model has no adversary. "
            "Use model/adversary=minimax with it, or model/discriminator=oracle or empirical, which learn nothing."
        )


def _check_reward(reward: Reward | None, adversary: Any, estimator: Any) -> None:
    """Whether the score that the adversary trains is what the reward takes it for."""
    if isinstance(estimator, SelfPlay) and reward is not None:
        raise UserError(
            "estimator=self_play rewards nothing, so a reward, null controls too, would be ignored. "
            "Use model/reward=null; its control is model.estimator.shuffled=true."
        )
    if reward is None or adversary is None:
        return
    of_log_odds = reward.of_log_odds or isinstance(estimator, DataSide)
    if of_log_odds and not adversary.log_odds:
        raise UserError(
            f"{type(reward).__name__} reward takes the score for log P/G, but {type(adversary).__name__} trains a "
            "critic whose score is not. Use model/reward=score or sign, or model/adversary=minimax or least_squares."
        )
    if getattr(adversary, "pairs", False) and not reward.linear:
        raise UserError(
            f"{type(adversary).__name__} leaves a constant of the score open, which {type(reward).__name__} reward "
            "would see. Use model/reward=log_odds, or model/adversary=minimax."
        )


def check_shares(system: TextGAN, module: pl.LightningDataModule, processes: int) -> None:
    """Whether so many processes can share every batch and split equally: said before any of them is started."""
    rows = {f"model.moves.{name}.batch": move.batch for name, move in system.moves.items()}
    rows |= {f"data.{name}": size for name, size in module.sizes.items() if name != "train" and size}
    for name, number in rows.items():
        if number % processes:
            raise UserError(
                f"{processes} processes cannot share {name}={number} sentences equally. Give a multiple of {processes}."
            )


def trainer(config: Mapping[str, Any]) -> pl.Trainer:
    """Lightning's Trainer with the run's callbacks and loggers."""
    callbacks = [part(entry, f"callbacks.{name}") for name, entry in (config.get("callbacks") or {}).items() if entry]
    loggers = [part(entry, f"logger.{name}") for name, entry in (config.get("logger") or {}).items() if entry]
    settings = dict(config["trainer"])
    devices, cpus = settings["devices"], os.cpu_count() or 1
    if settings["accelerator"] == "cpu" and isinstance(devices, int) and devices > cpus:
        raise UserError(f"trainer.devices={devices}, but this machine has {cpus} CPUs. Give at most {cpus}.")
    if (settings["devices"], settings["num_nodes"]) != (1, 1):
        settings.setdefault("strategy", JobDDP())
    try:
        return pl.Trainer(**settings, plugins=[CheckpointFiles()], callbacks=callbacks, logger=loggers or False)
    except (MisconfigurationException, ValueError, TypeError) as error:
        line = " ".join(str(error).split())
        raise UserError(
            f"trainer: {line} Look at the trainer group (trainer=cpu, ddp_cpu or gpu) and its keys."
        ) from error
