"""conf/ and the package are two sides of one thing, so an override can be guessed from the tree.

Every ``_target_`` under conf/model/<group>/ lies in textgan_lit.model.<group> (an optimizer's in torch.optim), every
one under conf/data/ in textgan_lit.data; every public final class there has a YAML, which shows all its settings at
their defaults. tests/unit/ is a third side: the path of a test is that of its subject.
"""

import functools
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_object
from omegaconf import OmegaConf

from tests.helpers.configuration import nodes, written

ROOT = Path(__file__).parents[2]
CONF, PACKAGE, TESTS = ROOT / "conf", ROOT / "textgan_lit", ROOT / "tests" / "unit"
FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))

# group → the module or package that it mirrors
ROOMS = {"data": "textgan_lit.data", "metrics": "textgan_lit.metrics", "model/optimizer": "torch.optim"} | {
    f"model/{room}": f"textgan_lit.model.{room}"
    for room in (
        "generator",
        "discriminator",
        "objective",
        "estimator",
        "discriminator_loss",
        "reward",
        "control",
        "credit",
        "baseline",
        "policy",
        "schedule",
        "penalty",
        "regulariser",
    )
}
HOUSE = {group: room for group, room in ROOMS.items() if room.startswith("textgan_lit.")}
# what data modules are made of
HELPERS = {f"textgan_lit.data.{name}" for name in ("loader", "workers", "corpus", "prepare", "format", "rows", "notes")}
MADE = {"Regularised", "Tempered", "Without", "Lines", "Embedding"}  # by the program, around parts: nobody chooses them
PARTS = [file for file in FILES if str(Path(file).parent) in ROOMS]
UNIT = sorted(path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))

# What the program passes: nobody can write it down beforehand.
PASSED = {
    "step_tokens",
    "vocab",
    "max_length",
    "oracle",
    "sentences",
    "generator",
    "leaked_discriminator",
    "open_run",
    "where",
    "updates",
    "epoch",
    "in_a_row",
    "reward",
    "credit",
    "baseline",
    "control",
    "of",
    "penalty",
    "params",
}

# settings of a group that the builder hands on
SHORTHANDS = {
    "data/oracle_lm.yaml": {"name"},
    "data/oracle_run.yaml": {"run", "scale"},
    "data/oracle_seqgan.yaml": {"weights"},
}
CATCH_ALL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # nn.Module's own *args, **kwargs


@functools.cache
def composed(file: str) -> dict:
    """The file with its own defaults list, nothing else; interpolations stay as they are written."""
    GlobalHydra.instance().clear()
    alone = [file.removesuffix(".yaml")]
    if file.startswith("data/"):  # it may choose other metrics, which only the root has
        alone = ["train", [f"data={Path(file).stem}"]]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose(*alone), resolve=False)
    for level in Path(file).parts[:-1]:  # a file of a group arrives inside that group
        config = config.get(level, config)
    return config


def final_classes(room: str) -> list[type]:
    module = importlib.import_module(room)
    names = {info.name for info in pkgutil.walk_packages(getattr(module, "__path__", []), f"{room}.")}
    return [
        cls
        for module in [module, *map(importlib.import_module, sorted(names - HELPERS))]
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__
        and "__final__" in vars(cls)
        and not name.startswith("_")
        and name not in MADE
    ]


def exists(room: str) -> bool:
    path = ROOT / room.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def plain(value):
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def is_reference(value) -> bool:
    """An interpolation, a part of its own, or what a user has to give: given elsewhere, so no default."""
    return (isinstance(value, str) and ("${" in value or value == "???")) or (
        isinstance(value, dict) and "_target_" in value
    )


def test_every_group_of_parts_is_known():
    groups = {path.relative_to(CONF).as_posix() for path in (CONF / "model").iterdir() if path.is_dir()}
    assert groups <= ROOMS.keys(), f"not in ROOMS: {sorted(groups - ROOMS.keys())}"


@pytest.mark.parametrize("file", [file for file in FILES if written(file)])
def test_every_target_exists(file):
    for node in written(file):
        assert callable(get_object(node["_target_"]))


