"""Test sentences with a file of their own: real sentences of both files beside the generators."""

import json

import pytest

from tests.helpers.command import smoke

CHEAP = (
    "data=text",
    "model=minimax",
    "data.tokenizer=whitespace",
    "metrics=none",
    "+metrics.closing.ngram_jsd._target_=textgan_lit.metrics.ngram_jsd.NgramJSD",
    "+metrics.closing.ngram_jsd.orders=[1]",
)
JSD = "quality/ngram_jsd1_16"


@pytest.fixture
def files(tmp_path):
    """Two files of other tokens, but for the first of each sentence."""
    for name, letters in (("train", "abc"), ("test", "xyz")):
        lines = (f"the {letters[n % 3]} {letters[n // 3 % 3]} {letters[n // 9 % 3]}" for n in range(540))
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    return {name: f"data.{key}={tmp_path / name}.txt" for name, key in (("train", "path"), ("test", "test_path"))}


def played(monkeypatch, tmp_path, *overrides):
    smoke(monkeypatch, tmp_path / "run", f"data.cache={tmp_path}", "data.train=null", "data.valid=64", *overrides)
    path = tmp_path / "run" / "across_files.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_real_sentences_of_either_file_stand_beside_the_generators(monkeypatch, tmp_path, files):
    rows = played(monkeypatch, tmp_path, *CHEAP, *files.values(), "model/schedule=fixed")
    assert list(rows) == ["likelihood", "game", "training_file", "test_file"]
    assert rows["training_file"][JSD] < 0.05  # sentences of one file
    assert 0.3 < rows["test_file"][JSD] < 0.7  # three tokens of four, and eos, are others
    assert rows["training_file"][f"{JSD}_real"] == rows["game"][f"{JSD}_real"] < 0.05  # the floor within the file
    for name in ("likelihood", "game"):
        assert rows[name]["truth/nll_test"] > 0
    assert rows["likelihood"] != rows["game"]


def test_without_a_test_file_of_its_own_there_is_nothing_to_say(monkeypatch, tmp_path, files):
    assert played(monkeypatch, tmp_path, *CHEAP, files["train"], "data.test=64", "model=mle") is None


@pytest.mark.slow
def test_a_critic_that_tells_the_files_apart_is_told_of(monkeypatch, tmp_path, files, capsys):
    rows = played(monkeypatch, tmp_path, "data=text", "metrics=text", *files.values(), "model=mle")
    assert rows["test_file"]["quality/fresh_bound_32"] > 0.2 > 0.1 > rows["training_file"]["quality/fresh_bound_32"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "On 32 held-out sentences of the training file" in printed
    assert "A critic tells real sentences of the two files apart: JSD ≥" in printed
