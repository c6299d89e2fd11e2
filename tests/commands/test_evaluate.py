"""A finished run beside a text file."""

import json

import pytest

import textgan_lit
from tests.command import smoke
from textgan_lit.commands import evaluate
from textgan_lit.errors import UserError
from textgan_lit.types import Vocab


def test_lines_are_cut_or_left_out_and_counted():
    lines = ["a b", "a b a b", "b z", "a a a"]
    batch, counted = evaluate.read(lines, Vocab(("a", "b"), has_eos=True), 3)
    assert batch.tokens.tolist() == [[0, 1, 2], [0, 1, 0], [0, 0, 0]]
    assert counted == {"lines": 4, "cut": 1, "unknown": 1, "short": 0}
    batch, counted = evaluate.read(lines, Vocab(("a", "b")), 3)
    assert batch.tokens.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert counted == {"lines": 4, "cut": 1, "unknown": 1, "short": 1}


@pytest.mark.slow
def test_a_run_is_measured_beside_a_file(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "model=mle")
    sentences = textgan_lit.load(tmp_path / "run").sample(60, seed=5)
    (tmp_path / "text.txt").write_text("\n".join([*sentences, "never seen"]))
    words = [str(tmp_path / "run"), "--data", str(tmp_path / "text.txt"), "--json", str(tmp_path / "out")]
    assert evaluate.run(evaluate.parser().parse_args(words)) == 0
    found = json.loads((tmp_path / "out").read_text())
    assert {"quality/fresh_bound_30", "quality/lm_score_30_real", "quality/frechet_15"} <= found["numbers"].keys()
    assert found["lines"]["unknown"] == 1
    assert "1 left out for a word" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(UserError, match="At least 20 are needed"):
        evaluate.run(evaluate.parser().parse_args([*words, "-n", "5"]))
    evaluate.run(evaluate.parser().parse_intermixed_args([*words, "metrics=mauve", "metrics.closing.frechet.most=20"]))
    other = json.loads((tmp_path / "out").read_text())["numbers"]
    assert other.keys() - found["numbers"].keys() == {
        *("quality/mauve_15", "quality/mauve_15_real", "quality/frechet_10", "quality/frechet_10_real")
    }
    monkeypatch.setattr("textgan_lit.metrics.embedding.find_spec", lambda _: None)
    monkeypatch.setattr("textgan_lit.sampling.sample", lambda *_: pytest.fail("work has begun"))
    with pytest.raises(UserError, match=r"features=some/model takes .*\[sentence-transformers\]"):
        evaluate.run(evaluate.parser().parse_intermixed_args([*words, "metrics.closing.frechet.features=some/model"]))


def test_words_choose_what_is_measured_and_nothing_else():
    found = evaluate.chosen(["metrics=mauve", "metrics.closing.mauve.features=some/model"])["metrics"]
    assert found["closing"]["mauve"]["features"] == "some/model"
    assert found["closing"].keys() == evaluate.chosen([])["metrics"]["closing"].keys() | {"mauve"}
    assert "bleu" not in evaluate.chosen(["~metrics.evaluation.bleu"])["metrics"]["evaluation"]
    for word in ("model=mle", "metricsx=1", "seed=2"):
        with pytest.raises(UserError, match=f"{word}: wanted what is measured, such as metrics=mauve"):
            evaluate.chosen([word])
