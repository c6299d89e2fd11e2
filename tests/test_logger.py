"""What W&B really wrote to disk, read back from its own file; and runs that lose it."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import wandb
from wandb.proto.wandb_internal_pb2 import Record

from tests.command import rows, run
from textgan_lit import logger
from textgan_lit.logger import WandB

BLOCK, FIRST, LAST = 32768, 2, 4  # the file is a leveldb log behind a header of 7 bytes


def records(path: Path) -> list[Record]:
    content, at, parts, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", content[at : at + 7])
        piece, at = content[at + 7 : at + 7 + size], at + 7 + size
        parts = piece if kind <= FIRST else parts + piece
        if kind in (1, LAST):
            found.append(Record.FromString(parts))
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wandb") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, "debug=smoke", f"hydra.run.dir={folder}", "model/reward=log_odds")
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return folder, records(file)


def named(items) -> dict:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_the_rows_of_wandb_are_those_of_the_csv_with_their_clocks(played):
    folder, found = played
    history = [named(record.history.item) for record in found if record.WhichOneof("record_type") == "history"]
    told = [row for row in history if "turns/all" in row]
    wanted = rows(folder)
    assert len(told) == len(wanted)
    for one, other in zip(told, wanted, strict=True):
        for key in other.keys() - {"step", "system/seconds", "system/cpu_seconds"}:
            assert one[key] == pytest.approx(other[key], rel=1e-5), key
    assert sum("samples/table" in key for row in history for key in row) > 0


def test_every_group_of_keys_has_its_clock_and_the_configuration_is_there(played):
    metrics = [record.metric for record in played[1] if record.WhichOneof("record_type") == "metric"]
    axes = {metric.glob_name or metric.name: metric.step_metric for metric in metrics}
    assert axes["generator/*"] == "turns/generator"
    assert axes["truth/*"] == axes["truth/jsd"] == "turns/all"
    config = {}
    for record in played[1]:
        if record.WhichOneof("record_type") == "config":
            config |= named(record.config.update)
    assert config["model"]["reward"]["_target_"] == "textgan_lit.reward.LogOdds"
    assert config["seed"] == 1


def test_a_run_that_is_taken_up_is_the_same_run_to_wandb(monkeypatch, tmp_path):
    words = ("debug=smoke", "model=mle", f"hydra.run.dir={tmp_path / 'run'}")
    run(monkeypatch, *words, "trainer.max_steps=2")
    run(monkeypatch, *words, "resume=true")
    files = sorted(tmp_path.glob("run/wandb/offline-run-*/*.wandb"))
    told = [
        [named(one.history.item) for one in records(file) if one.WhichOneof("record_type") == "history"]
        for file in files
    ]
    assert len({file.name for file in files}) == 1  # run-ID.wandb
    assert len(files) == 2
    turns = [[row["turns/all"] for row in rows_of_a_life if "turns/all" in row] for rows_of_a_life in told]
    assert max(turns[0]) == 2 < min(turns[1])
    assert [row["turns/all"] for row in rows(tmp_path / "run")] == [*turns[0], *turns[1]]


# --- W&B that is not there, or no longer ------------------------------------------------------------------------------


@pytest.fixture
def anew(monkeypatch, tmp_path):
    """W&B as in a new process of someone without a login, whose server nobody can reach."""
    for name, value in {"WANDB_BASE_URL": "http://127.0.0.1:9", "NETRC": str(tmp_path / "netrc")}.items():
        monkeypatch.setenv(name, value)
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logger, "WAIT", 2.0)
    logger.finish(dead=True)
    yield
    logger.finish(dead=True)


def lines(capsys) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if "W&B" in line]


@pytest.mark.parametrize("key", [None, "x" * 40], ids=["no login", "no network"])
def test_online_without_a_login_or_a_network_is_offline_with_one_line(key, anew, monkeypatch, tmp_path, capsys):
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a prompt"))
    since = time.monotonic()
    log = WandB(str(tmp_path), "project", "name", "online")
    log.log_metrics({"truth/jsd": 0.25}, step=1)
    log.log_metrics({"truth/jsd": 0.125}, step=2)
    logger.finish()
    assert time.monotonic() - since < 30
    (line,) = lines(capsys)
    reason = "resume status" if key else "no login on this machine"
    assert line.startswith("W&B online is not available (")
    assert reason in line
    assert "`wandb login` and `wandb sync` send them later" in line
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    history = []
    while len(history) < 2 and time.monotonic() - since < 30:  # it may end before it has written
        history = [named(one.history.item) for one in records(file) if one.WhichOneof("record_type") == "history"]
    assert [row["truth/jsd"] for row in history] == [0.25, 0.125]


def test_what_raises_is_said_once_and_never_asked_again(anew, monkeypatch, tmp_path, capsys):
    log, asked = WandB(str(tmp_path), "project", "name"), []

    def fails(*_, **__):
        asked.append(1)
        raise OSError(28, "No space left on device")

    log.log_metrics({"a": 1.0}, step=1)
    monkeypatch.setattr(type(log.experiment), "log", fails)
    for step in (2, 3):
        log.log_metrics({"a": 1.0}, step=step)
    log.tell(lambda run: run.log({}))
    log.log_hyperparams({"b": 1})
    log.finalize("success")
    logger.finish()
    assert len(asked) == 1
    (line,) = lines(capsys)
    assert line.startswith("W&B failed ([Errno 28] No space left on device): the run goes on without it.")


def test_where_not_even_a_file_can_be_begun_the_run_goes_on(anew, monkeypatch, tmp_path, capsys):
    def fails(**_):
        raise wandb.errors.CommError("no service")

    monkeypatch.setattr(wandb, "init", fails)
    log = WandB(str(tmp_path), "project", "name", "online")
    log.experiment.log({"a": 1})  # as Lightning looks at it when a run begins
    log.log_metrics({"a": 1.0}, step=1)
    said = lines(capsys)
    assert [line.partition(" (")[0] for line in said] == ["W&B online is not available", "W&B failed"]


class Killer(pl.Callback):
    """Kills W&B's service at the fifth turn."""

    def on_train_batch_start(self, trainer, system, *_):
        if system.clock.total == 5:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    words, parent = (process / "cmdline").read_text(), (process / "stat").read_text().rsplit(")")[1]
                except OSError:
                    continue
                if int(parent.split()[1]) == os.getpid() and "wandb" in words:
                    os.kill(int(process.name), signal.SIGKILL)


@pytest.mark.slow
def test_runs_whose_service_is_killed_go_on_to_their_end(tmp_path):
    """Two jobs of a multirun: the second has a service of its own, until that is killed, too."""
    words = ("-m", "debug=smoke", "model/program=fixed", "seed=1,2", f"hydra.sweep.dir={tmp_path}")
    killer = "+callbacks.killer._target_=tests.test_logger.Killer"
    checkout = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "train.py", *words, killer], cwd=checkout, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("W&B failed (") == done.stdout.count("the run goes on without it") == 2
    assert done.stdout.count("On the test sentences") == 2
    for job in ("0", "1"):
        assert rows(tmp_path / job)[-1]["turns/all"] == 16
        (file,) = tmp_path.glob(f"{job}/wandb/offline-run-*/*.wandb")
        told = [named(one.history.item) for one in records(file) if one.WhichOneof("record_type") == "history"]
        assert all(row.get("turns/all", 0) <= 5 for row in told)
