"""What a configuration that came with a run may name. What else hostile files try: test_fuzz.py."""

import copy
import importlib
import subprocess
import sys

import pytest
import yaml

from tests.helpers.configuration import written
from tests.helpers.playing import CONF, TINY, config
from textgan_lit.build import trust
from textgan_lit.build.trust import check, find, group_of, listed
from textgan_lit.errors import UserError

# hydra/sweeper is of the command that plays many runs, and in the configuration of none of them.
GROUPS = sorted({path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml") if path.parent != CONF})
GROUPS = [group for group in GROUPS if not group.startswith("hydra/sweeper")]
HOUSES = ("textgan_lit.", "torch.optim.", "pytorch_lightning.")


def plain(**changes):
    """A configuration with what ``changes`` put at dotted places (__ for a dot)."""
    found = copy.deepcopy(config(*TINY))
    for place, value in changes.items():
        *path, last = place.split("__")
        node = found
        for name in path:
            node = node[name]
        node[last] = value
    return found


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A package my_lab that leaves a mark when it is imported."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "__init__.py").write_text("")
    (tmp_path / "my_lab" / "reward.py").write_text(
        "import os, pathlib\n"
        "from subprocess import Popen\n"
        "from textgan_lit.model.reward import Reward\n"
        f"pathlib.Path({str(tmp_path / 'imported')!r}).touch()\n"
        "class Mine(Reward):\n"
        "    def __init__(self, of: Reward = None): ...\n"
        "    def __call__(self, score): return score\n"
        "def make(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "my_lab"]:
        del sys.modules[name]


@pytest.mark.parametrize("model", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_every_model_of_the_house_passes(model):
    lone = model in ("mle", "any_order", "scheduled_sampling", "vae", "masked_diffusion")
    check(config(*(override for override in TINY if not (lone and ".optim." in override)), f"model={model}"))


def test_what_surrounds_the_model_passes_too():
    parts = {
        place: yaml.safe_load((CONF / place / f"{name}.yaml").read_text().replace("${", ""))
        for place, name in {"callbacks": "default", "logger": "csv"}.items()
    }
    check(plain(**parts))
    assert len(parts["callbacks"]) > 5


@pytest.mark.parametrize("group", GROUPS)
def test_a_groups_list_is_what_its_files_name_and_every_class_is_of_the_house(group):
    named = {
        node["_target_"] for path in (CONF / group).glob("*.yaml") for node in written(str(path.relative_to(CONF)))
    }
    assert listed(group) == named
    for name in named - {"textgan_lit.run.folder.Claim"}:
        assert f"{find(name, 'here').__module__}.".startswith(HOUSES)


def test_every_place_of_every_model_has_a_group():
    for group in GROUPS:
        if group.startswith("model/"):
            name = {"model/optimizer": "optim.x", "model/regulariser": "regulariser.x"}.get(group, group[6:])
            assert group_of(f"model.{name}") == group
    assert group_of("model.discriminator.critic.critic.model") == "model/generator"
    assert group_of("model.generator.member") == group_of("model.discriminator.model.member") == "model/generator"
    assert group_of("trainer.strategy") is group_of("model.generator.critic") is group_of("modelxgenerator") is None


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("model__generator", "os.system"),
        ("model__generator", "textgan_lit.build.parts.os.system"),
        ("model__generator", "textgan_lit.model.generator.lstm.nn.Embedding"),
        ("model__generator", "textgan_lit.model.generator.base.Generator"),
        ("model__generator", "textgan_lit.model.discriminator.conv.Conv"),
        ("model__generator", "textgan_lit.model.generator.markov.Markov\n"),
        ("model__generator", None),
        ("model__generator", ["textgan_lit.model.generator.markov.Markov"]),
        ("model__policy", "textgan_lit.model.policy.Tempered"),
        ("model__optim__generator", "torch.optim.Optimizer"),
        ("model__optim__generator", "torch.hub.load"),
        ("data", "pathlib.Path"),
        ("data__oracle", "my_lab.reward.Mine"),
        ("trainer", "pytorch_lightning.Trainer"),
    ],
)
def test_a_name_that_the_place_does_not_list_is_refused_and_nothing_imported(place, target, lab):
    hostile = plain()
    node = hostile
    for name in place.split("__"):
        node = node[name]
    node["_target_"] = target
    with pytest.raises(UserError, match=r"_target_=.* wanted .*trust='my_lab'"):
        check(hostile)
    assert not (lab / "imported").exists()


@pytest.mark.parametrize("place", ["model__generator__order", "seed", "model__schedule__rule__deep", "data__tokens"])
@pytest.mark.parametrize("inside", [lambda part: part, lambda part: [part], lambda part: {"a": [{"b": part}]}])
def test_values_lists_and_nested_settings_are_looked_at_alike(place, inside):
    with pytest.raises(UserError, match=r"_target_=os\.system"):
        check(plain(**{place: inside({"_target_": "os.system"})}))


def turning_on_itself():
    found = []
    found.append(found)
    return found


def doubling():
    found = [1]
    for _ in range(19):
        found = [found, found]
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${oc.env:HOME}", r"name=\$\{oc.env:HOME\}: an interpolation .* Give its value"),
        (b"bytes", "wanted a word, a number"),
        (2**64, "wanted a word, a number"),
        (object, "wanted a word, a number"),
        ({1: 2}, "wanted a short word for a key"),
        ({"\x1b[2J": 2}, "wanted a short word for a key"),
        (turning_on_itself(), "more than .* deep"),
        (doubling(), "more than 100,000 values"),
        ([0] * 100_001, "more than 100,000 values"),
    ],
)
def test_what_no_resolved_configuration_holds_is_refused(value, said):
    with pytest.raises(UserError, match=said):
        check(plain(name=value))


