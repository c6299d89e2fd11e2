"""Files and settings that cannot be right are refused, with the line and the way out."""

import pytest

from tests.helpers.texts import LINES
from textgan_lit.data.text import TextData
from textgan_lit.errors import UserError


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("my.txt", {"column": "text"}, r"data\.column=text: lines have no columns"),
        ("my.jsonl", {"separator": ";"}, r"data\.separator=; is for csv and tsv"),
        ("my.txt", {"revision": "1"}, r"data\.revision=1 is for the Hub"),
    ],
)
def test_what_would_be_ignored_is_refused(data, name, given, said):
    with pytest.raises(UserError, match=said):
        data(LINES, name, **given)
    with pytest.raises(UserError, match=r"data\.valid_path=v\.txt is for files"):
        TextData(name="a/b", valid_path="v.txt")


GOOD = "\n".join(LINES).encode()
BAD = {
    "empty": ("my.txt", b"", r"my\.txt is empty"),
    "blank": ("my.txt", b" \n\n\t\n", r"my\.txt has no sentence: all its lines are blank"),
    "latin-1": (
        "my.txt",
        GOOD + "\ncaf\xe9 au lait".encode("latin-1"),
        r"line 37 is not UTF-8 \(byte 0xe9 at place 4\)",
    ),
    "UTF-16": ("my.txt", "a b\nc d".encode("utf-16-le"), r"line 1 holds a NUL"),
    "long": ("my.txt", GOOD + b"\n" + b"a " * 5_000_000, r"line 37 has more than 100,000 bytes"),
    "one token": ("my.txt", b"a a\n" * 20, r"my\.txt: .* a single distinct token"),
    "few": ("my.txt", b"a b\nc d\n", r"my\.txt: sentences train=2, too few to train on .*at least ten"),
    "column": ("my.csv", b"caption,n\na b,1\n", r"data\.column=text: .*my\.csv has caption, n"),
    "no text": (
        "my.jsonl",
        b'{"text": [1]}\n' * 12,
        r"my\.jsonl, line 1: Its data\.column=text holds a list, wanted text",
    ),
    "fields": (
        "my.csv",
        b"n,text\n" + b"1,a b\n" * 12 + b"1,a, b\n",
        r"my\.csv, line 14: 3 fields, and 2 in the first",
    ),
    "jsonl": ("my.jsonl", b'{"text": "a"}\n{"text": \n', r"my\.jsonl, line 2: It cannot be read as JSON"),
    "csv": ("my.csv", b'text\na\n"b,\n', r"my\.csv, line 3 cannot be read as csv"),
    "parquet": ("my.parquet", GOOD, r"my\.parquet cannot be read as parquet"),
    "ending": ("my.doc", GOOD, r"my\.doc: its ending says none of .*data\.format=txt"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_its_line(data, tmp_path, case):
    name, content, said = BAD[case]
    with pytest.raises(UserError, match=said) as caught:
        data(content, name)
    assert "ive " in str(caught.value)  # the way out
    assert not list((tmp_path / "cache").glob("*/facts.json"))
    assert not list((tmp_path / "cache").glob("*.part"))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere.txt", "there is no such file"),
        ("*.none", "no file matches"),
        (".", r"is a folder. Give its files, data.path='.*\*\.txt'"),
        ([], "no file"),
    ],
)
def test_a_bad_path_is_refused(tmp_path, path, said):
    with pytest.raises(UserError, match=said):
        TextData(str(tmp_path / path) if path else path, cache=str(tmp_path / "cache"))


def test_mixed_formats_are_refused(put, tmp_path):
    paths = [put(LINES), put("text\na\n", "b.csv")]
    with pytest.raises(UserError, match="names csv and txt files together"):
        TextData(paths, cache=str(tmp_path / "cache"))


def test_files_or_the_hub_but_one_of_them(tmp_path):
    with pytest.raises(UserError, match="from files or from the Hub"):
        TextData()
    with pytest.raises(UserError, match=r"data\.name=.*cannot be had"):
        TextData(name=str(tmp_path / "nowhere"), cache=str(tmp_path))


def test_a_cache_that_cannot_be_written(put, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"data\.cache=FOLDER"):
        TextData(put(LINES), cache=str(tmp_path / "file"))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {}}', "\0"])
def test_a_tokenizer_that_is_none_is_refused(data, put, content):
    with pytest.raises(UserError, match=r"mine\.json is no tokenizer\.json"):
        data(tokenizer=put(content, "mine.json"))
    with pytest.raises(UserError, match="Give word, whitespace, char, bpe, unigram, or the path"):
        data(tokenizer="tokens")


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("nobody/nothing", "or fetch the model first: hf download nobody/nothing"),
        ("./nobody/nothing", r"the path of a tokenizer\.json\."),
        ("nothing.json", r"the path of a tokenizer\.json\."),
    ],
)
def test_a_tokenizer_that_is_not_there_may_be_fetched_where_it_is_a_name_of_the_hub(data, name, end):
    with pytest.raises(UserError, match=rf"data\.tokenizer={name} cannot be read .*Give word.*{end}$"):
        data(tokenizer=name)
