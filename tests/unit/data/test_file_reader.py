"""One reader: every format gives the same sentences; what is wrong is named with its line, and nothing is guessed."""

import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textgan_lit.data.file_reader import load
from textgan_lit.data.format import KINDS, Format
from textgan_lit.errors import UserError

ODD = ["None", "NA", "nan", "null", "2024-01-02", "12", "1.0", "true", "the end", "-", "猫 很 好"]


def parquet(values, kind=None, name="text"):
    table = pa.table([pa.array(range(len(values))), pa.array(values, kind)], names=["id", name])
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def written(kind, lines):
    return {
        "txt": lambda: "".join(f"{line}\n" for line in lines).encode(),
        "jsonl": lambda: "".join(json.dumps({"id": 1, "text": line}) + "\n" for line in lines).encode(),
        "csv": lambda: ("id,text\r\n" + "".join(f'1,"{line}"\r\n' for line in lines)).encode(),
        "tsv": lambda: ("id\ttext\n" + "".join(f"1\t{line}\n" for line in lines)).encode(),
        "parquet": lambda: parquet(lines),
    }[kind]()


def rows(content, name="x.txt", form=None, **more):
    raw = content if isinstance(content, bytes) else content.encode()
    return list(load(io.BytesIO(raw), name, form or Format(), **more))


def texts(*given, **more):
    return [row.text for row in rows(*given, **more)]


# --- what goes in comes out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_text_stays_text_whatever_it_looks_like(kind):
    assert texts(written(kind, ODD), f"x.{kind.upper()}") == ODD
    assert texts(written(kind, ODD), "x.dat", Format(kind=kind)) == ODD


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_clean_and_blank_ones_are_kept_as_such(kind):
    lines = ["  a b \u3000", "", " \xa0", "a"]
    assert texts(written(kind, lines), f"x.{kind}") == ["a b", "", "", "a"]