def test_a_trusted_package_may_stand_anywhere_and_is_imported_last(lab):
    mine = plain(
        model__reward={"_target_": "my_lab.reward.Mine", "of": {"_target_": "textgan_lit.model.reward.Minimax"}}
    )
    with pytest.raises(UserError, match="trust="):
        check(mine)
    with pytest.raises(UserError, match=r"os\.system"):
        check(mine | {"name": {"_target_": "os.system"}}, ["my_lab"])
    assert not (lab / "imported").exists()
    check(mine, "my_lab")
    check(mine, ["other", "my_lab.reward"])
    assert (lab / "imported").exists()
    with pytest.raises(UserError, match=r"_target_=os\.system"):
        check(plain(model__reward={"_target_": "my_lab.reward.Mine", "of": {"_target_": "os.system"}}), ["my_lab"])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("my_lab.reward.Popen", "the class belongs to subprocess, and trust=my_lab does not reach"),
        ("my_lab.reward.Reward", "the class belongs to textgan_lit.model.reward"),
        ("my_lab.reward.os.system", "no such class"),
        ("my_lab.reward.make", "not a class"),
        ("my_lab.nothing.At", "no such class"),
        ("my_labyrinth.reward.Mine", "trust='my_lab'"),
    ],
)
def test_trust_reaches_a_packages_own_classes_and_no_further(target, said, lab):
    with pytest.raises(UserError, match=said):
        check(plain(model__reward={"_target_": target}), ["my_lab"])


def test_a_package_that_is_not_importable_is_named_and_so_is_the_way_to_it():
    with pytest.raises(UserError, match="Install my_absent_lab, or give the folder that it lies in as PYTHONPATH"):
        check(plain(model__reward={"_target_": "my_absent_lab.reward.Mine"}), ["my_absent_lab"])


@pytest.mark.parametrize("name", ["", ".", "my_lab.", "my lab", "../my_lab"])
def test_only_a_packages_name_can_be_trusted(name):
    with pytest.raises(UserError, match="wanted the name of a package"):
        check(plain(), [name])


def test_looking_takes_no_torch():
    """cli.py may ask before a run starts."""
    code = """
import sys
from textgan_lit.build.trust import check
check({"model": {"generator": {"_target_": "textgan_lit.model.generator.lstm.LSTM"}}})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_conf_is_where_the_command_line_finds_it():
    assert importlib.import_module("textgan_lit.cli").CONF == trust.CONF == CONF
