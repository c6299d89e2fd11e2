"""Sentences of files: what goes in comes out, whatever the file."""

import json
from pathlib import Path

import pytest
from datasets import Dataset

from tests.helpers.texts import LINES, everything, texts
from textgan_lit import tokenizer
from textgan_lit.data.text import TextData
from textgan_lit.errors import UserError


def test_every_line_is_in_one_split(data):
    assert data().sizes == {"train": 30, "valid": 4, "test": 2}
    assert everything(data(tokenizer="char")) == sorted(LINES)  # which knows every letter


def test_training_tokens_are_the_vocabulary(data):
    made = data()
    assert set(made.vocab.tokens) == {tokenizer.UNKNOWN} | {w for line in texts(made, "train") for w in line.split()}
    assert sorted(texts(made, "train")) == sorted(line for line in LINES if line in texts(made, "train"))


def test_sentences_end_with_eos_and_are_padded(data):
    made = data()
    tokens, mask = made.sentences("train")
    assert tokens.shape == (30, made.max_length) == (30, 5)  # four tokens and eos
    assert mask.equal(tokens != made.vocab.pad)
    for row, inside in zip(tokens.tolist(), mask.tolist(), strict=True):
        assert row.index(made.vocab.eos) == sum(inside) - 1


@pytest.mark.parametrize("kind", ["whitespace", "char", "bpe", "unigram"])
@pytest.mark.parametrize("lines", [LINES, [f"{a}很{b}。" for a in "天地人山水火" for b in "大小高低好坏"]])
def test_a_tokenizer_gives_back_the_training_sentences(data, kind, lines):
    made = data(lines, tokenizer=kind, max_length=40, vocabulary=60)
    assert set(texts(made, "train")) <= set(lines)
    row = made.sentences("train").tokens[0].tolist()
    assert made.vocab.encode(made.vocab.text(row)) == row[: row.index(made.vocab.eos)]


def test_the_tokenizer_that_suits_a_text_is_learned_and_said(data):
    small, large = data(tokenizer="auto"), data(LINES * 300, tokenizer="auto")
    assert "data.tokenizer=char suits this text" in small.summary[1]
    assert small.vocab.tokens == data(tokenizer="char").vocab.tokens
    assert "data.tokenizer=bpe suits this text" in large.summary[1]
    assert max(map(len, large.vocab.tokens)) > 2 < min(map(len, texts(large, "train")))


@pytest.mark.parametrize("kind", ["whitespace", "char", "bpe", "unigram"])
def test_characters_are_those_of_the_line_its_end_included_whatever_the_tokenizer(data, kind):
    made = data(tokenizer=kind, max_length=40, vocabulary=60)
    batch = made.sentences("train")
    assert made.vocab.characters(batch).tolist() == [len(line) + 1 for line in texts(made, "train")]


def test_a_sentence_that_was_cut_has_no_end_among_its_characters(data):
    made = data(tokenizer="char", max_length=5)
    assert made.vocab.characters(made.sentences("train")).tolist() == [5.0] * 30


def test_an_unknown_token_counts_as_one_character(data, put):
    made = data(test_path=put(["zebra cat"] * 4, "test.txt"))
    assert made.vocab.characters(made.sentences("test")).tolist() == [len("? cat") + 1] * 4


def test_tokens_that_only_the_test_file_has_are_unknown(data, put):
    made = data(test_path=put(["zebra cat"] * 4, "test.txt"))
    assert set(texts(made, "test")) == {"<unk> cat"}
    assert "<unk>: 0.00% of train, 0.00% of valid, 50.00% of test." in made.summary[1]


