"""Offline runs that are sent later, and online runs that lose the network: what a server has in the end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.command import rows, run
from tests.helpers.lives import lasting
from tests.helpers.wandb_file import ended, files, history, of_kind, records
from tests.helpers.wandb_server import serving
from textgan_lit import logger
from textgan_lit.logger import WandB
from textgan_lit.run import keys
from textgan_lit.run.checkpoint import kept

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

KEY = "x" * 40  # a login that only the stand-in takes


def sync(folder: Path, url: str, *more: str) -> None:
    command = [str(Path(sys.executable).with_name("wandb")), "sync", *more, str(folder)]
    environment = {**os.environ, "WANDB_BASE_URL": url, "WANDB_API_KEY": KEY}
    environment.pop("WANDB_MODE", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def by_step(told: list[dict]) -> dict[tuple, list[dict]]:
    """Rows by what was measured and when; the time they took aside."""
    found = {}
    for one in told:
        row = {key: value for key, value in lasting(one).items() if not key.startswith("_") and key != "step"}
        if "steps/all" in row:
            found.setdefault((row["steps/all"], *sorted(row)), []).append(row)
    return found


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    """A run that was taken up at an older checkpoint, so that steps were played twice."""
    folder = tmp_path_factory.mktemp("sync") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, "debug=smoke", "data=tiny", "callbacks.steps.every=10", f"hydra.run.dir={folder}")
        older = kept(folder / "checkpoints")[-1]
        run(patch, f"resume={older}")
    return folder


@pytest.mark.slow
def test_rows_that_were_played_again_are_equal_and_all_of_them_reach_the_server(lives):
    first, second = (ended(path) for path in files(lives))
    assert {of_kind(one, "run")[0].run_id for one in (first, second)} == {(lives / "wandb" / "run-id").read_text()}
    told = by_step(history(first) + history(second))
    again = [same for same in told.values() if len(same) > 1]
    assert again
    assert all(one == same[0] for same in again for one in same)
    wanted = by_step(rows(lives))
    missing = {key for key in wanted if not any(set(key[1:]) <= set(one[1:]) and key[0] == one[0] for one in told)}
    assert not missing
    with serving() as server:
        for path in files(lives):
            sync(path.parent, server.url)
    (name,) = server.runs
    sent = by_step(server.history[name])
    assert sent.keys() == told.keys()
    assert all(sent[key][-1] == pytest.approx(told[key][-1], nan_ok=True) for key in told)
    assert {".hydra/overrides.yaml", "wandb-summary.json"} <= server.files[name].keys()
    assert "code/code-textgan_lit" in server.artifacts.values()
    assert server.runs[name]["displayName"].startswith("minimax-tiny")
    assert server.config[name]["model"]["value"]["schedule"]["k"] == 2
    told_axes = server.config[name]["_wandb"]["value"]["m"]  # {"1": a key, "5": the place of its x-axis, from 1 on}
    axes = {one["1"]: told_axes[one["5"] - 1]["1"] for one in told_axes if "5" in one and "1" in one}
    clocked = {key for row in history(second) for key in row if keys.clock(key)}
    assert clocked
    assert {key: axes[key] for key in clocked} == {key: keys.clock(key) for key in clocked}
    summary = json.loads(server.files[name]["wandb-summary.json"])
    for key in sorted(key for key in clocked & {*keys.SUMMARY} if keys.best(key)):
        best = {"min": min, "max": max}[keys.best(key)]
        assert summary[key][keys.best(key)] == pytest.approx(best(row[key] for row in rows(lives) if key in row)), key


@pytest.mark.slow
def test_the_bytes_of_checkpoints_and_of_the_samples_table_arrive(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    run(monkeypatch, "debug=smoke", "data=tiny", "logger.wandb.artifacts=true", f"hydra.run.dir={folder}")
    (file,) = files(folder)
    ended(file)
    with serving() as server:
        sync(file.parent, server.url)
    sent = {kind: [] for kind in ("model", "wandb-run-incremental-table")}
    for made in server.committed:
        if (kind := server.artifacts[made].partition("/")[0]) in sent:
            sent[kind].append({name: content for name, content in server.files[made].items() if "manifest" not in name})
    last, best = kept(folder / "checkpoints")[0], folder / "checkpoints" / "best.ckpt"
    wanted = [{path.name: path.read_bytes()} for path in (last, best)]
    assert sorted(sent["model"], key=str) == sorted(wanted, key=str)
    tables = [
        json.loads(content)["data"] for table in sent["wandb-run-incremental-table"] for content in table.values()
    ]
    arrived = sorted(row[:3] for rows_of_one in tables for row in rows_of_one)
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    written = [[x["steps/all"], n, one["text"]] for x in lines for n, one in enumerate(x["samples"])]
    assert arrived == sorted(written)


@pytest.fixture
def online(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(logger, "WAIT", 5.0)
    logger.finish(dead=True)
    yield
    logger.finish(dead=True)


@pytest.mark.slow
def test_a_network_that_is_lost_in_mid_run_loses_nothing(online, monkeypatch, tmp_path, capsys):
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        log = WandB(str(tmp_path), "project", "name", "online")
        log.log_metrics({"truth/jsd": 0.5, "steps/all": 1}, step=1)
    for step in range(2, 6):
        log.log_metrics({"truth/jsd": 1 / step, "steps/all": step}, step=step)
    logger.finish()
    (path,) = files(tmp_path)
    wanted = [(1, 0.5), *((step, 1 / step) for step in range(2, 6))]
    assert [(row["steps/all"], row["truth/jsd"]) for row in history(records(path))] == wanted
    assert "W&B failed" not in capsys.readouterr().out
    with serving() as server:
        sync(path.parent, server.url, "--include-online")
    ((name, sent),) = server.history.items()
    assert name == (tmp_path / "wandb" / "run-id").read_text()
    assert [(row["steps/all"], row["truth/jsd"]) for row in sent] == wanted


def test_a_row_is_on_the_disk_long_before_wandb_would_write_it(tmp_path):
    """By itself it waits for 15 seconds, or for the end of a run, which a kill leaves out."""
    log = WandB(str(tmp_path), "project", "name")
    log.log_metrics({"truth/jsd": 0.25}, step=1)
    (path,), latest = files(tmp_path), time.monotonic() + 10
    while not history(records(path)) and time.monotonic() < latest:
        time.sleep(0.05)
    assert [row["truth/jsd"] for row in history(records(path))] == [0.25]
    logger.finish()
