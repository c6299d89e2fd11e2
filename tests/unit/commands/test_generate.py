"""What ``textgan generate`` writes, ``textgan score`` reads back: the same tokens, the same log G."""

import json
import re

import pytest

from tests.helpers.command import textgan
from tests.helpers.enumeration import lively
from textgan_lit import tokenizer
from textgan_lit.commands import opening, output
from textgan_lit.errors import UserError
from textgan_lit.inference import Run
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab

LINES = ["the cat sat on the mat", "the dog\nran", "a cat ran at noon", "dogs and cats"]
WORDS = ("a", "b", "c")
VOCABS = {"none": Vocab(WORDS, has_eos=True), "none, of one length": Vocab(WORDS)}
N = 200


@pytest.fixture(params=[*tokenizer.KINDS, *VOCABS])
def run(request):
    """Of an untrained generator, whose samples are any tokens at all: of few text is cut again as they were written."""
    if (vocab := VOCABS.get(request.param)) is None:
        spelling = tokenizer.trained(request.param, iter([LINES * 5]), 40)
        vocab = Vocab(tokenizer.tokens(spelling), True, spelling)
    return Run(lively(LSTM(vocab, 8, embedding=3, hidden=4)), vocab, {}, Categorical(0.9), None)


@pytest.fixture
def command(run, monkeypatch, capsys):
    """``textgan WORDS`` with this run; gives what was said on standard error."""
    monkeypatch.setattr(opening, "opened", lambda options: run)

    def play(*overrides):
        assert textgan(monkeypatch, *map(str, overrides)) == 0
        return capsys.readouterr().err.strip()  # rich 13.0 leaves a line where its bar was

    return play


def records(path):
    return list(map(json.loads, path.read_text().splitlines()))


def test_what_was_written_is_scored_as_it_was_written(run):
    written = list(run.write(N))
    for before, after in zip(written, run.score(written), strict=True):
        assert after._replace(logp=[]) == before._replace(logp=[])
        assert after.logp == pytest.approx(before.logp, abs=1e-5)


def test_jsonl_comes_back_whole(run, command, tmp_path):
    assert command("generate", "RUN", "-n", N, "--out", tmp_path / "x.jsonl") == ""
    said = command("score", "RUN", tmp_path / "x.jsonl", "--out", tmp_path / "scores.jsonl")
    assert said.startswith(f"{N} sentences, ")
    assert "left out" not in said
    before, after = (records(tmp_path / name) for name in ("x.jsonl", "scores.jsonl"))
    assert [row["tokens"] for row in before] == [sentence.tokens for sentence in run.write(N)]
    for name in ("tokens", "text", "tokens"):
        assert [row[name] for row in after] == [row[name] for row in before]
    found, wanted = ([row["log_probability"] for row in rows] for rows in (after, before))
    assert found == pytest.approx(wanted, rel=3e-6, abs=1e-5)


def test_sentences_begin_with_the_lines_of_a_file(run, command, tmp_path):
    first = [run.vocab.text(sentence.tokens[:2]) for sentence in run.write(N) if len(sentence.tokens) > 3]
    lines = [text for text in dict.fromkeys(first) if text.strip() == text != "" and "\n" not in text][:3]
    lines = [text for text in lines if run.vocab.unknown not in run.vocab.encode(text)]
    assert lines
    (tmp_path / "prompts.txt").write_text("\n".join(lines))
    command("generate", "RUN", "--prompts", tmp_path / "prompts.txt", "-n", 4, "--out", tmp_path / "x.jsonl")
    found = [row["text"] for row in records(tmp_path / "x.jsonl")]
    assert found == run.sample(4, prompt=lines)
    command("generate", "RUN", "--prompts", tmp_path / "prompts.txt", "--out", tmp_path / "one.jsonl")
    assert [row["text"] for row in records(tmp_path / "one.jsonl")] == found[::4]


