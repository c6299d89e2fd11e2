"""A user's own text: what is read is what is played, and whatever is wrong with a file is said with its line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from textgan_lit.data import corpus, files
from textgan_lit.data.text import TextData
from textgan_lit.errors import UserError
from textgan_lit.types import Vocab

LINES = [f"w{i % 7} w{i % 5} w{i % 3}"[: 3 * (1 + i % 3)].strip() for i in range(200)]
COCO = Path(__file__).parents[3] / "shared" / "data"


def made(tmp_path, lines=LINES, name="text.txt", **settings):
    path = tmp_path / name
    if isinstance(lines, bytes):
        path.write_bytes(lines)
    else:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return TextData(str(path), cache=str(tmp_path / "cache"), **settings)


def text(data, split):
    batch = data.sentences(split)
    return [data.vocab.text(row[mask].tolist()) for row, mask in zip(*batch, strict=True)]


def everything(data):
    return sorted(line for split in data.sizes for line in text(data, split))


def test_every_line_is_in_one_split_as_it_was_written(tmp_path):
    data = made(tmp_path)
    assert data.sizes == {"train": 160, "valid": 20, "test": 20}
    assert everything(data) == sorted(LINES)


def test_sentences_end_with_eos_and_padding_is_masked(tmp_path):
    data = made(tmp_path)
    tokens, mask = data.sentences("train")
    for row, inside in zip(tokens, mask, strict=True):
        n = int(inside.sum())
        assert row[n - 1] == data.vocab.eos
        assert (row[: n - 1] < len(data.vocab.words)).all()
        assert (row[n:] == data.vocab.pad).all()
        assert not inside[n:].any()


@pytest.mark.parametrize("kind", ["word", "char", "bpe", "unigram"])
def test_tokenizers_give_back_what_they_were_given(tmp_path, kind):
    lines = [f"the {a} cat sat on the {b} mat, 猫 {a}{b}" for a in "abcdef" for b in "uvwxyz"]
    data = made(tmp_path, lines, tokenizer=kind, vocabulary=400)
    assert set(text(data, "train")) <= set(lines)
    sentence = text(data, "train")[0]
    assert data.vocab.text(data.vocab.encode(sentence)) == sentence


def test_the_tokenizer_learns_from_training_sentences_alone(tmp_path):
    (tmp_path / "test.txt").write_text("\n".join(["zebra w1"] * 5))
    data = made(tmp_path, test_path=str(tmp_path / "test.txt"))
    assert "zebra" not in data.vocab.words
    assert text(data, "test")[0] == "<unk> w1"
    assert any("Unknown words: 0.0% of train" in line and "50.0% of test" in line for line in data.story)


def test_rare_words_and_a_small_vocabulary(tmp_path):
    lines = [*(["a b"] * 50), *(["a c"] * 20), "a d"]
    assert set(made(tmp_path, lines, min_count=5).vocab.words) == {"<unk>", "a", "b", "c"}
    assert set(made(tmp_path, lines, vocabulary=3).vocab.words) == {"<unk>", "a", "b"}


def test_a_tokenizer_of_ones_own(tmp_path):
    first = made(tmp_path)
    (tmp_path / "mine.json").write_text(first.vocab.tokenizer)
    assert made(tmp_path, tokenizer=str(tmp_path / "mine.json")).vocab.words == first.vocab.words
    (tmp_path / "mine.json").write_text('{"no": "tokenizer"}')
    with pytest.raises(UserError, match=r"mine\.json: It is no tokenizer"):
        made(tmp_path, tokenizer=str(tmp_path / "mine.json"))
    with pytest.raises(UserError, match=r"data\.tokenizer=words: wanted word, char, bpe, unigram, or a tokenizer.json"):
        made(tmp_path, tokenizer="words")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("text.jsonl", lambda lines: "\n".join(json.dumps({"id": i, "said": x}) for i, x in enumerate(lines))),
        ("text.csv", lambda lines: "id,said\n" + "\n".join(f'{i},"{x}"' for i, x in enumerate(lines))),
    ],
)
def test_columns(tmp_path, name, write):
    plain = made(tmp_path)
    found = made(tmp_path, write(LINES).encode(), name, column="said")
    assert text(found, "valid") == text(plain, "valid")
    with pytest.raises(UserError, match="has no column sad; it has id, said"):
        made(tmp_path, write(LINES).encode(), name, column="sad")
    with pytest.raises(UserError, match="column id holds int64, wanted text"):
        made(tmp_path, write(LINES).encode(), name, column="id")
    with pytest.raises(UserError, match=r"Say which one holds the sentences: data\.column=NAME"):
        made(tmp_path, write(LINES).encode(), name)


def test_parquet_and_a_glob(tmp_path):
    import pandas

    for part in (0, 1):
        pandas.DataFrame({"said": LINES[part::2]}).to_parquet(tmp_path / f"part{part}.parquet")
    found = TextData(str(tmp_path / "part*.parquet"), column="said", cache=str(tmp_path / "cache"))
    assert everything(found) == sorted(LINES)


def test_too_long(tmp_path):
    lines = [*(["a b c d e"] * 30), *(["a b"] * 70)]
    cut = made(tmp_path, lines, max_length=3)
    assert "a b c" in text(cut, "train")
    assert cut.sentences("train").mask.shape[1] == 3
    assert any("Too long: 30 sentences were cut" in line for line in cut.story)
    dropped = made(tmp_path, lines, max_length=3, too_long="drop")
    assert sum(dropped.sizes.values()) == 70
    assert set(text(dropped, "train")) == {"a b"}
    with pytest.raises(UserError, match=r"data\.max_length=3: \d+ sentences of the train split are longer\. Give 6"):
        made(tmp_path, lines, max_length=3, too_long="error")
    with pytest.raises(UserError, match=r"leaves no sentence in the train split"):
        made(tmp_path, lines, max_length=1, too_long="drop")


def test_duplicates_and_leaks_are_counted(tmp_path):
    lines = [f"word{i} is new" for i in range(90)] + ["twice told tale"] * 20
    (tmp_path / "test.txt").write_text("\n".join([*lines[:6], "x is new", "y is new"]))
    data = made(tmp_path, lines, valid=4, test_path=str(tmp_path / "test.txt"))
    found, train = data.corpus.found, text(data, "train")
    assert found["duplicates"]["train"] == len(train) - len(set(train)) > 0
    assert found["leaked"]["test"] == len(set(lines[:6]) & set(train))
    assert any("training sentences, too" in line for line in data.story)


def test_a_test_file_that_is_the_training_file_is_warned_of(tmp_path):
    path = tmp_path / "text.txt"
    data = made(tmp_path, valid_path=str(path), test_path=str(path))
    assert any("every test sentence is a training sentence" in line for line in data.story)


def test_crlf_bom_and_blank_lines(tmp_path):
    plain = made(tmp_path, ["a b", "c d", "e f", "g h", "a d", "c b"] * 3)
    odd = made(tmp_path, b"\xef\xbb\xbf" + b"a b\r\n\r\nc d\r\ne f\r\n  \r\ng h\r\na d\r\nc b\r\n" * 3, "odd.txt")
    assert text(odd, "train") == text(plain, "train")
    assert any("Blank lines left out: 6" in line for line in odd.story)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"", r"text\.txt is empty"),
        (b"a b\nc \xff d\n", r"text\.txt, line 2, is not UTF-8 \(byte 0xff\).*iconv"),
        (b"a b\nc d\n" + "é".encode()[:1], r"text\.txt, line 3, ends within a character"),
        (b"a b\n\nc\0d\n", r"text\.txt, line 3, holds a NUL byte"),
        (b"a b\n" + b"x" * 10_000_000 + b"\n", r"text\.txt, line 2, is longer than 1,048,576 bytes"),
        (b"\n  \n\t\n" * 9, r"leave 0 sentences for the valid split"),
        (b"a\n" * 50, r"holds one distinct word"),
        (b"a b\nb a\n", r"2 lines with words leave"),
    ],
)
def test_a_bad_file_is_said_with_its_line_and_leaves_nothing(tmp_path, lines, said):
    with pytest.raises(UserError, match=said):
        made(tmp_path, lines)
    assert not [path for path in (tmp_path / "cache").glob("*") if path.suffix != ".lock"]


def test_a_bad_line_far_behind_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 7)
    with pytest.raises(UserError, match="line 40, is not UTF-8"):
        made(tmp_path, "é b\n".encode() * 39 + b"\xe9\n")
    with pytest.raises(UserError, match="line 12, holds a NUL"):
        made(tmp_path, b"a b\n" * 11 + b"\0\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("missing.txt", "there is no such file"),
        ("*.txt", "there is no such file"),
        (".", "is a directory"),
        (["a.txt", "b.csv"], r"has files with \.csv and \.txt"),
        ("c.doc", r"has files with \.doc; wanted one of \.txt, \.jsonl, \.csv, \.parquet"),
        ("d.parquet", "cannot be read as parquet"),
        ("e.jsonl", "cannot be read as json"),
    ],
)
def test_a_path_that_cannot_be_read(tmp_path, given, said):
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("a.txt", "b.csv", "c.doc", "d.parquet", "e.jsonl"):
        (folder / (name if given != "*.txt" else name.replace(".txt", ".text"))).write_text("no such thing\n")
    paths = [str(folder / name) for name in ([given] if isinstance(given, str) else given)]
    with pytest.raises(UserError, match=said):
        TextData(paths[0] if len(paths) == 1 else paths, column="said", cache=str(tmp_path / "cache"))


def test_the_second_start_reads_the_cache(tmp_path, monkeypatch):
    first = made(tmp_path)
    path, cache = str(tmp_path / "text.txt"), str(tmp_path / "cache")

    def no_more(*_):
        raise AssertionError("prepared twice")

    monkeypatch.setattr(corpus, "_make", no_more)
    second = TextData(path, cache=cache)
    assert first.corpus.folder == second.corpus.folder
    assert text(first, "train") == text(second, "train")
    with pytest.raises(AssertionError, match="prepared twice"):
        TextData(path, cache=cache, seed=1)
    os.utime(tmp_path / "text.txt", ns=(1, 1))  # written anew
    with pytest.raises(AssertionError, match="prepared twice"):
        TextData(path, cache=cache)


def test_batches_are_the_sentences_of_their_rows(tmp_path):
    data = made(tmp_path, max_length=3).with_batch(8)
    whole = data.sentences("train")
    batches = iter(data.train_dataloader())
    seen = torch.cat([next(batches).tokens for _ in range(data.sizes["train"] // 8)])
    assert sorted(seen.tolist()) == sorted(whole.tokens.tolist())


def test_a_batch_may_be_larger_than_the_text(tmp_path):
    data = made(tmp_path, LINES[:10]).with_batch(64)
    train = data.sentences("train")
    assert data.sizes == {"train": 6, "valid": 4, "test": 4}
    batch = next(iter(data.train_dataloader()))
    counts = [int((batch.tokens == row).all(1).sum()) for row in train.tokens]
    assert len(batch.tokens) == 64
    assert min(counts) >= 64 // 6


def test_the_cache_does_not_grow_with_what_is_asked_of_a_batch(tmp_path):
    """Ids are mapped, not read: a batch takes its own rows."""
    data = made(tmp_path)
    assert isinstance(data.on_disk["train"].ids, np.memmap)


def test_a_vocabulary_with_a_tokenizer_survives_plain_containers(tmp_path):
    vocab = made(tmp_path).vocab
    again = Vocab(tuple(vocab.words), True, vocab.tokenizer)
    assert again == vocab
    assert again.encode("w1 w2") == vocab.encode("w1 w2")


@pytest.mark.skipif(not COCO.is_dir(), reason="the COCO captions lie beside the repository, in ../shared/data")
def test_coco_captions(tmp_path):
    train, test = (str(COCO / f"image_coco_{split}.txt") for split in ("train", "test"))
    data = TextData(
        train, test_path=test, valid=1000, cache=str(tmp_path), versions={"2c0fd1f0f43a": "COCO", "72e2": "COCO"}
    )
    assert data.sizes == {"train": 9000, "valid": 1000, "test": 10000}
    assert data.story[:2] == ["train: COCO.", "test: COCO."]
    lines = (" ".join(line.split()) for line in Path(train).read_text().splitlines())
    assert set(text(data, "train")) <= set(lines)
