"""What W&B really wrote to disk, read back from its own file."""

import json
import struct
from pathlib import Path

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from tests.command import rows, run

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