@pytest.mark.parametrize(("text", "where"), [("a\n\na\n", "prompts.txt, line 2"), ("", "prompts.txt")])
def test_a_blank_prompt_is_refused_by_its_line(text, where, run, monkeypatch, tmp_path):
    (tmp_path / "prompts.txt").write_text(text)
    monkeypatch.setattr(opening, "opened", lambda options: run)
    said = str(textgan(monkeypatch, "generate", "RUN", "--prompts", str(tmp_path / "prompts.txt")))
    assert f"{where} is blank: wanted what sentences are to begin with" in said, said


def test_of_plain_text_is_said_what_does_not_come_back(run, command, tmp_path):
    said = command("generate", "RUN", "-n", N, "--out", tmp_path / "x.txt")
    heard = command("score", "RUN", tmp_path / "x.txt", "--skip", "--out", tmp_path / "scores.jsonl")
    read, same = iter(records(tmp_path / "scores.jsonl")), 0
    lines = (tmp_path / "x.txt").read_text().split("\n")[:-1]
    for line, sentence in zip(lines, run.write(N), strict=True):
        if is_read(run, line):
            found = next(read)
            if found["tokens"] == sentence.tokens:
                same += 1
                assert found["log_probability"] == pytest.approx(sentence.log_probability, abs=1e-5)
    assert next(read, None) is None
    lost = re.match(r"(\d+) of 200 sentences would be read .* as other tokens, or not at all. --format jsonl", said)
    assert (int(lost[1]) if lost else 0) == N - same
    blank = sum(not line.strip() for line in lines)
    assert (f"{blank} blank lines left out" in heard) == (blank > 0) == run.vocab.has_eos
    assert (lost is None) == (not run.vocab.has_eos)


def is_read(run, line):
    try:
        return bool(line.strip()) and bool(run.encode(line.strip()))
    except UserError:
        return False


# --- what somebody else wrote -----------------------------------------------------------------------------------------


def scored(command, path, *overrides):
    command("score", "RUN", path, *overrides, "--overwrite", "--out", path.with_name("scores.jsonl"))
    return records(path.with_name("scores.jsonl"))


@pytest.mark.parametrize("run", ["bpe"], indirect=True)
def test_the_column_of_the_run_is_not_that_of_generated_records(run, command, tmp_path):
    """A run that was taught captions reads its samples all the same, and the text where that is asked for."""
    run.config["data"] = {"path": "my.jsonl", "column": "caption"}
    written = next(one for one in run.write(N) if is_read(run, one.text) and run.encode(one.text) != one.tokens)
    record = output.record(written)
    (tmp_path / "x.jsonl").write_text(json.dumps(record))
    assert scored(command, tmp_path / "x.jsonl")[0]["tokens"] == written.tokens
    assert scored(command, tmp_path / "x.jsonl", "--column=text")[0]["tokens"] == run.encode(written.text)
    (tmp_path / "x.jsonl").write_text(json.dumps(record | {"tokens": ["the", "cat"], "caption": "the cat"}))
    assert scored(command, tmp_path / "x.jsonl")[0]["tokens"] == run.encode("the cat")


@pytest.mark.parametrize("run", ["none"], indirect=True)
@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"text": "a b", "tokens": [0, 2, 3]}, "line 1: Its tokens say a c here, unlike its text. .* --column text."),
        ({"text": "a b", "tokens": [0, 9]}, "line 1: The token 9 is not among the 3 of this run"),
        ({"text": "a " * 9, "tokens": [0] * 9}, "line 1: The sentence has 9 tokens, wanted at most 8"),
        ({"text": "a b"}, None),
        ({"text": "", "tokens": []}, None),  # the sentence that ends at once
    ],
)
def test_tokens_of_another_run_are_refused(record, said, command, monkeypatch, tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps(record))
    if said is None:
        assert scored(command, tmp_path / "x.jsonl")[0]["text"] == record["text"]
    else:
        assert re.search(said, str(textgan(monkeypatch, "score", "RUN", str(tmp_path / "x.jsonl"))))
        assert "1 lines skipped" in command("score", "RUN", tmp_path / "x.jsonl", "--skip")
