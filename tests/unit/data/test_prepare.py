"""What was made of a file is kept: made once, and anew where anything has changed."""

import multiprocessing
from pathlib import Path

import pytest

from tests.helpers.texts import LINES
from textgan_lit.data import corpus, prepare
from textgan_lit.data.text import TextData


def test_tables_of_another_version_of_the_library_are_made_anew(data, monkeypatch):
    first = data().prepared.tables["train"].cache_files[0]["filename"]
    monkeypatch.setattr(prepare, "version", lambda name: "0.1")
    other = data().prepared.tables["train"].cache_files[0]["filename"]
    assert first != other


def test_a_second_start_makes_nothing(data, monkeypatch):
    first = data().sentences("train").tokens
    monkeypatch.setattr("textgan_lit.data.prepare._make", lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(corpus, "_look", lambda *_: pytest.fail("read again"))
    assert data(max_length=5, bucket=2).sentences("train").tokens.equal(first)


def test_a_changed_file_is_another_one(data):
    before = data()
    after = data([*LINES, "and a new one"])
    assert before.fingerprint != after.fingerprint
    assert after.sizes["train"] == before.sizes["train"] + 1
    assert data([*LINES]).fingerprint == before.fingerprint


def test_a_changed_file_of_the_same_size_is_another_one(data):
    before = data().fingerprint
    assert data([*LINES[:-1], LINES[-1][::-1]]).fingerprint != before


def test_nothing_half_made_is_left(data, tmp_path, monkeypatch):
    monkeypatch.setattr("textgan_lit.data.prepare._encoded", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        data()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir() and path.name != "files"]
    monkeypatch.undo()
    assert data().sizes["train"] == 30


def _start(path, cache, results):
    make = prepare._make

    def counted(*asked):
        with Path(cache, "times").open("a") as file:
            file.write("x")
        make(*asked)

    prepare._make = counted
    made = TextData(path, cache=cache)
    results.put(made.sentences("train").tokens.sum().item())


@pytest.mark.slow
def test_processes_that_start_together_make_it_once(put, tmp_path):
    context, path = multiprocessing.get_context("spawn"), put(LINES * 100)
    results = context.Queue()
    some = [context.Process(target=_start, args=(path, str(tmp_path / "cache"), results)) for _ in range(2)]
    for process in some:
        process.start()
    assert results.get(timeout=200) == results.get(timeout=200)
    assert [process.join() or process.exitcode for process in some] == [0, 0]
    assert (tmp_path / "cache" / "times").read_text() == "x"


CLAUSES = [
    f"the {one} {two} and sees a {three}" for one in ("dog", "cat", "fox") for two in ("ran", "sat") for three in "abc"
]


@pytest.mark.parametrize(
    ("sentences", "kind"),
    [
        (CLAUSES * 400, "bpe"),
        (CLAUSES, "char"),  # too few to learn pieces of words from
        (["春眠不觉晓，处处闻啼鸟。"] * 20_000, "char"),
        (["床前明月光，疑是地上霜。 举头望明月，低头思故乡。"] * 20_000, "char"),  # blanks, but not between words
        (["anneliese"] * 20_000, "char"),  # names
    ],
)
def test_what_suits_a_text(sentences, kind):
    assert prepare.suiting(iter([sentences[:100], sentences[100:]]))[0] == kind


def test_pieces_are_as_many_as_the_text_can_teach():
    sizes = [prepare.suiting(iter([CLAUSES * times]))[1] for times in (400, 1200, 8000)]
    assert sizes == [400 * sum(map(len, CLAUSES)) // 500, 1200 * sum(map(len, CLAUSES)) // 500, 4000]
