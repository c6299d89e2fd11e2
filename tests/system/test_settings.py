"""Every setting of a configuration acts: what is built of another value of it is another thing.

The leaves are found by composing, so a new key is not forgotten. What acts where nothing is built stands in ELSEWHERE,
with where it does.
"""

import copy
import functools
import importlib
import json
import pkgutil
import typing
from pathlib import Path
from types import FunctionType, MethodType, ModuleType

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import OmegaConf, open_dict

from tests.helpers.playing import CONF, TINY
from textgan_lit import callbacks
from textgan_lit.build import experiment
from textgan_lit.errors import UserError
from textgan_lit.run.resume import flat

for module in pkgutil.iter_modules(callbacks.__path__):  # before anybody stands in for the trainer they speak of
    importlib.import_module(f"{callbacks.__name__}.{module.name}")

FILE = ("data.path=lines.jsonl", "data.cache=cache", "data.test=32")
GAMES = {
    "default": (*TINY, "model/generator=lstm"),
    "seqgan": (*TINY, "model=seqgan"),
    "airl": (*TINY, "model=airl"),
    "text": (*TINY[:-2], "model=mle", "data=text", "data.tokenizer=bpe", *FILE),
}
ELSEWHERE = {
    "threads": "play.py hands it to torch",
    "outputs": "where runs are kept: test_resume.py",
    "overwrite": "before anything is built: test_cli.py",
    "resume": "before anything is built: test_resume.py",
    "trust": "before anything is built: test_trust.py",
    "metrics.closing": "holds parts",
    "metrics.closing.frechet.features": "asks for a model's files: unit/metrics/test_embedding.py",
    **dict.fromkeys(("data.name", "data.subset", "data.revision"), "of a dataset of the Hub: unit/data/test_text.py"),
    **dict.fromkeys(("data.separator", "data.quote"), "of .csv and .tsv files: unit/data/test_text.py"),
    "faults.policy": "a token: unit/callbacks/test_recovery.py",
    "trainer.profiler": "a token of Lightning's own: test_trainer.py",
    "name": "what W&B and the report call the run",
}


def composed(overrides, folder):
    """A run's whole configuration, with the folder that Hydra would give it."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*overrides, f"hydra.runtime.output_dir={folder}"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return OmegaConf.to_container(config, resolve=True)


def seen(thing, known=()):
    """All that an object holds, comparable."""
    if isinstance(thing, torch.Tensor):
        return thing.dtype, tuple(thing.shape), thing.detach().double().sum().item()
    if isinstance(thing, dict):
        return {str(key): seen(value, known) for key, value in thing.items() if key != "settings"}
    if isinstance(thing, list | tuple | set | frozenset):
        return [seen(value, known) for value in thing]
    if isinstance(thing, functools.partial):
        return seen([thing.args, thing.keywords], known)
    plain = isinstance(thing, type | FunctionType | MethodType | ModuleType) or not hasattr(thing, "__dict__")
    if plain or id(thing) in known:
        return repr(thing) if isinstance(thing, str | int | float | Path | None) else type(thing).__name__
    return type(thing).__name__, seen(vars(thing), (*known, id(thing)))


def made(config, place, data):
    """What of a run ``place`` may act on."""
    torch.manual_seed(0)
    if place.startswith("data"):
        return seen(experiment.data(config))
    if place.startswith(("callbacks", "logger", "metrics", "trainer")):
        return seen(experiment.trainer(config, experiment.callbacks(config, data, Path()), Path()))
    system = experiment.system(config, data)
    return seen(system), [optimizer.param_groups for optimizer in map(_settings, system.configure_optimizers())]


def _settings(optimizer):
    for group in optimizer.param_groups:
        group.pop("params")
    return optimizer


def others(config, place):
    """Other values for a leaf, of which one will do."""
    *parents, name = place.split(".")
    value, part = config, config
    for parent in parents:
        part = part[parent]
    value = part[name]
    cls = get_object(part["_target_"]) if "_target_" in part else None
    hint = typing.get_type_hints(cls.__init__).get(name) if cls and cls.__module__.startswith("textgan") else None
    options = [one for kind in (hint, *typing.get_args(hint)) for one in typing.get_args(kind) if isinstance(one, str)]
    yield from (one for one in options if one != value)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value * 2, value + 8, value // 2, value - 1)
    elif isinstance(value, float):
        yield from (value / 2, value * 2, value + 0.25)
    elif isinstance(value, list):
        yield from (value[:-1], value + value[-1:], [0.1, 0.2])
    elif isinstance(value, dict):
        yield {}
    elif isinstance(value, str):
        yield from (True, "char", "more.jsonl", f"{value}x", f"{value}/x")
    else:
        yield from (1, 2, 0.5, True, "more.jsonl", "textx", ["x"], {"x": "y"})


def changed(config, place, value):
    config = copy.deepcopy(config)
    *parents, name = place.split(".")
    part = config
    for parent in parents:
        part = part[parent]
    part[name] = value
    return config


class Made(pl.Trainer):
    """The trainer's arguments in place of a trainer."""

    world_size = num_devices = 1
    accelerator = None  # Lightning's own asks for the strategy that was not made

    def __init__(self, **given):
        vars(self).update(given)


def test_the_default_can_be_read_on_a_few_screens(tmp_path):
    assert len(flat(composed((), tmp_path))) <= 130


@pytest.mark.slow
def test_every_setting_acts_in_some_game(monkeypatch, unchecked_shapes, tmp_path):
    monkeypatch.setattr(pl, "Trainer", Made)
    monkeypatch.chdir(tmp_path)
    for name, size in (("lines.jsonl", 400), ("more.jsonl", 500)):
        rows = [{"text": f"a {n % 7} b {n % 3} {'c ' * (n % 5)}", "textx": f"d {n % 4}"} for n in range(size)]
        (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    idle, active = {}, set()
    for tokens in GAMES.values():
        config = composed(tokens, tmp_path)
        data, before = experiment.data(config), {}
        for place in flat(config):
            *parents, name = place.split(".")
            part = functools.reduce(lambda node, parent: node[parent], parents, config)
            mark = part.get("_target_", ".".join(parents)), name
            if place in ELSEWHERE or name == "_target_" or mark in active:
                continue
            room = place.partition(".")[0]
            if room not in before:
                before[room] = made(config, place, data)
            acts = any(_differs(config, place, value, data, before[room]) for value in others(config, place))
            active |= {mark} if acts else set()
            idle[mark] = place
    assert not [place for mark, place in idle.items() if mark not in active]


def _differs(config, place, value, data, before):
    try:
        return made(changed(config, place, value), place, data) != before
    except UserError:
        return False
