"""A package of one's own, as it is begun: it installs, its tests pass, and it is what docs/extending.md says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.command import textgan

CHECKOUT = Path(__file__).parents[3]


def test_its_files_are_those_of_the_page_under_the_name_that_was_given(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert textgan(monkeypatch, "new", "her_lab") == 0
    page = (CHECKOUT / "docs" / "extending.md").read_text()
    told = dict(re.findall(r"^`(\S+)`\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    written = {path.relative_to("her_lab").as_posix(): path.read_text() for path in Path("her_lab").rglob("*.*")}
    shared = {name for name in told if name.replace("my_lab", "her_lab") in written}
    assert shared == {
        f"my_lab/{name}" for name in ("reward.py", "conf/model/reward/tempered.yaml", "conf/model/mine.yaml")
    }
    assert {written[name.replace("my_lab", "her_lab")] for name in shared} == {
        told[name].replace("my_lab", "her_lab") for name in shared
    }
    assert not any("my_lab" in text for text in written.values())
    said = capsys.readouterr().out.splitlines()
    assert sorted(said[:-1]) == sorted(str(path) for path in Path("her_lab").rglob("*.*") if path.is_file())
    assert said[-1] == "Install it by pip install -e her_lab, then: textgan-train model=mine"


@pytest.mark.parametrize("name", ["My-Lab", "9lab", "class", "../lab", "a.b", ""])
def test_what_is_no_name_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "wanted the name of a package" in textgan(monkeypatch, "new", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["torch", "here"])
def test_a_name_that_is_taken_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert textgan(monkeypatch, "new", name).startswith(
        f"textgan_lit: {name}: there is a package, or here a folder, of "
    )
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.slow
def test_installed_it_plays_and_its_own_tests_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert textgan(monkeypatch, "new", "my_lab") == 0
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    done = subprocess.run([*pip, str(site), "./my_lab"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = os.pathsep.join([str(site), str(CHECKOUT)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "my_lab" / "tests")]
    done = subprocess.run(command, cwd=site, env=os.environ | {"PYTHONPATH": found}, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1].startswith("3 passed"), done.stdout
