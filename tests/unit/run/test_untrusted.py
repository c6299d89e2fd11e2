"""Files of a run's folder are plain data, of bounded size, or refused in one line."""

import json
import os
import resource
import subprocess
import sys

import pytest

from textgan_lit.run import untrusted
from textgan_lit.run.untrusted import Unreadable


def given(tmp_path, content: str | bytes):
    (tmp_path / "file").write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path, "file"


def read(load, tmp_path, content: str | bytes):
    found = load(*given(tmp_path, content))
    return list(found) if load in (untrusted.lines, untrusted.table) else found


def test_yaml_is_tokens_numbers_lists_and_settings(tmp_path):
    text = 'a: [1, 1.0e-05, 1e-3, true, "true", ~, x, .inf, -3, .5]\nb: {}\n"c": "${oc.env:HOME}"\nd:\n'
    wanted = [1, 1e-5, 1e-3, True, "true", None, "x", float("inf"), -3, 0.5]
    assert read(untrusted.yaml, tmp_path, text) == {"a": wanted, "b": {}, "c": "${oc.env:HOME}", "d": None}
    assert read(untrusted.yaml, tmp_path, "[2026-01-01, 010, 1:30, <<, =, 0x10, 1_000]") == (
        ["2026-01-01", "010", "1:30", "<<", "=", "0x10", "1_000"]
    )
    assert read(untrusted.yaml, tmp_path, 'a: "\\ud800x"') == {"a": "\ufffdx"}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: [*a, *a]",
        "a: &a [x]",
        "!!python/object/apply:os.system [ls]",
        'a: !!int ""',
        "a: !!timestamp 2026-01-01",
        "[" * 5000,
        "- " * 5000,
        "{a: " * 5000,
        "? " * 5000,
        "[" + "[]," * 80_000 + "]",
        "[" + "a," * 100_000 + "]",
        "--- a\n--- b",
        "a: \x1b",
        "[",
        "x" * (untrusted.YAML + 1),
    ],
    ids=range(15),
)
def test_yaml_that_is_no_runs_is_refused(text, tmp_path):
    with pytest.raises(Unreadable, match=r"file cannot be read: .*\. Give it as the run has left it\.$"):
        read(untrusted.yaml, tmp_path, text)


def test_numbers_that_would_be_worked_on_for_ever_are_overrides(tmp_path):
    """Sexagesimal numbers, which YAML has, take time that grows with the square of their length."""
    override = "1" + ":1" * 100_000
    assert read(untrusted.yaml, tmp_path, override) == override
    assert read(untrusted.yaml, tmp_path, "1" * 100_000 + ".0") == float("inf")


def test_json_has_no_half_characters_and_no_endless_numbers(tmp_path):
    text = '{"\\ud800": ["\\ud83d\\ude00", "\\udfff", NaN, 1e999, 18446744073709551616, ' + "-" + "9" * 400 + "]}"
    found = read(untrusted.json, tmp_path, text)
    assert repr(found) == repr({"\ufffd": ["😀", "\ufffd", float("nan"), float("inf"), 2.0**64, float("-inf")]})


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[" * 50 + "]" * 50, "9" * 5000, " " * (untrusted.JSON + 1)])
def test_json_that_is_no_runs_is_refused(text, tmp_path):
    with pytest.raises(Unreadable, match="cannot be read"):
        read(untrusted.json, tmp_path, text)


def test_lines_that_are_no_objects_are_said(tmp_path):
    found = read(untrusted.lines, tmp_path, b'{"a": 1}\n[1]\n\xff\n\n' + b"[" * 60 + b'\n{"b": "\\ud800"}\n{"c"')
    assert [row for _, row in found] == [{"a": 1}, None, None, None, None, {"b": "\ufffd"}, None]
    assert found[0].text == '{"a": 1}'


