"""A finished run beside a text file."""

import json
import math
import random
import tracemalloc
from collections import Counter

import pytest

import textgan_lit
from tests.helpers.command import smoke
from textgan_lit.commands import evaluate
from textgan_lit.errors import UserError
from textgan_lit.inference import Run
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab


def test_lines_are_cut_or_left_out_and_counted():
    lines, counted = ["a b", "a b a b", "b z", "a a a"], Counter()
    assert list(evaluate.usable(lines, Vocab(("a", "b"), has_eos=True), 3, counted)) == [[0, 1, 2], [0, 1, 0], [0] * 3]
    assert counted == {"lines": 4, "cut": 1, "unknown": 1}
    counted.clear()
    assert list(evaluate.usable(lines, Vocab(("a", "b")), 3, counted)) == [[0, 1, 0], [0, 0, 0]]
    assert counted == {"lines": 4, "cut": 1, "unknown": 1, "short": 1}


def test_sentences_are_drawn_from_everywhere_each_alike():
    sorted_ones = [[number] for number in range(10_000)]
    found = [number for (number,) in evaluate.drawn(sorted_ones, 400, 0)]
    assert found == [number for (number,) in evaluate.drawn(iter(sorted_ones), 400, 0)]
    assert len(set(found)) == 400
    assert found != [number for (number,) in evaluate.drawn(sorted_ones, 400, 1)]
    for side in (found[:200], found[200:]):
        assert abs(sum(side) / 200 - 5000) < 4 * 10_000 / math.sqrt(12 * 200)
    places = Counter(str(evaluate.drawn(sorted_ones[:4], 2, seed)) for seed in range(1200))
    assert len(places) == 12  # in every order
    assert all(abs(many - 100) < 4 * 10 for many in places.values())
    assert sorted(evaluate.drawn(sorted_ones[:3], 8, 0)) == sorted_ones[:3]