def test_a_byte_order_mark_and_the_ends_of_lines_are_taken_away():
    assert texts("\ufeffa b\r\nc\r\n") == ["a b", "c"]
    assert texts("\ufefftext,n\r\na,1\r\n", "x.csv") == ["a"]
    assert texts('\ufeff{"text": "a"}\r\n', "x.jsonl") == ["a"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_way_in_which_parquet_holds_text(kind):
    assert texts(parquet(["a", None, "b"], kind), "x.parquet") == ["a", "", "b"]


def test_a_field_inside_a_record():
    lines = [{"data": {"text": "a"}}, {"data": None}, {"data.text": "b", "data": 1}]
    form = Format("data.text")
    assert texts("\n".join(map(json.dumps, lines)), "x.jsonl", form) == ["a", "", "b"]
    values = [{"text": "a", "n": 1}, None, {"text": "b", "n": 2}]
    assert texts(parquet(values, name="data"), "x.parquet", form) == ["a", "", "b"]
    assert texts(parquet(["a", "b"], name="data.text"), "x.parquet", form) == ["a", "b"]


def test_a_number_is_a_column_of_a_file_without_a_header():
    assert texts("pos\ta, b\nneg\tc\n", "x.tsv", Format(2)) == ["a, b", "c"]
    assert texts("a;x\nb;y\n", "x.csv", Format(1, separator=";")) == ["a", "b"]
    assert texts("2,3\na,b\n", "x.csv", Format("2")) == ["a"]


def test_quotes_are_characters_where_that_is_asked():
    assert texts('n\ttext\n1\t"Yes," she said\n', "x.tsv", Format(quote="")) == ['"Yes," she said']
    assert texts("n;text\n1;'a;b'\n", "x.csv", Format(separator=";", quote="'")) == ["a;b"]


@pytest.mark.parametrize(
    ("kind", "content"), [("jsonl", '{"text": "a:\\r\\n  b\\n\\n  c"}'), ("csv", 'text\n"a:\r\n  b\n\n  c"\n')]
)
def test_line_breaks_inside_are_kept_or_become_blanks(kind, content):
    (row,) = rows(content, f"x.{kind}", keep_breaks=True)
    assert (row.text, row.broken) == ("a:\n  b\n\n  c", True)
    (row,) = rows(content, f"x.{kind}")
    assert (row.text, row.broken) == ("a: b c", True)


def test_a_row_says_where_it_begins():
    found = rows('text,n\n"a\nb",1\n\nc,2\n', "x.csv")
    assert [(row.where, row.text) for row in found] == [
        ("x.csv, line 2", "a b"),
        ("x.csv, line 4", ""),
        ("x.csv, line 5", "c"),
    ]
    assert rows(parquet(["a", "b"]), "x.parquet")[1].where == "x.parquet, row 2"


def test_records_that_were_generated_are_given_whole_where_that_is_asked():
    written = {"text": "a b", "tokens": [1, 2]}
    asked = Format("caption", tokens=True)
    assert rows(json.dumps(written), "x.jsonl", asked)[0].record == written
    for other in ({"tokens": ["a"]}, {"tokens": "a"}, {"tokens": [1.0]}, {"tokens": [True]}, {"ids": [1]}):
        row = json.dumps({"text": "a b", "caption": "c"} | other)
        assert rows(row, "x.jsonl", asked)[0][2:] == ("c", False, {})
    unasked = Format("caption")
    assert rows(json.dumps(written | {"caption": "c"}), "x.jsonl", unasked)[0][2:] == ("c", False, {})


# --- what is refused --------------------------------------------------------------------------------------------------

WRONG = {
    "more fields": (
        "x.csv",
        "label,text\npos,a\npos,a, and b\n",
        {},
        "x.csv, line 3: 3 fields, and 2 in the first line",
    ),
    "all with more": ("x.csv", "label,text\n1,pos,a\n2,pos,b\n", {}, "x.csv, line 2: 3 fields"),
    "a trailing separator": ("x.csv", "label,text\npos,a,\n", {}, "x.csv, line 2: 3 fields"),
    "fewer fields": ("x.tsv", "label\ttext\npos\ta\nb\n", {}, "x.tsv, line 3: 1 fields, and 2"),
    "no header": ("x.csv", "pos,a\npos,a,b\n", {"column": 2}, "x.csv, line 2: 3 fields, and 2"),
    "another separator": ("x.csv", "label;text\n", {}, "x.csv has label;text, between which stands ,"),
    "no such column": ("x.tsv", "pos\ta b\n", {}, r"has pos, a b, .* a number \(from 1 on\) where it has no header"),
    "twice": ("x.csv", "text,text\na,b\n", {}, "that comes once"),
    "a number too great": ("x.csv", "a,b\n", {"column": 3}, "data.column=3: x.csv has the columns 1 to 2"),
    "an open quote": ("x.csv", 'text\na\n"b\nc\n', {}, r"x.csv, line 3 cannot be read as csv .* data.quote="),
    "a quote inside": ("x.csv", 'text\n"a" b\n', {}, "x.csv, line 2 cannot be read as csv"),
    "no JSON": ("x.jsonl", '{"text": "a"}\n{"text": \n', {}, "x.jsonl, line 2: It cannot be read as JSON"),
    "no record": ("x.jsonl", '["a"]\n', {}, "line 1: It holds .* wanted a record"),
    "no field": ("x.jsonl", '{"a": {"b": "x", "c": 1}, "d": 2}\n', {}, "data.column=text, but a.b, a.c, d. Give"),
    "not everywhere": ("x.jsonl", '{"text": "a"}\n{"txt": "a"}\n', {}, "x.jsonl, line 2: There is no"),
    "no text": ("x.jsonl", '{"text": 5}\n', {}, "holds a number, wanted text"),
    "half a character": ("x.jsonl", '{"text": "\\ud800"}\n', {}, "half a character"),
    "deep": ("x.jsonl", "[" * 40_000, {}, "line 1: It cannot be read as JSON"),
    "a number for names": ("x.jsonl", '{"2": "a"}\n', {"column": 2}, "has columns with names"),
    "no such cell": ("x.parquet", parquet([{"b": "x"}], name="a"), {"column": "a.c"}, "x.parquet has id, a.b. Give"),
    "a record": ("x.parquet", parquet([{"b": "x"}], name="a"), {"column": "a"}, "holds a record, wanted text"),
    "two cells": ("x.parquet", parquet(["x"], name="id"), {"column": "id"}, "x.parquet has several of that name"),
    "a list": ("x.parquet", parquet([["x"]]), {}, "holds list<.*wanted text"),
    "numbers": ("x.parquet", parquet([5]), {}, "holds int64, wanted text"),
    "no parquet": ("x.parquet", b"PAR1 a b c", {}, "x.parquet cannot be read as parquet"),
    "half a parquet": ("x.parquet", parquet(["a"])[:-20], {}, "x.parquet cannot be read as parquet"),
    "windows": ("x.txt", b"a\nit\x92s\n", {}, r"x.txt, line 2 is not UTF-8 \(byte 0x92 at place 3\).* windows-1252"),
    "NUL": ("x.csv", b"text\na\0\n", {}, "x.csv, line 2 holds a NUL"),
    "a long line": ("x.txt", b"a " * 60_000, {}, "x.txt, line 1 has more than 100,000 bytes"),
    "an ending": ("x.doc", b"a", {}, r"x.doc: its ending says none of .*data.format=txt"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_with_the_place_and_the_way_out(case):
    name, content, form, said = WRONG[case]
    with pytest.raises(UserError, match=said) as caught:
        rows(content, name, Format(**form))
    assert re.search(r"\bGive\b", str(caught.value))
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_one_row_can_be_left_out():
    said = []
    found = load(io.BytesIO(b"label,text\npos,a\npos,b,c\npos,d\n"), "x.csv", Format(), skip=said.append)
    assert [row.text for row in found] == ["a", "d"]
    assert [str(error)[:13] for error in said] == ["x.csv, line 3"]


@pytest.mark.parametrize(
    ("form", "kinds", "said"),
    [
        (Format("caption"), ["txt"], "data.column=caption: lines have no columns"),
        (Format(separator=";"), ["txt", "jsonl"], "data.separator=; is for csv and tsv"),
        (Format(quote=""), ["parquet"], "data.quote='' is for csv and tsv"),
        (Format(separator="::"), ["csv"], "data.separator=::: wanted one character"),
        (Format(quote="''"), ["csv"], "wanted one character, or none"),
    ],
)
def test_settings_that_a_file_would_ignore_are_refused(form, kinds, said):
    with pytest.raises(UserError, match=said):
        form.check(kinds)
    Format("caption", separator="\\t").check(["csv", "txt"])
