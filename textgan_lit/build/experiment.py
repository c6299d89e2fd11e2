"""Configuration → an experiment: data first, then the vocabulary, then the players, then who watches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import pytorch_lightning as pl
import torch
from annotated_types import Gt, Interval

from textgan_lit.build import fitting
from textgan_lit.build.parts import class_of, group, part, setting
from textgan_lit.build.source import Source
from textgan_lit.build.trainer import Settings, make
from textgan_lit.errors import UserError
from textgan_lit.faults import Faults
from textgan_lit.metrics.base import SetMetric
from textgan_lit.model.average import Average
from textgan_lit.model.baseline import Baseline
from textgan_lit.model.control import Control
from textgan_lit.model.credit import Credit
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Loss
from textgan_lit.model.penalty import Penalty
from textgan_lit.model.policy import Policy
from textgan_lit.model.regulariser import Regularised, Regulariser
from textgan_lit.model.reward import Reward
from textgan_lit.model.schedule import Fixed, Schedule
from textgan_lit.system import TextGAN, Update
from textgan_lit.types import MANY, Seed

PLAYER_OF = {"pretrain": "generator", "discriminator": "discriminator", "generator": "generator"}
KINDS = {
    "generator": Generator,
    "discriminator": Discriminator,
    "policy": Policy,
    "reward": Reward,
    "control": Control,
    "credit": Credit,
    "baseline": Baseline,
    "objective": Loss,
    "estimator": Loss,
    "discriminator_loss": Loss,
    "penalty": Penalty,
}
NEEDED = ("generator", "policy")
HOW = {  # settings of an update that are not its optimizer's
    "max_grad_norm": Annotated[float, Gt(0)] | None,
    "by_length": bool,
    "warmup_steps": Annotated[int, Interval(ge=0, le=MANY)],
    "lr_schedule": Literal["constant", "linear"],
}
SHORT = {"weights", "run", "scale", "name"}  # of data: what conf/ gives on to data.oracle
OUT_OF = 8  # batches out of which one of sentences of about one length is taken


def data(config: Mapping[str, Any], open_run: Callable[[str], Any] | None = None) -> pl.LightningDataModule:
    """The data module, told how many sentences the widest update takes a step; ``open_run`` opens a run that writes
    them."""
    settings = dict(group(config, "data"))
    for short in SHORT - inspect.signature(class_of(settings, "data")).parameters.keys():
        settings.pop(short, None)
    module = part(settings, "data", pl.LightningDataModule, open_run=open_run)
    missing = [
        name for name in ("vocab", "max_length", "sizes", "with_batch", "sentences") if not hasattr(module, name)
    ]
    if missing:
        raise UserError(
            f"data: {type(module).__name__} has no {' and no '.join(missing)}. "
            "docs/extending.md lists what a data module offers."
        )
    updates = {f"model.optim.{name}": group(config, f"model.optim.{name}") for name in group(config, "model.optim")}
    sizes = {where: _batch_size(update.get("batch_size"), where) for where, update in updates.items()}
    choice = max((OUT_OF * size for where, size in sizes.items() if updates[where].get("by_length")), default=0)
    module.with_batch(max([1, *sizes.values(), min(choice, module.sizes["train"] or choice)]))
    return module


def system(
    config: Mapping[str, Any], module: pl.LightningDataModule, sources: Mapping[str, Source] = MappingProxyType({})
) -> TextGAN:
    """The game on ``module``'s sentences: all its parts are made, then they are asked whether they fit. ``sources`` are
    players of other runs, by name, whose weights those of this one start with."""
    model = group(config, "model")
    known = {"vocab": module.vocab, "max_length": module.max_length, "sentences": module.sentences}
    if getattr(module, "oracle", None) is not None:
        known["oracle"] = module.oracle
    make = functools.partial(_optional, model, known)
    known["generator"] = generator = make("generator", leaked_discriminator=leaked_discriminator(model, known))
    discriminator, policy = make("discriminator"), make("policy")  # of a generator as it is made, as when taken up
    for name, player in (("generator", generator), ("discriminator", discriminator)):
        if name in sources:
            sources[name].start(player, module.vocab)
    rules = _rules(make)
    estimator = make("estimator", **rules)
    objectives = {
        "pretrain": make("objective"),
        "discriminator": make("discriminator_loss", penalty=make("penalty")) if discriminator is not None else None,
        "generator": _regularised(estimator, model, known),
    }
    players = {"generator": generator, "discriminator": discriminator}
    updates = {
        name: _update(model, name, objective)
        for name, objective in objectives.items()
        if objective is not None and any(p.requires_grad for p in players[PLAYER_OF[name]].parameters())
    }
    schedule = _schedule(model, module, updates)
    seed = setting(config.get("seed"), Seed, "seed")
    size = setting(config.get("check_size"), Annotated[int, Interval(ge=2, le=MANY)], "check_size")
    ema = setting(model.get("ema"), Annotated[float, Interval(gt=0, lt=1)] | None, "model.ema")
    average = None if ema is None else Average(generator, ema)
    kept = dict(config), _faults(config), getattr(module, "fingerprint", None)
    game = TextGAN(generator, discriminator, updates, schedule, policy, seed, size, average, *kept)
    fitting.check(game, estimator, rules, known.get("oracle"))
    if "generator" in sources:
        game.pretraining.keep(generator)  # what the game is compared with
    return game


def _rules(make: Callable[..., Any]) -> dict[str, Any]:
    """What a step is paid by. A control stands in the reward's place; without a reward it stands for itself."""
    rules = {name: make(name) for name in ("reward", "credit", "baseline")}
    control = make("control", of=rules["reward"])
    place = "control" if rules["reward"] is None else "reward"
    return rules if control is None else rules | {place: control}


