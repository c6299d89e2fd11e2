"""Begins a package of your own: a reward, the method that plays with it, and their tests.

It lies in the folder NAME. Once installed (pip install -e NAME) its options are found wherever you are, without
--config-dir and PYTHONPATH. See docs/extending.md.
"""

from __future__ import annotations

import argparse
import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from textgan_lit.errors import UserError, shown
from textgan_lit.run.files import replace

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "my_lab"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["textgan_lit"]

[project.entry-points."textgan_lit.conf"]
my_lab = "my_lab.conf"  # textgan-train finds the options in this folder

[tool.hatch.build.targets.wheel]
packages = ["my_lab"]
""",
    "my_lab/__init__.py": '"""Parts of my own for textgan_lit."""\n',
    "my_lab/reward.py": '''\
"""Rewards of my own."""

from __future__ import annotations

from typing import Annotated, final

from annotated_types import Gt
from torch import Tensor

from textgan_lit import Reward


@final
class Tempered(Reward):
    """σ(s / temperature)."""

    def __init__(self, temperature: Annotated[float, Gt(0)] = 2.0):
        self.temperature = temperature

    def __call__(self, score: Tensor) -> Tensor:
        return (score / self.temperature).sigmoid()
''',
    "my_lab/conf/model/reward/tempered.yaml": """\
_target_: my_lab.reward.Tempered
temperature: 2.0   # 1: SeqGAN's D; towards 0: a step at D = ½; large: a line in the log-odds
""",
    "my_lab/conf/model/mine.yaml": """\
# A reward of my own in SeqGAN's place, taught a little faster.
defaults:
  - reinforce
  - override reward: tempered
  - _self_

schedule: {k: 2}
optim:
  generator: {lr: 0.01}
""",
    "tests/test_reward.py": '''\
"""The reward: a number for each score, higher where D is fooled more; and a game that is played with it."""

import torch

import textgan_lit
from my_lab.reward import Tempered


def test_at_temperature_one_it_is_seqgans():
    score = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.equal(Tempered(temperature=1.0)(score), score.sigmoid())


def test_what_fools_the_discriminator_more_earns_more():
    assert (Tempered(temperature=0.5)(torch.linspace(-3, 3, 7)).diff() > 0).all()


def test_a_game_is_played_with_it(tmp_path):
    run = textgan_lit.train("model=mine", "debug=smoke", "logger=csv", f"hydra.run.dir={tmp_path / 'run'}")
    assert run.config["model"]["reward"]["_target_"] == "my_lab.reward.Tempered"
    assert len(run.sample(3)) == 3
''',
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan new", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="of the package, and of the folder that is made for it: my_lab")
    return parser


def run(options: argparse.Namespace) -> int:
    name = options.name
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(f"{shown(name)}: wanted the name of a package, small letters, digits and _, such as my_lab.")
    if find_spec(name) is not None or Path(name).exists():
        raise UserError(f"{name}: there is a package, or here a folder, of that name already. Choose another name.")
    for path, text in FILES.items():
        file = Path(name, path.replace("my_lab", name))
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, text.replace("my_lab", name))
        print(file)
    print(f"Install it by pip install -e {name}, then: textgan-train model=mine")
    return 0
