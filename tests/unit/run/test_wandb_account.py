"""W&B listens to the environment and to the user's own settings; never to what lies in the working directory."""

import subprocess
from pathlib import Path

import pytest
import wandb

from tests.helpers.wandb_server import serving
from textgan_lit import logger
from textgan_lit.commands import dashboard
from textgan_lit.logger import WandB
from textgan_lit.run import wandb_account


@pytest.fixture
def servers(monkeypatch, tmp_path):
    """(the user's own, a stranger's): the working directory is a run whose wandb/settings name the latter."""
    run, home = tmp_path / "run", tmp_path / "home"
    logger.finish(dead=True)
    with serving() as own, serving() as stranger:
        for place, server in ((run / "wandb", stranger), (run / ".wandb", stranger), (home, own)):
            place.mkdir(parents=True)
            (place / "settings").write_text(f"[default]\nbase_url = {server.url}\n")
        monkeypatch.chdir(run)
        monkeypatch.setenv("WANDB_CONFIG_DIR", str(home))
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.setattr(logger, "WAIT", 10.0)
        yield own, stranger
        logger.finish(dead=True)


def test_its_settings_are_the_users_own_whenever_it_is_started(servers):
    own, _ = servers
    for _ in range(2):
        wandb_account.set_up()
        assert wandb.setup().settings.base_url == own.url
        logger.finish(dead=True)


def test_an_online_run_goes_to_the_users_own_server_and_runs_nothing_of_the_folders_git(servers, tmp_path, monkeypatch):
    own, stranger = servers
    monkeypatch.setenv("WANDB_SAVE_CODE", "true")  # as an account may have it set: W&B then looks for differences
    said, script = tmp_path / "said", tmp_path / "run" / "script"
    script.write_text(f"#!/bin/sh\necho run > {said}\n")
    script.chmod(0o755)
    for overrides in (
        "init",
        "-c user.name=a -c user.email=a commit --allow-empty -m a",
        f"config core.fsmonitor {script}",
    ):
        subprocess.run(["git", *overrides.split()], cwd=tmp_path / "run", check=True, capture_output=True)
    log = WandB(str(tmp_path / "run"), "project", "name", "online")
    log.log_metrics({"truth/jsd": 0.25}, step=1)
    logger.finish()
    assert [row["truth/jsd"] for rows in own.history.values() for row in rows] == [0.25]
    assert stranger.connections == 0
    assert not said.exists()


def test_a_dashboard_is_saved_on_the_users_own_server(servers):
    own, stranger = servers
    assert dashboard.save("e", "p").startswith(own.url)
    assert list(own.views) == [dashboard.VIEW]
    assert stranger.connections == 0


def test_the_working_directory_stays(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    wandb_account.set_up()
    assert Path.cwd() == tmp_path