def leaked_discriminator(model: Mapping[str, Any], known: Mapping[str, Any]) -> Callable[[], Discriminator | None]:
    """What makes a generator that looks on a discriminator of its own like the model's; None where that shows nothing.

    A generator is made before the discriminator, which may be made of it.
    """

    def make() -> Discriminator | None:
        config = model.get("discriminator")
        leaks = config is not None and getattr(class_of(config, "model.discriminator"), "leaks", False)
        return part(config, "model.discriminator", Discriminator, **known) if leaks else None

    return make


def _faults(config: Mapping[str, Any]) -> Faults:
    named = {**(config.get("faults") or {}), "_target_": f"{Faults.__module__}.{Faults.__qualname__}"}
    faults = part(named, "faults", Faults)
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
            f"model.regulariser={', '.join(chosen)} adds to the generator's steps, and without an estimator there are "
            "none. Leave it out, or choose a game: model=minimax."
        )
    more = {name: part(entry, f"model.regulariser.{name}", Regulariser, **known) for name, entry in chosen.items()}
    return Regularised(objective, more)


def _schedule(model: Mapping[str, Any], module: pl.LightningDataModule, updates: dict[str, Update]) -> Schedule:
    together = updates["generator"].loss.num_iterations if "generator" in updates else 1
    steps = {"updates": tuple(updates), "epoch": _epoch(module, updates), "in_a_row": together}
    settings = model.get("schedule")
    if "pretrain" in updates and isinstance(settings, Mapping) and settings.get("pretrain_tokens") is not None:
        length = module.sentences("valid").mask.sum(1).double().mean()
        steps["step_tokens"] = updates["pretrain"].batch_size * float(length)
    schedule = part(settings, "model.schedule", Schedule, **steps)
    if model.get("generator_from") is not None and "generator" in updates:  # likelihood alone goes on learning
        schedule.pretrain_steps = 0
    if model.get("discriminator_from") is not None:
        schedule.discriminator_pretrain_steps = 0
    if any(update.loss.null for update in updates.values()):
        schedule.rule = Fixed()  # nothing may withhold a control's generator steps
    return schedule


def _epoch(module: pl.LightningDataModule, updates: dict[str, Update]) -> int:
    """Pretraining steps between validations: one pass over the training sentences, or 100 where they never end."""
    size = module.sizes["train"]
    return max(1, size // updates["pretrain"].batch_size) if size and "pretrain" in updates else 100


def _optional(model: Mapping[str, Any], known: dict[str, Any], name: str, **more: Any) -> Any:
    config = model.get(name)
    if not config and name in NEEDED:
        raise UserError(f"model.{name}=null: a game cannot do without. Choose one: model/{name}=…")
    return None if not config else part(config, f"model.{name}", KINDS[name], **known, **more)


def _update(model: Mapping[str, Any], name: str, objective: Any) -> Update:
    where = f"model.optim.{name}"
    config = dict(group({"model": model}, where))
    size, how = config.pop("batch_size", None), {key: config.pop(key) for key in HOW if key in config}
    how = {key: setting(value, HOW[key], f"{where}.{key}") for key, value in how.items()}
    if name == "discriminator" and how.get("lr_schedule", "constant") != "constant":
        raise UserError(f"{where}.lr_schedule={how['lr_schedule']}: how many steps D gets is not known. Use constant.")

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        made = part(config, where, torch.optim.Optimizer, params=parameters)
        if how.keys() & {"lr_schedule", "warmup_steps"}:
            for weights in made.param_groups:
                weights["initial_lr"] = weights["lr"]
        return made

    try:
        optimizer([torch.zeros(1, requires_grad=True)])  # says now what it would say at the first step
    except ValueError as error:
        raise UserError(f"{where}: {error}. Give it a value that it takes.") from error
    return Update(PLAYER_OF[name], objective, optimizer, _batch_size(size, where), **how)


def _batch_size(value: Any, where: str) -> int:
    """Sentences of a step, over all processes."""
    return setting(value, Annotated[int, Interval(ge=1, le=MANY)], f"{where}.batch_size")


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


def callbacks(config: Mapping[str, Any], module: pl.LightningDataModule, folder: Path) -> list[pl.Callback]:
    """The callbacks of the run in ``folder``, which see what ``module`` holds."""
    known = {"vocab": module.vocab, "sentences": module.sentences, "folder": str(folder), **metrics(config, module)}
    chosen = (config.get("callbacks") or {}).items()
    return [part(entry, f"callbacks.{name}", **known) for name, entry in chosen if entry]


def trainer(config: Mapping[str, Any], callbacks: Sequence[pl.Callback], folder: Path) -> pl.Trainer:
    """Lightning's Trainer with these callbacks and the loggers of the run in ``folder``."""
    known = {"folder": str(folder), "name": config.get("name")}
    loggers = [part(entry, f"logger.{name}", **known) for name, entry in (config.get("logger") or {}).items() if entry]
    named = {**group(config, "trainer"), "_target_": f"{Settings.__module__}.{Settings.__qualname__}"}
    return make(part(named, "trainer", Settings), callbacks, loggers)
