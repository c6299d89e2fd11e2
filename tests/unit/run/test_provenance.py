"""Where a run's numbers come from."""

import json
import subprocess

import pytest

from tests.helpers.command import smoke
from textgan_lit import __version__
from textgan_lit.run import provenance


def git(folder, *words) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("packed", [False, True])
def test_the_commit_is_that_of_a_checkout_or_of_a_worktree_of_it(packed, tmp_path):
    assert provenance.commit(tmp_path) is None
    (tmp_path / "main").mkdir()
    git(tmp_path / "main", "init", "-q")
    assert provenance.commit(tmp_path / "main") is None  # nothing was committed
    git(tmp_path / "main", "commit", "-q", "--allow-empty", "-m", "one")
    git(tmp_path / "main", "worktree", "add", "-q", "-b", "other", tmp_path / "other")
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "two")
    if packed:
        git(tmp_path / "main", "pack-refs", "--all")
    for folder in ("main", "other"):
        assert provenance.commit(tmp_path / folder) == git(tmp_path / folder, "rev-parse", "HEAD")
    git(tmp_path / "main", "checkout", "-q", "--detach")
    assert provenance.commit(tmp_path / "main") == git(tmp_path / "main", "rev-parse", "HEAD")


def test_what_is_no_commit_is_not_taken_for_one(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("<script>")
    assert provenance.commit(tmp_path) is None


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_run_says_its_versions_its_machine_and_its_resolved_configuration(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "model=mle", "data=tiny", "logger=csv")
    found = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert found["versions"]["textgan_lit"] == __version__
    assert {"Python", "torch", "pytorch-lightning"} <= found["versions"].keys()
    assert found["machine"] == provenance.machine()
    assert found["configuration"]["name"] == "mle-tiny"  # of ${hydra:runtime.choices.model}
    assert "resume" not in found["configuration"]