def test_no_more_sentences_are_held_than_are_drawn():
    tracemalloc.start()
    evaluate.drawn(([number] * 20 for number in range(20_000)), 100, 0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100_000  # all of them take 4 MB


def test_both_sides_are_drawn_from_a_sorted_file(monkeypatch, tmp_path, capsys):
    """As many are said as were drawn, and from how many; the seed chooses them and the samples."""
    vocab, seen = Vocab(("a", "b"), has_eos=True), []
    run = Run(Markov(vocab, 3), vocab, {}, Categorical(), None)
    monkeypatch.setattr(evaluate.opening, "opened", lambda options: run)
    monkeypatch.setattr(evaluate, "measured", lambda *given: seen.append(given) or {"quality/x_30": 0.5})
    (tmp_path / "text.txt").write_text("a\n" * 500 + "z\n\n" + "b\n" * 500)
    overrides = ["RUN", "--data", str(tmp_path / "text.txt"), "-n", "30", "--json", str(tmp_path / "out")]
    for seed in ("0", "0", "7"):
        assert evaluate.run(evaluate.parser().parse_args([*overrides, "--seed", seed])) == 0
    (*_, real, others, zero), (*_, again, _, _), (*_, other, _, seven) = seen
    for side in (real, others):
        assert side.tokens.shape == (30, 3)
        assert 5 < int((side.tokens[:, 0] == 1).sum()) < 25
    assert real.tokens.equal(again.tokens)
    assert not real.tokens.equal(other.tokens)
    assert (zero, seven) == (0, 7)
    found = json.loads((tmp_path / "out").read_text())
    assert found["lines"] == {"lines": 1001, "cut": 0, "unknown": 1, "short": 0}
    assert (found["n"], found["seed"]) == (30, 7)
    said = " ".join(capsys.readouterr().out.split())
    assert "Of the other 1,000, 30 are compared and 30 teach, drawn by seed 7." in said
    with pytest.raises(UserError, match="--seed=x: wanted"):
        evaluate.run(evaluate.parser().parse_args([*overrides, "--seed", "x"]))


@pytest.mark.slow
def test_a_run_is_measured_beside_a_file(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "model=mle")
    sentences = textgan_lit.load(tmp_path / "run").sample(60, seed=5)
    (tmp_path / "text.txt").write_text("\n".join([*sentences, "never seen"]))
    overrides = [str(tmp_path / "run"), "--data", str(tmp_path / "text.txt"), "--json", str(tmp_path / "out")]
    assert evaluate.run(evaluate.parser().parse_args(overrides)) == 0
    found = json.loads((tmp_path / "out").read_text())
    assert {"quality/fresh_bound_30", "quality/lm_score_30_real", "quality/frechet_15"} <= found["numbers"].keys()
    assert found["lines"]["unknown"] == 1
    assert "1 left out for a token" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(UserError, match="At least 20 are needed"):
        evaluate.run(evaluate.parser().parse_args([*overrides, "-n", "5"]))
    evaluate.run(
        evaluate.parser().parse_intermixed_args(
            [*overrides, "metrics=mauve", "metrics.closing.frechet.max_sentences=20"]
        )
    )
    other = json.loads((tmp_path / "out").read_text())["numbers"]
    assert other.keys() - found["numbers"].keys() == {
        *("quality/mauve_15", "quality/mauve_15_real", "quality/frechet_10", "quality/frechet_10_real")
    }
    monkeypatch.setattr("textgan_lit.metrics.embedding.find_spec", lambda _: None)
    monkeypatch.setattr("textgan_lit.model.generator.base.Generator.sample", lambda *_: pytest.fail("work has begun"))
    with pytest.raises(UserError, match=r"features=some/model takes .*\[sentence-transformers\]"):
        evaluate.run(
            evaluate.parser().parse_intermixed_args([*overrides, "metrics.closing.frechet.features=some/model"])
        )


def test_overrides_choose_what_is_measured_and_nothing_else():
    found = evaluate.chosen(["metrics=mauve", "metrics.closing.mauve.features=some/model"])["metrics"]
    assert found["closing"]["mauve"]["features"] == "some/model"
    assert found["closing"].keys() == evaluate.chosen([])["metrics"]["closing"].keys() | {"mauve"}
    assert "bleu" not in evaluate.chosen(["~metrics.evaluation.bleu"])["metrics"]["evaluation"]
    for override in ("model=mle", "metricsx=1", "seed=2"):
        with pytest.raises(UserError, match=f"{override}: wanted what is measured, such as metrics=mauve"):
            evaluate.chosen([override])


ONLY = [f"~metrics.closing.{name}" for name in ("fresh_critic", "language_model", "frechet")]


def perform(*arguments):
    return evaluate.run(evaluate.parser().parse_intermixed_args([*map(str, arguments)]))


def test_a_file_stands_in_for_a_run(tmp_path, capsys):
    """Its numbers are those of the same sentences in Python; real sentences' own stand beside."""
    dice = random.Random(0)
    lines = [" ".join(dice.choices("abcde", k=dice.randint(3, 6))) for _ in range(90)]
    (tmp_path / "a.txt").write_text("\n\n".join(lines[:30]))
    (tmp_path / "b.jsonl").write_text("".join(f"{json.dumps({'text': line})}\n" for line in lines[30:]))
    given = ("--samples", tmp_path / "a.txt", "--data", tmp_path / "b.jsonl", "--json", tmp_path / "out")
    assert perform(*given, *ONLY) == 0
    found = json.loads((tmp_path / "out").read_text())
    assert (found["lines"], found["n"], found["seed"]) == ({"samples": 30, "data": 60}, 30, 0)
    assert found["numbers"]["quality/distinct2_30"] == textgan_lit.distinct(lines[:30]).numbers["distinct2"]
    own = textgan_lit.self_bleu(lines[:30]).numbers["self_bleu3"]
    assert found["numbers"]["quality/self_bleu3_30"] == pytest.approx(own)
    assert 0 < found["numbers"]["quality/ngram_jsd2_15_real"] < 0.6
    said = " ".join(capsys.readouterr().out.split())
    assert "30 of 30 samples are compared with 30 of 60 sentences, 30 others teach, drawn by seed 0." in said


def test_what_a_file_in_place_of_a_run_cannot_do_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("a b\n" * 45)
    given = ("--samples", tmp_path / "a.txt", "--data", tmp_path / "a.txt")
    for arguments, said in [
        (given[2:], "Give a RUN, or --samples FILE"),
        (["outputs/run", *given], "outputs/run: wanted what is measured"),
        ([*given, "--temperature", "1", "--top-k", "3"], "--temperature, --top-k: of a run"),
        ([*given, "--checkpoint", "best"], "--checkpoint: of a run"),
        ([*given, "-n", "19"], "leave 19 sentences a side"),
    ]:
        with pytest.raises(UserError, match=said):
            perform(*arguments)
