"""A command reads a file as the run's own files were read, and otherwise as it is told."""

import argparse
import io
import json

import pytest

from textgan_lit import tokenizer
from textgan_lit.commands import input
from textgan_lit.errors import UserError
from textgan_lit.inference import Run
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab


def read(content, name, arguments=(), vocab=None, /, **data):
    parser = argparse.ArgumentParser()
    input.arguments(parser)
    run = Run(None, vocab or Vocab(("a", "b")), {"data": data}, Categorical(), None)
    return [row.text for row in input.rows(io.BytesIO(content.encode()), name, parser.parse_args(arguments), run)]


RECORDS = "".join(json.dumps({"text": f"{sign} text", "caption": f"{sign} caption"}) + "\n" for sign in "ab")
COLUMNS = "text;caption\na text;a caption\n"


def test_the_column_that_the_run_was_taught_is_read():
    assert read(RECORDS, "x.jsonl") == ["a text", "b text"]
    assert read(RECORDS, "x.jsonl", path="my.csv", column="caption") == ["a caption", "b caption"]
    assert read(RECORDS, "x.jsonl", ["--column", "text"], path="my.csv", column="caption") == ["a text", "b text"]
    assert read(RECORDS, "x.jsonl", path="my.tsv", column=2) == ["a text", "b text"]  # which has no numbers
    assert read("a b\n", "x.txt", path="my.csv", column="caption") == ["a b"]


def test_a_file_of_the_kind_that_the_run_was_taught_is_read_alike():
    taught = {"path": ["my.csv", "other.csv"], "column": "caption", "separator": ";"}
    assert read(COLUMNS, "x.csv", **taught) == ["a caption"]
    assert read(COLUMNS, "x.CSV", **taught) == ["a caption"]
    assert read(COLUMNS.replace(";", ","), "x.csv", ["--separator", ","], **taught) == ["a caption"]
    assert read(COLUMNS.replace(";", "\t"), "x.tsv", **taught) == ["a caption"]
    assert read(COLUMNS, "x.data", path="my.data", format="csv", column="text", separator=";") == ["a text"]
    assert read('1\t"a"\n', "x.tsv", path="my.tsv", column=2, quote="") == ['"a"']
    assert read('1\t"a"\n', "x.tsv", ["--quote", '"'], path="my.tsv", column=2, quote="") == ["a"]


def test_standard_input_is_lines_unless_something_else_is_said():
    assert read("a b\n\n", "-", path="my.jsonl") == ["a b", ""]
    assert read(RECORDS, "-", ["--input-format", "jsonl"], path="my.txt") == ["a text", "b text"]
    with pytest.raises(UserError, match="standard input, line 1: It cannot"):
        read("a b\n", "-", ["--input-format", "jsonl"])


def test_line_breaks_are_kept_where_the_run_can_hold_them():
    content = json.dumps({"text": "a\n  b"})
    spelling = tokenizer.trained("char", iter([["a\n  b"]]), 10)
    able = Vocab(tokenizer.tokens(spelling), has_eos=True, tokenizer=spelling)
    assert read(content, "x.jsonl", (), able) == ["a\n  b"]
    assert read(content, "x.jsonl") == ["a b"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("x.txt", ["--column", "a"], "--column=a: lines have no columns. .* --input-format=csv"),
        ("x.jsonl", ["--separator", ";"], "--separator=; is for csv and tsv"),
        ("x.csv", ["--column", "b"], "--column=b: x.csv has a, between .* another --separator"),
        ("x", [], r"x: its ending says none of the formats .* or --input-format=txt"),
    ],
)
def test_what_is_asked_for_and_would_be_ignored_is_refused(name, arguments, said):
    with pytest.raises(UserError, match=said):
        read("a\n", name, arguments)


def test_a_checkpoint_that_says_something_else_is_refused():
    with pytest.raises(UserError, match=r"data\.separator="):
        read(COLUMNS, "x.csv", path="my.csv", separator=[1])
    assert read("a b\n", "x.txt", path=[]) == ["a b"]
    assert read("a b\n", "x.txt", name="organisation/name", path=None) == ["a b"]


def test_a_file_that_is_not_there_is_said(tmp_path, monkeypatch):
    for name in (str(tmp_path / "none.txt"), "~nobody-of-that-name/none.txt"):
        with pytest.raises(UserError, match="No such file"), input.opened(name):
            pass
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my.txt").write_text("a\n")
    with input.opened("~/my.txt") as file:
        assert input.size(file) == 2
        assert file.read() == b"a\n"
