"""What an installed textgan_lit consists of."""

import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
ROOMS = ("textgan_lit", "hydra_plugins")  # the second is where Hydra looks for our sweeper
EXTRAS = re.compile(
    "report|dashboard|mauve|sweep"
)  # what people install beside the core; dev is for those who work on it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_configuration_ships_inside(wheel):
    shipped = {name for name in wheel.namelist() if name.endswith(".yaml")}
    assert "textgan_lit/conf/train.yaml" in shipped
    assert shipped == {f"textgan_lit/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}


def test_every_module_ships_and_nothing_else(wheel):
    modules = {name for name in wheel.namelist() if name.endswith(".py")}
    assert modules == {path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert {"textgan_lit/report/page.css", "textgan_lit/report/page.js"} <= set(wheel.namelist())
    others = {name.split("/")[0] for name in wheel.namelist()} - set(ROOMS)
    assert all(name.endswith(".dist-info") for name in others), others


def test_the_command_and_the_licence(wheel, metadata):
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "textgan-train = textgan_lit.training:main" in wheel.read(entry_points).decode()
    assert metadata["License-Expression"] == "MIT"


def test_what_is_cited_is_this_version(wheel, metadata):
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == metadata["Version"]
    assert "textgan_lit/py.typed" in wheel.namelist()


def test_every_lower_bound_is_one_that_is_run(metadata):
    """`.ci/lowest.txt` pins each dependency to exactly the version that pyproject.toml calls its lowest."""
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / ".ci/lowest.txt").read_text(), re.MULTILINE))
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    core = [wanted for wanted in requirements if not wanted.marker or EXTRAS.search(str(wanted.marker))]
    assert {wanted.name for wanted in core} == pinned.keys()
    for wanted in core:
        lowest = next(bound.version for bound in wanted.specifier if bound.operator == ">=")
        assert pinned[wanted.name] in wanted.specifier, wanted
        assert re.sub(r"(\.0)+$", "", pinned[wanted.name]) == re.sub(r"(\.0)+$", "", lowest), wanted