def test_an_unknown_token_that_no_training_sentence_teaches_is_said_once(data, put):
    held_out = put(["zebra cat"] * 4, "test.txt")

    lines = [*LINES, *(f"the {rare} sat" for rare in ("owl", "ox", "eel", "emu", "yak", "boa"))]

    def said(content=lines, test_path=held_out, **options):
        return [line for line in data(content, test_path=test_path, **options).summary if "none of" in line]

    (line,) = said()
    assert "50.00% of test's tokens are <unk>, none of train's," in line
    assert "Give data.min_count=2" in line
    assert not said(min_count=2)  # an owl is <unk> in a training sentence
    assert "Give another data.tokenizer" in said(tokenizer="bpe")[0]
    assert not said(LINES, test_path=None)
    way = "Give more sentences, or data.tokenizer=bpe or char, whose tokens come more often."
    assert said(LINES[:10])[0].endswith(way)  # half of whose tokens come once, and would be <unk>
    letters = said(LINES, tokenizer="char", test_path=put(["ж"] * 4, "other.txt"))
    assert letters[0].endswith("Give more sentences.")  # there is no letter that comes once


def test_a_tokenizer_json_of_ones_own(data, put):
    spelling = tokenizer.trained("whitespace", iter([["the cat sat"]]), 100)
    made = data(tokenizer=put(spelling, "mine.json"))
    assert set(made.vocab.tokens) == {"<unk>", "the", "cat", "sat"}
    assert any("<unk>" in text for text in texts(made, "train"))


def test_small_letters_are_no_tokenizer_json_s_to_ask_for(data, put):
    assert set(data(["The cat", "THE dog"] * 10, lowercase=True).vocab.tokens) == {"<unk>", "the", "cat", "dog"}
    own = put(tokenizer.trained("whitespace", iter([["the cat sat"]]), 100), "mine.json")
    with pytest.raises(UserError, match=r"data\.lowercase=true: .*mine\.json says itself whether it does that\."):
        data(tokenizer=own, lowercase=True)


def test_rare_tokens_and_small_vocabularies(data):
    many = ["a b"] * 20 + [f"a x{n}" for n in range(4)]
    assert set(data(many, min_count=2).vocab.tokens) == {"<unk>", "a", "b"}
    assert len(data(many, vocabulary=3).vocab.tokens) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("my.txt", "\ufeff" + "\r\n".join(LINES)),
        ("my.txt", "\n\n" + " \n\t\n".join(f"  {line} " for line in LINES)),
        ("my.jsonl", "\n".join(json.dumps({"text": line, "other": 1}) for line in LINES)),
        ("my.csv", "other,text\n" + "\n".join(f'1,"{line}"' for line in LINES)),
        ("my.TSV", "other\ttext\n" + "\n".join(f"1\t{line}" for line in LINES)),
    ],
)
def test_formats_agree(data, name, content):
    assert everything(data(content, name, tokenizer="char")) == sorted(LINES)


def test_parquet_and_its_column(tmp_path):
    Dataset.from_dict({"caption": LINES, "n": list(range(len(LINES)))}).to_parquet(str(tmp_path / "my.parquet"))
    made = TextData(str(tmp_path / "my.parquet"), column="caption", tokenizer="char", cache=str(tmp_path / "cache"))
    assert everything(made) == sorted(LINES)


def test_how_a_file_holds_its_sentences_can_be_said(data):
    nested = [json.dumps({"data": {"text": line}}) for line in LINES]
    assert everything(data(nested, "my.jsonl", column="data.text", tokenizer="char")) == sorted(LINES)
    fields = [f"pos;{line}" for line in LINES]
    given = {"format": "csv", "separator": ";", "column": 2, "tokenizer": "char"}
    assert everything(data(fields, "my.data", **given)) == sorted(LINES)


def test_the_same_bytes_held_otherwise_are_other_sentences(data, put):
    columns = ["text,n", *(f"{line},{line[:5]}" for line in LINES)]
    own = put(tokenizer.trained("char", iter([columns]), 100), "mine.json")
    assert everything(data(columns, "my.csv", tokenizer=own)) == sorted(LINES)
    assert everything(data(columns, "my.txt", tokenizer=own)) == sorted(columns)
    assert everything(data(columns, "my.csv", tokenizer=own, column="n")) == sorted(line[:5].strip() for line in LINES)


def test_tokens_that_look_like_nothing_stay(data, put):
    odd = ["None", "NA", "nan", "null", "12", "2024-01-02"]
    own = put(tokenizer.trained("char", iter([LINES + odd]), 100), "mine.json")
    made = data(["text", *LINES, *odd], "my.csv", tokenizer=own)
    assert everything(made) == sorted(LINES + odd)
    assert not any("Blank" in line for line in made.summary)


