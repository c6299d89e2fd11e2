"""The sentences that a run keeps to be looked at."""

import json
import math

import pytest

from benchmarks import long_run
from tests.helpers.command import evaluations, run, smoke
from textgan_lit.callbacks import samples
from textgan_lit.callbacks.samples import BY_TOKEN, COLUMNS
from textgan_lit.metrics import novelty

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

AXES = {"steps/all", "tokens/real", "tokens/sampled", "system/seconds", "system/cpu_seconds"}


def test_every_evaluation_leaves_its_sentences_with_what_was_thought_of_each_token(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "callbacks.samples.count=3")
    kept = evaluations(tmp_path / "run", "samples.jsonl")
    measured = evaluations(tmp_path / "run")
    assert [row["steps/all"] for row in kept] == [row["steps/all"] for row in measured]
    for row in kept:
        assert row.keys() >= AXES
        assert len(row["samples"]) == 3
        for sample in row["samples"]:
            assert tuple(sample) == COLUMNS + BY_TOKEN
            g, p = (sum(sample[key]) for key in BY_TOKEN[1:])
            assert g == pytest.approx(sample["log G"], rel=1e-5)
            assert p - g == pytest.approx(sample["log P/G"], abs=1e-4)
            tokens = sample["text"].split()
            assert [token for token in sample["tokens"] if token is not None] == tokens
            assert len(sample["log G by token"]) - len(tokens) in (0, 1)  # eos has a probability, too
            assert 0 <= sample["D says real"] <= 1
            theirs = sample["nearest training sentence"].split()
            assert (sample["edits"] == 0) == (tokens == theirs)
            assert sample["edits"] <= len(tokens) + len(theirs)
            assert (len(tokens) + len(theirs) - sample["edits"]) // 2 <= len(tokens)
            assert bool(tokens) <= sample["longest copied span"] <= len(tokens)


def test_what_is_not_known_is_null(monkeypatch, tmp_path):
    monkeypatch.setattr(novelty, "MOST", 3)
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"a b c{n % 7}\n" for n in range(200)))
    smoke(
        monkeypatch,
        tmp_path / "run",
        "data=text",
        f"data.path={file}",
        "model=mle",
        "metrics=none",
    )
    for row in evaluations(tmp_path / "run", "samples.jsonl"):
        for sample in row["samples"]:
            known = {key for key, value in sample.items() if value is not None}
            assert known == {"text", "log G", "tokens", "log G by token"}


def test_the_table_of_a_long_run_grows_by_its_new_rows_alone(monkeypatch, tmp_path):
    """Bytes of what is written for W&B at each evaluation, and of samples.jsonl: the last as many as the first."""
    monkeypatch.setattr(samples, "LAG", 99)
    overrides = ("debug=smoke", "model=mle", "data=tiny", "metrics=none", f"hydra.run.dir={tmp_path / 'run'}")
    run(
        monkeypatch,
        *overrides,
        "callbacks.evaluation.every.pretrain=1",
        "model.schedule.pretrain_steps=30",
        "model.schedule.patience=99",
    )
    files = [*(tmp_path / "run").glob("wandb/offline-run-*/files/media/table/samples/*.json")]
    tables = sorted((json.loads(file.read_text())["data"] for file in files), key=lambda rows: rows[0][0])
    assert len(tables) >= 30
    assert {len(rows) for rows in tables} == {10}
    assert {len({row[0] for row in rows}) for rows in tables} == {
        1
    }  # step: each evaluation in one file, and none twice
    assert len({rows[0][0] for rows in tables}) == len(tables)
    sizes = [file.stat().st_size for file in files]
    assert max(sizes) < 1.5 * min(sizes)
    lines = (tmp_path / "run" / "samples.jsonl").read_text().splitlines()
    assert len(lines) >= 30
    assert len(lines[-1]) < 1.3 * len(lines[0])


@pytest.mark.slow
def test_ten_times_as_many_evaluations_write_ten_times_as_much_for_wandb_at_most(monkeypatch):
    """With what each part of the table says of the parts before, in W&B's own file and in what waits to be sent."""
    monkeypatch.setenv("WANDB_DATA_DIR", "")  # which is put back in the end
    long_run.written(1)  # what W&B does once
    (_, once), (_, few), (_, many) = (long_run.written(evaluations) for evaluations in (1, 50, 500))
    assert 0 < many - once < 10 * (few - once)


def test_what_waits_to_be_sent_is_sent_when_a_run_ends_however_it_ends(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "LAG", 1)
    overrides = ("debug=smoke", "model=mle", "data=tiny", "metrics=none", "callbacks.evaluation.every.pretrain=1")
    more = ("model.schedule.pretrain_steps=12", "model.schedule.patience=99", f"hydra.run.dir={tmp_path / 'run'}")
    run(monkeypatch, *overrides, *more, "trainer.max_steps=6")
    run(monkeypatch, *overrides, *more, "resume=true")
    kept = [row["steps/all"] for row in evaluations(tmp_path / "run", "samples.jsonl")]
    files = [*(tmp_path / "run").glob("wandb/offline-run-*/files/media/table/samples/*.json")]
    told = sorted(row[0] for file in files for row in json.loads(file.read_text())["data"])
    assert len(files) < len(kept)
    assert told == sorted(10 * kept)


def test_a_sentence_that_the_data_cannot_say_has_no_odds(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "data=one_sentence", "model=mle")
    ratios = [sample["log P/G"] for sample in evaluations(tmp_path / "run", "samples.jsonl")[0]["samples"]]
    assert -math.inf in ratios
