"""Passwords and keys are refused before anything is written, and masked where an error quotes them."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tests.helpers.command import run
from textgan_lit.build.trust import CONF
from textgan_lit.errors import UserError
from textgan_lit.run import credentials

HEX = "0123456789abcdef0123456789abcdef01234567"
SECRETS = {
    "storage": "postgresql://me:hunter2@host/db",
    "proxy": "http://me:a/b:c@host:80",
    "other_storage": "mysql://host/db?user=me&password=hunter2",
    "my.password": "hunter2",
    "my.number.password": 123456,
    "passwords.password": ["hunter2"],
    "my.api_key": "hunter2",
    "logger.wandb.key": HEX,
    "wandb_api_key": HEX,
    "env": f"export WANDB_API_KEY={HEX}",
    "json": '{"secret": "hunter2"}',
    "hub": "hf_" + "aB3" * 11,
    "openai": "sk-proj-" + "aB3" * 20,
    "github": "ghp_" + "aB3" * 12,
    "aws": "AKIA" + "AB34" * 4,
    "auth_token": "hunter2",
    "text": "-----BEGIN OPENSSH PRIVATE KEY-----",
}
HARMLESS = {
    "storage": "postgresql://me@host:5432/db",
    "sqlite": "sqlite:////tmp/x.db",
    "name": f"commit {HEX}",
    "versions": {HEX: "the published file"},
    "revision": HEX,
    "callbacks.pruning.key": "quality/fresh_bound_128",
    "importance_sampling_level": "token",
    "unk_token": "<unk>",
    "password": None,
    "secret": False,
    "api_key": "${oc.env:MY_KEY}",
    "env": "export WANDB_API_KEY=$WANDB_API_KEY",
    "url": "https://example.org:443/path",
    "path": "secret/password.txt",
    "outputs": "task-sk-learn-and-what-follows-from-it",
    "empty.password": "",
    "said": "my.api_key: there is no such key",
}


@pytest.mark.parametrize("key", SECRETS)
def test_what_is_a_secret_is_refused_without_being_said(key):
    with pytest.raises(UserError, match="environment variable") as said:
        credentials.refuse({"a": 1, key: SECRETS[key]})
    assert str(said.value).startswith(key)
    for secret in ("hunter2", HEX, "aB3aB3", "AB34AB34", "123456"):
        assert secret not in str(said.value)


@pytest.mark.parametrize("key", HARMLESS)
def test_what_is_none_is_let_be(key):
    credentials.refuse({key: HARMLESS[key]})


@pytest.mark.parametrize("key", [key for key in SECRETS if key not in ("passwords.password", "text")])
def test_an_error_quotes_no_secret(key):
    name = key.rpartition(".")[2]
    said = credentials.masked(f"this: {name}={SECRETS[key]} is wrong")
    assert said.endswith(" is wrong")
    assert "***" in said
    for secret in ("hunter2", HEX, "aB3aB3", "AB34AB34", "123456", "a/b:c"):
        assert secret not in said
    assert credentials.masked(said) == said


def test_everything_that_conf_offers_is_let_be():
    for path in sorted(CONF.rglob("*.yaml")):
        credentials.refuse(OmegaConf.to_container(OmegaConf.load(path), resolve=False))
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        credentials.refuse(OmegaConf.to_container(compose("train", return_hydra_config=True), resolve=False))


def test_no_text_is_looked_at_for_long():
    for piece in ("a.", "sk-", "x://y:", "password", "key_", "-----BEGIN ", "token=a", '"', "_1aA"):
        credentials.masked(piece * (200_000 // len(piece)))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "overrides",
    [
        ["-m", "sweep=optuna", "hydra.sweeper.storage=postgresql://me:hunter2@host/db", "model.schedule.k=1,2"],
        ["-m", "+my.password=hunter2,hunter2b"],
        ["+hydra.job.env_set.WANDB_API_KEY=hunter2"],
        ["name='hunter2 password=hunter2'"],
    ],
)
def test_a_command_with_a_secret_writes_nothing(overrides, monkeypatch, tmp_path):
    place = ["hydra.sweep.dir=sweep"] if "-m" in overrides else ["hydra.run.dir=run"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as said:
        run(monkeypatch, *overrides, "debug=smoke", *place)
    assert "holds a password or a key" in str(said.value)
    assert "hunter2" not in str(said.value)
    assert not [path for path in files(tmp_path) if b"hunter2" in path.read_bytes()]
    assert not files(tmp_path)


def test_a_password_that_an_interpolation_brings_is_refused_and_not_written(monkeypatch, tmp_path):
    monkeypatch.setenv("MY_PASSWORD", "hunter2")
    monkeypatch.chdir(tmp_path)
    storage = "hydra.sweeper.storage='postgresql://me:${oc.env:MY_PASSWORD}@host/db'"
    for overrides in (
        ["-m", "sweep=optuna", "model.schedule.k=1,2", storage, "hydra.sweep.dir=sweep"],
        ["name='password=${oc.env:MY_PASSWORD}'", "hydra.run.dir=run"],
    ):
        with pytest.raises(SystemExit) as said:
            run(monkeypatch, *overrides, "debug=smoke")
        assert "holds a password or a key" in str(said.value)
        assert not [path for path in files(tmp_path) if b"hunter2" in path.read_bytes()]


def test_an_option_that_a_sweep_has_chosen_brings_no_secret(monkeypatch, tmp_path):
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text("# @package _global_\nname: 'password=hunter2'\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as said:
        run(monkeypatch, "-m", "--config-dir=conf", "experiment=mine,mine", "debug=smoke", "hydra.sweep.dir=sweep")
    assert "name holds a password or a key" in str(said.value)
    assert not [path for path in files(tmp_path / "sweep") if b"hunter2" in path.read_bytes()]
