"""The sentences that a run keeps to be looked at."""

import pytest

from tests.command import evaluations, smoke

AXES = {"turns/all", "tokens/real", "tokens/sampled", "system/seconds", "system/cpu_seconds"}


def test_every_evaluation_leaves_its_sentences_with_what_was_thought_of_each_word(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "callbacks.samples.count=3")
    kept = evaluations(tmp_path / "run", "samples.jsonl")
    measured = evaluations(tmp_path / "run")
    assert [row["turns/all"] for row in kept] == [row["turns/all"] for row in measured]
    for row in kept:
        assert row.keys() >= AXES
        assert len(row["samples"]) == 3
        for sample in row["samples"]:
            assert list(sample) == ["text", "log G", "D says real", "log G by word"]
            assert sum(sample["log G by word"]) == pytest.approx(sample["log G"], rel=1e-5)
            assert len(sample["log G by word"]) - len(sample["text"].split()) in (0, 1)  # eos has a probability, too
            assert 0 <= sample["D says real"] <= 1