BROKEN = [f"def f(x):\n    return {'x' * n}\n\n  # end" for n in range(20)]


@pytest.mark.parametrize("kind", ["char", "bpe", "own"])
def test_line_breaks_and_indentation_are_kept_where_they_can_be(data, put, kind):
    own = put(tokenizer.trained("bpe", iter([BROKEN]), 300), "mine.json")
    records = [json.dumps({"text": text}) for text in BROKEN]
    made = data(records, "my.jsonl", tokenizer=own if kind == "own" else kind, max_length=60)
    assert everything(made) == sorted(BROKEN)
    assert "Line breaks inside sentences: kept (in 20 sentences)." in made.summary


@pytest.mark.parametrize("kind", ["whitespace", "own"])
def test_line_breaks_become_blanks_where_they_cannot_be_kept(data, put, kind):
    own = put(tokenizer.trained("whitespace", iter([["def f(x): return 1"]]), 300), "mine.json")
    records = [json.dumps({"text": text}) for text in BROKEN]
    made = data(records, "my.jsonl", tokenizer=own if kind == "own" else kind)
    assert all("return" in text and "\n" not in text for text in everything(made))
    (said,) = (line for line in made.summary if "Line breaks" in line)
    assert said.endswith("blanks now, which data.tokenizer=char or bpe would keep as they are (in 20 sentences).")


def test_sentences_without_blanks_are_warned_of(data):
    lines = [f"{a}{b}{c}。" for a in "天地人" for b in "大小高" for c in "山水火风"]
    said = " ".join(data(lines).summary)
    assert "Warning: 30 of 30 training sentences are of one token each" in said
    assert "Give data.tokenizer=char" in said
    assert "data.vocabulary" not in said
    assert "data.min_count" not in said
    assert "of one token each" not in " ".join([*data(lines, tokenizer="char").summary, *data().summary])


def test_a_path_may_begin_at_home(data, put, tmp_path, monkeypatch):
    put(LINES)
    monkeypatch.setenv("HOME", str(tmp_path))
    own = put(tokenizer.trained("char", iter([LINES]), 100), "mine.json")
    assert everything(TextData("~/my.txt", tokenizer="~/mine.json", cache="~/cache")) == sorted(LINES)
    assert Path(own).parent == tmp_path


def test_several_files_and_patterns(put, tmp_path):
    put(LINES[:20], "part-1.txt")
    put(LINES[20:], "part-2.txt")
    room = {"tokenizer": "char", "cache": str(tmp_path / "cache")}
    assert everything(TextData(str(tmp_path / "part-*.txt"), **room)) == sorted(LINES)
    assert everything(TextData([str(tmp_path / f"part-{n}.txt") for n in (1, 2)], **room)) == sorted(LINES)


def test_files_of_their_own(data, put):
    made = data(valid_path=put(LINES[:10], "valid.txt"), test_path=put(LINES[5:20], "test.txt"))
    assert made.sizes == {"train": 36, "valid": 10, "test": 15}
    assert sorted(texts(made, "valid")) == sorted(LINES[:10])
    assert "10 of valid and 15 of test are among them" in " ".join(made.summary)


def test_the_first_sentences_of_a_sorted_file_are_any_of_them(data, put):
    lines = [f"{letter} {n}" for letter in "ab" for n in range(200)]
    made = data(lines, test_path=put(lines, "test.txt"), valid=100)
    for split in ("train", "valid", "test"):
        few = [text[0] for text in texts(made, split)[:40]]
        assert 10 < few.count("a") < 30, split
        assert made.sentences(split, 40).tokens.equal(made.sentences(split).tokens[:40])
    assert (
        data(lines, seed=1, valid=100).sentences("train", 9).tokens.tolist()
        != made.sentences("train", 9).tokens.tolist()
    )


def test_a_test_file_that_is_the_training_file_is_said(data, put):
    assert any("the test file is the training file" in line for line in data(test_path=put(LINES, "copy.txt")).summary)