@pytest.mark.parametrize("file", PARTS)
def test_a_group_names_parts_of_its_own_room_only(file):
    room = ROOMS[str(Path(file).parent)]
    for node in written(file):
        target = node["_target_"]
        assert target.startswith(f"{room}."), f"conf/{file} names {target}, which is not in {room}"


@pytest.mark.parametrize("file", PARTS)
def test_a_yaml_shows_every_setting(file):
    for node in nodes(composed(file)):
        cls, given = get_object(node["_target_"]), {key for key in node if not key.startswith("_")}
        accepted = inspect.signature(cls).parameters
        unknown = given - accepted.keys() - SHORTHANDS.get(file, set())
        assert not unknown, f"conf/{file}: {cls.__name__} takes no {', '.join(sorted(unknown))}"
        if cls.__module__.startswith("textgan_lit."):  # torch's optimizers have more settings than anyone wants to see
            named = {name for name, setting in accepted.items() if setting.kind not in CATCH_ALL}
            missing = named - PASSED - given
            assert not missing, f"conf/{file} does not show {cls.__name__}'s {', '.join(sorted(missing))}"


@pytest.mark.parametrize("group", HOUSE)
def test_settings_stand_at_their_defaults(group):
    """Where several files name one class (small, large, …), one of them has all the defaults."""
    departures: dict[type, dict[str, list[str]]] = {}
    for file in (file for file in PARTS if str(Path(file).parent) == group):
        for node in nodes(composed(file)):
            cls = get_object(node["_target_"])
            departures.setdefault(cls, {})[file] = [
                f"{name}={node[name]!r}, not {parameter.default!r}"
                for name, parameter in inspect.signature(cls).parameters.items()
                if name in node
                and parameter.default is not parameter.empty
                and not is_reference(node[name])
                and plain(node[name]) != plain(parameter.default)
            ]
    for cls, files in departures.items():
        assert not all(files.values()), f"{cls.__name__}'s YAML departs from its defaults: {files}"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="typing.final leaves no mark before Python 3.11")
@pytest.mark.parametrize("room", [room for room in HOUSE.values() if exists(room)])
def test_every_final_class_has_its_yaml(room):
    named = {node["_target_"] for file in FILES for node in written(file)}
    unnamed = [cls.__name__ for cls in final_classes(room) if f"{cls.__module__}.{cls.__qualname__}" not in named]
    assert not unnamed, f"no YAML under conf/ names {', '.join(unnamed)} of {room}"


def test_the_page_of_parts_names_every_option():
    rows = dict(re.findall(r"^\| `(model/\w+)` \| (.*) \|$", (ROOT / "docs" / "parts.md").read_text(), re.MULTILINE))
    groups = {path.name for path in (CONF / "model").iterdir() if path.is_dir()} - {"optimizer"}
    assert rows.keys() == {f"model/{group}" for group in groups}
    for group in groups:
        named = set(re.findall(r"`(\w+)`", rows[f"model/{group}"]))
        assert named >= {path.stem for path in (CONF / "model" / group).glob("*.yaml")}, group


def subjects(path):
    """What textgan_lit has that a test under tests/unit/ may be about: test_Y.py, and test_Y_*.py, are about Y."""
    names = path.stem.removeprefix("test_").split("_")
    places = [PACKAGE.joinpath(*path.parent.parts, "_".join(names[:n])) for n in range(1, len(names) + 1)]
    return [place for place in places if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()]


@pytest.mark.parametrize("path", UNIT, ids=str)
def test_a_unit_test_has_the_path_of_its_subject(path):
    assert subjects(path), f"tests/unit/{path} is about no module or package of textgan_lit/{path.parent}"


def test_a_test_of_nothing_would_be_seen():
    assert [place.name for place in subjects(Path("model/generator/test_manager_worker_goals.py"))] == [
        "manager_worker"
    ]
    assert not subjects(Path("model/test_manager_worker.py"))
    assert not subjects(Path("test_lstm.py"))