def test_what_is_kept_of_lines_is_bounded_in_all(tmp_path):
    text, each = '{"a": [1, 2]}\n' * 3, untrusted.CONTAINER
    for load, least in ((untrusted.lines, 9 + 6 * each), (untrusted.table, 6 + 3 * each)):
        assert len(list(load(*given(tmp_path, text), untrusted.Allowance(least)))) == 3
        with pytest.raises(Unreadable, match="more values than a run writes"):
            list(load(*given(tmp_path, text), untrusted.Allowance(least - 1)))
    assert len(list(untrusted.table(*given(tmp_path, "," * 159), untrusted.Allowance(10 + each)))) == 1
    with pytest.raises(Unreadable, match="more values"):  # nothing is in its cells, and they take memory all the same
        list(untrusted.table(*given(tmp_path, "," * 159), untrusted.Allowance(9 + each)))
    assert (
        len(list(untrusted.lines(*given(tmp_path, json.dumps({"a": "x" * 1000})), untrusted.Allowance(64 + each)))) == 1
    )
    with pytest.raises(Unreadable, match="more values"):
        list(untrusted.lines(*given(tmp_path, json.dumps({"a": "x" * 1100})), untrusted.Allowance(64 + each)))


def test_a_table_has_cells_of_any_length(tmp_path):
    long = "9" * 200_000  # the csv module would not take it
    assert read(untrusted.table, tmp_path, f"a,b\r\n1,\n{long},2") == [["a", "b"], ["1", ""], [long, "2"]]
    assert read(untrusted.table, tmp_path, "") == []


def test_a_file_that_grows_is_read_as_it_was_when_it_was_opened(tmp_path):
    folder, name = given(tmp_path, '{"a": 1}\n')
    found = []
    for line in untrusted.lines(folder, name):
        found.append(line.row)
        with (folder / name).open("a") as file:
            file.write('{"a": 2}\n')
    assert found == [{"a": 1}]


LOADS = (untrusted.yaml, untrusted.json, untrusted.lines, untrusted.table)


@pytest.mark.parametrize("load", LOADS)
def test_nothing_but_a_plain_file_in_plain_folders_is_opened(load, tmp_path):
    run = tmp_path / "run"
    (run / "folder").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("1")
    (run / "link").symlink_to(tmp_path / "other" / "file")
    (run / "way").symlink_to(tmp_path / "other")
    (run / "file").write_text("1")
    os.mkfifo(run / "pipe")
    for name in ("link", "way/file", "pipe", "folder", "file/file", "/dev/zero"):
        with pytest.raises(Unreadable, match="no plain file"):
            list(load(run, name))
    for name in ("nothing", "folder/nothing"):
        with pytest.raises(FileNotFoundError):
            list(load(run, name))
    (tmp_path / "elsewhere").symlink_to(run)
    assert load(tmp_path / "elsewhere", "file")  # the folder itself is where the user says that it is


BOMBS = """
import sys
from pathlib import Path
from textgan_lit.run import untrusted
for name in ("sparse", "zeros", "objects", "commas"):
    for load in (untrusted.yaml, untrusted.json, untrusted.lines, untrusted.table):
        try:
            bound = [untrusted.Allowance()] if load in (untrusted.lines, untrusted.table) else []
            list(load(Path(sys.argv[1]), name, *bound))
        except untrusted.Unreadable as error:
            print(name, load.__name__)
"""


@pytest.mark.slow
def test_files_of_many_bytes_take_little_memory(tmp_path):
    """8 GB of nothing, 500 MB of it, and lines of ten million empty objects and cells, read by a process of 1.5 GB."""
    for name, size in (("sparse", 8 << 30), ("zeros", 500 << 20)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    (tmp_path / "objects").write_text("[" + "{}," * 5_000_000 + "{}]\n")
    (tmp_path / "commas").write_text("1," * 8_000_000 + "\n" + "1," * 8_000_000)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1536 << 20, 1536 << 20))

    command = [sys.executable, "-c", BOMBS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit)
    assert done.returncode == 0, done.stderr
    refused = {tuple(line.split()) for line in done.stdout.splitlines()}
    assert refused >= {(name, load.__name__) for name in ("sparse", "zeros") for load in LOADS}
    assert refused >= {(name, load) for name in ("objects", "commas") for load in ("yaml", "json")}
