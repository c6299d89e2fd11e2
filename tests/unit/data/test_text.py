"""Sentences of files: what goes in comes out, whatever the file; what cannot be read is refused with its line."""

import hashlib
import json
import multiprocessing
import socket
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.helpers.playing import CONF
from textgan_lit import tokenizer
from textgan_lit.data import corpus, prepare
from textgan_lit.data.loader import Shuffled
from textgan_lit.data.text import TextData
from textgan_lit.errors import UserError
from textgan_lit.run import distributed

LINES = [
    f"{a} {b} {c}"
    for a in ("the", "a", "one")
    for b in ("cat", "dog", "bird")
    for c in ("sat", "ran", "flew", "ate now")
]
COCO = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_coco = pytest.mark.skipif(
    not (COCO / "image_coco_train.txt").is_file(), reason="Image COCO is not beside the checkout"
)


@pytest.fixture
def put(tmp_path):
    def write(content, name="my.txt"):
        path = tmp_path / name
        text = "\n".join(content) + "\n" if isinstance(content, list) else content
        raw = text if isinstance(text, bytes) else text.encode()
        if not path.exists() or path.read_bytes() != raw:  # else its date stays
            path.write_bytes(raw)
        return str(path)

    return write


@pytest.fixture
def data(tmp_path, put):
    def make(content=LINES, name="my.txt", batch=8, **options):
        return TextData(put(content, name), cache=str(tmp_path / "cache"), **options).with_batch(batch)

    return make


def texts(data, split):
    return [data.vocab.text(row) for row in data.sentences(split).tokens.tolist()]


def take(loader, n):
    return [batch for _, batch in zip(range(n), loader, strict=False)]


def everything(data):
    return sorted(text for split in data.sizes for text in texts(data, split))


# --- what goes in comes out ---------------------------------------------------------------------------------------


def test_every_line_is_in_one_split(data):
    assert data().sizes == {"train": 30, "valid": 4, "test": 2}
    assert everything(data(tokenizer="char")) == sorted(LINES)  # which knows every letter


def test_training_words_are_the_vocabulary(data):
    made = data()
    assert set(made.vocab.words) == {tokenizer.UNKNOWN} | {w for line in texts(made, "train") for w in line.split()}
    assert sorted(texts(made, "train")) == sorted(line for line in LINES if line in texts(made, "train"))


def test_sentences_end_with_eos_and_are_padded(data):
    made = data()
    tokens, mask = made.sentences("train")
    assert tokens.shape == (30, made.max_length) == (30, 5)  # four words and eos
    assert mask.equal(tokens != made.vocab.pad)
    for row, inside in zip(tokens.tolist(), mask.tolist(), strict=True):
        assert row.index(made.vocab.eos) == sum(inside) - 1


@pytest.mark.parametrize("kind", ["word", "char", "bpe", "unigram"])
@pytest.mark.parametrize("lines", [LINES, [f"{a}很{b}。" for a in "天地人山水火" for b in "大小高低好坏"]])
def test_a_tokenizer_gives_back_the_training_sentences(data, kind, lines):
    made = data(lines, tokenizer=kind, max_length=40, vocabulary=60)
    assert set(texts(made, "train")) <= set(lines)
    row = made.sentences("train").tokens[0].tolist()
    assert made.vocab.encode(made.vocab.text(row)) == row[: row.index(made.vocab.eos)]


def test_words_that_only_the_test_file_has_are_unknown(data, put):
    made = data(test_path=put(["zebra cat"] * 4, "test.txt"))
    assert set(texts(made, "test")) == {"<unk> cat"}
    assert "<unk>: 0.00% of train, 0.00% of valid, 50.00% of test." in made.story[1]


def test_an_unknown_word_that_no_training_sentence_teaches_is_said_once(data, put):
    held_out = put(["zebra cat"] * 4, "test.txt")

    lines = [*LINES, *(f"the {rare} sat" for rare in ("owl", "ox", "eel", "emu", "yak", "boa"))]

    def said(content=lines, test_path=held_out, **options):
        return [line for line in data(content, test_path=test_path, **options).story if "none of" in line]

    (line,) = said()
    assert "50.00% of test's words are <unk>, none of train's," in line
    assert "Give data.min_count=2" in line
    assert not said(min_count=2)  # an owl is <unk> in a training sentence
    assert "Give another data.tokenizer" in said(tokenizer="bpe")[0]
    assert not said(LINES, test_path=None)
    way = "Give more sentences, or data.tokenizer=bpe or char, whose words come more often."
    assert said(LINES[:10])[0].endswith(way)  # half of whose words come once, and would be <unk>
    letters = said(LINES, tokenizer="char", test_path=put(["ж"] * 4, "other.txt"))
    assert letters[0].endswith("Give more sentences.")  # there is no letter that comes once


def test_a_tokenizer_json_of_ones_own(data, put):
    spelling = tokenizer.trained("word", iter([["the cat sat"]]), 100)
    made = data(tokenizer=put(spelling, "mine.json"))
    assert set(made.vocab.words) == {"<unk>", "the", "cat", "sat"}
    assert any("<unk>" in text for text in texts(made, "train"))


def test_rare_words_and_small_vocabularies(data):
    many = ["a b"] * 20 + [f"a x{n}" for n in range(4)]
    assert set(data(many, min_count=2).vocab.words) == {"<unk>", "a", "b"}
    assert len(data(many, vocabulary=3).vocab.words) == 3


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


def test_words_that_look_like_nothing_stay(data, put):
    odd = ["None", "NA", "nan", "null", "12", "2024-01-02"]
    own = put(tokenizer.trained("char", iter([LINES + odd]), 100), "mine.json")
    made = data(["text", *LINES, *odd], "my.csv", tokenizer=own)
    assert everything(made) == sorted(LINES + odd)
    assert not any("Blank" in line for line in made.story)


BROKEN = [f"def f(x):\n    return {'x' * n}\n\n  # end" for n in range(20)]


@pytest.mark.parametrize("kind", ["char", "bpe", "own"])
def test_line_breaks_and_indentation_are_kept_where_they_can_be(data, put, kind):
    own = put(tokenizer.trained("bpe", iter([BROKEN]), 300), "mine.json")
    records = [json.dumps({"text": text}) for text in BROKEN]
    made = data(records, "my.jsonl", tokenizer=own if kind == "own" else kind, max_length=60)
    assert everything(made) == sorted(BROKEN)
    assert "Line breaks inside sentences: kept (in 20 sentences)." in made.story


@pytest.mark.parametrize("kind", ["word", "own"])
def test_line_breaks_become_blanks_where_they_cannot_be_kept(data, put, kind):
    own = put(tokenizer.trained("word", iter([["def f(x): return 1"]]), 300), "mine.json")
    records = [json.dumps({"text": text}) for text in BROKEN]
    made = data(records, "my.jsonl", tokenizer=own if kind == "own" else kind)
    assert all("return" in text and "\n" not in text for text in everything(made))
    (said,) = (line for line in made.story if "Line breaks" in line)
    assert said.endswith("blanks now, which data.tokenizer=char or bpe would keep as they are (in 20 sentences).")


def test_sentences_without_blanks_are_warned_of(data):
    lines = [f"{a}{b}{c}。" for a in "天地人" for b in "大小高" for c in "山水火风"]
    said = " ".join(data(lines).story)
    assert "Warning: 30 of 30 training sentences are of one word each" in said
    assert "Give data.tokenizer=char" in said
    assert "data.vocabulary" not in said
    assert "data.min_count" not in said
    assert "of one word each" not in " ".join([*data(lines, tokenizer="char").story, *data().story])


def test_a_path_may_begin_at_home(data, put, tmp_path, monkeypatch):
    put(LINES)
    monkeypatch.setenv("HOME", str(tmp_path))
    own = put(tokenizer.trained("char", iter([LINES]), 100), "mine.json")
    assert everything(TextData("~/my.txt", tokenizer="~/mine.json", cache="~/cache")) == sorted(LINES)
    assert Path(own).parent == tmp_path


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


def test_several_files_and_patterns(put, tmp_path):
    put(LINES[:20], "part-1.txt")
    put(LINES[20:], "part-2.txt")
    room = {"tokenizer": "char", "cache": str(tmp_path / "cache")}
    assert everything(TextData(str(tmp_path / "part-*.txt"), **room)) == sorted(LINES)
    assert everything(TextData([str(tmp_path / f"part-{n}.txt") for n in (1, 2)], **room)) == sorted(LINES)


def test_tables_of_another_version_of_the_library_are_made_anew(data, monkeypatch):
    first = data().prepared.tables["train"].cache_files[0]["filename"]
    monkeypatch.setattr(prepare, "version", lambda name: "0.1")
    other = data().prepared.tables["train"].cache_files[0]["filename"]
    assert first != other


def test_files_of_their_own(data, put):
    made = data(valid_path=put(LINES[:10], "valid.txt"), test_path=put(LINES[5:20], "test.txt"))
    assert made.sizes == {"train": 36, "valid": 10, "test": 15}
    assert sorted(texts(made, "valid")) == sorted(LINES[:10])
    assert "10 of valid and 15 of test are among them" in " ".join(made.story)


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
    assert any("the test file is the training file" in line for line in data(test_path=put(LINES, "copy.txt")).story)


def test_a_folder_laid_out_like_the_hubs(tmp_path, put, monkeypatch):
    (tmp_path / "set").mkdir()
    for split, lines in {"train": LINES, "validation": LINES[:8], "test": LINES[8:12]}.items():
        put("\n".join(json.dumps({"text": line}) for line in lines), f"set/{split}.jsonl")
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {"name": "~/set", "cache": str(tmp_path / "cache")}
    assert TextData(**given).sizes == {"train": 36, "valid": 8, "test": 4}
    put("\n".join(json.dumps({"text": line}) for line in LINES[8:14]), "set/test.jsonl")
    assert TextData(**given).sizes["test"] == 6
    with pytest.raises(UserError, match=r"split train of data\.name, row 1, has 3 words"):
        TextData(**given, max_length=3, too_long="error")


@needs_coco
def test_image_coco_is_known_by_its_checksum(tmp_path):
    train, test = (str(COCO / f"image_coco_{split}.txt") for split in ("train", "test"))
    with initialize_config_dir(str(CONF), version_base=None):
        words = ["data=coco", f"data.path={train}", f"data.test_path={test}", f"data.cache={tmp_path}"]
        settings = OmegaConf.to_container(compose("train", words).data)
    made = TextData(**{key: value for key, value in settings.items() if key != "_target_"})
    assert made.sizes == {"train": 9000, "valid": 1000, "test": 10_000}
    assert sum("COCO captions for " in line for line in made.story) == 2
    lines = {" ".join(line.split()) for line in Path(train).read_text().splitlines()}
    assert set(texts(made, "train")) <= lines


def test_another_version_of_a_benchmark_says_so(data):
    assert any("train: no version that is known here (sha256 " in line for line in data(versions={"0": "It"}).story)
    digest = hashlib.sha256(("\n".join(LINES) + "\n").encode()).hexdigest()
    assert f"train: It (sha256 {digest[:12]}…)." in data(versions={digest[:9]: "It"}).story
    assert not any("sha256" in line for line in data().story)


@pytest.mark.parametrize(
    "words", [["data=emnlp_news", "data.path=a.txt", "data.test_path=b.txt"], ["data=hub", "data.name=a/b"]]
)
def test_other_data_sets_compose_with_the_metrics_of_text(words):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("train", words)
        assert config.metrics == compose("train", ["metrics=text"]).metrics
    assert config.data._target_ == "textgan_lit.data.text.TextData"


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Nobody knows any address, nothing was had before, waiting takes no time: the addresses that were asked for."""
    import datasets

    asked = []

    def unknown(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    return asked


def test_a_hub_that_cannot_be_reached_says_so_after_one_question(tmp_path, no_network):
    said = r"data\.name=a/b cannot be had \(the Hub does not answer: .*not known\)\. Give .* a network .* or its folder"
    with pytest.raises(UserError, match=said):
        TextData(name="a/b", cache=str(tmp_path / "cache"))
    assert 1 <= len(no_network) <= 2  # a new huggingface_hub also looks for a list of its own; datasets asked 7 times
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_what_was_had_of_the_hub_before_needs_no_network(tmp_path, put, no_network):
    import datasets

    lines = put([json.dumps({"text": line}) for line in LINES], "lines.jsonl")
    datasets.load_dataset("json", data_files=lines, cache_dir=str(tmp_path / "had"))
    (table,) = (tmp_path / "had").rglob("json-train.arrow")
    room = tmp_path / "hub" / "a___b" / "default" / "0.0.0"  # as a dataset of the Hub lies there
    room.mkdir(parents=True)
    table.rename(table.with_name("b-train.arrow")).parent.rename(room / table.parent.name)
    assert TextData(name="a/b", cache=str(tmp_path / "cache")).sizes == {"train": 30, "valid": 4, "test": 2}
    assert 1 <= len(no_network) <= 2
    assert not datasets.config.HF_HUB_OFFLINE


def test_what_the_hub_answers_is_said(tmp_path, monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError("Dataset 'a/b' doesn't exist on the Hub")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: None)
    monkeypatch.setattr("datasets.load_dataset", absent)
    with pytest.raises(UserError, match=r"data\.name=a/b cannot be had \(Dataset 'a/b' doesn't exist on the Hub\)"):
        TextData(name="a/b", cache=str(tmp_path / "cache"))


# --- lengths and sizes --------------------------------------------------------------------------------------------


def test_a_cut_sentence_has_no_eos(data):
    made = data(max_length=3)
    row = made.sentences("train").tokens
    assert (row != made.vocab.pad).all()
    assert not (row == made.vocab.eos).any()
    assert "36 longer: cut" in made.story[0]


def test_too_long_sentences_are_dropped_or_refused(data):
    made = data(max_length=4, too_long="drop", train=20)
    assert all(len(text.split()) == 3 for split in made.sizes for text in texts(made, split))
    assert "dropped" in made.story[0]
    with pytest.raises(UserError, match="leaves no train sentence"):
        data(max_length=2, too_long="drop")


def test_the_first_sentence_that_is_too_long_is_named(data, put):
    lines = ["a b", "", *["b a"] * 30]
    long = put(["a b", "", "a b c d e", "b a", "a b a b"], "long.txt")
    room = {"too_long": "error", "max_length": 4}
    said = r"data\.max_length=4; nor do 1 more sentences\. Give data\.max_length=6, or data\.too_long=truncate or drop"
    with pytest.raises(UserError, match=rf"long\.txt, line 3, has 5 words.*{said}"):
        data(lines, test_path=long, test=4, **room)
    with pytest.raises(UserError, match=rf"long\.txt, line 3, has 5 words.*{said}"):
        data(lines, test_path=[put(lines, "short.txt"), long], **room)
    first = put(["a b c d e", "b a"], "first.txt")
    with pytest.raises(UserError, match=r"first\.txt, line 1, has 5 words"):
        data(lines, test_path=[put(lines, "short.txt"), first], **room)
    with pytest.raises(UserError, match=r"\.csv, line 32, has 4 words.*max_length=4\. Give data\.max_length=5"):
        data(["text", *["a b"] * 30, "a b c d"], "my.csv", train=27, valid=4, test=4, seed=1, **room)
    assert data(lines, **room).sizes["train"] == 25


def test_max_length_holds_every_training_sentence_but_the_longest(data):
    assert data([*["a b"] * 500, "a b " * 20], valid=4, test=4, seed=1).max_length == 41
    assert data(["a b " * 500] * 20).max_length == 100


def test_sizes_are_numbers_or_fractions(data):
    assert data(valid=5, test=0.25, train=7).sizes == {"train": 7, "valid": 5, "test": 9}
    options = {"valid": 5, "test": 0.25, "tokenizer": "char"}
    larger = texts(data(**options), "test")
    assert texts(data(**options, train=20), "test") == larger
    assert texts(data(**options, seed=1), "test") != larger


def test_ten_lines_are_enough(data):
    made = data(LINES[:10], batch=512, train=4096, valid=256, test=256)
    assert made.sizes == {"train": 4, "valid": 4, "test": 2}
    (batch,) = take(made.train_dataloader(), 1)
    assert len(batch.tokens) == 512
    assert len(batch.tokens.unique(dim=0)) == 4
    assert "10 sentences are too few for data.valid=256 and test=256: valid=4 and test=2 are held out." in made.story
    assert "more than once" in " ".join(made.story)


@pytest.mark.parametrize("n", range(10, 37))
def test_of_few_lines_most_are_learned_from(n, data):
    sizes = data(LINES[:n]).sizes
    assert sizes == {"train": n - 6, "valid": 4, "test": 2}


def test_duplicates_are_counted(data):
    made = data(LINES + LINES[:1] * 5, valid=4, test=4)
    train = texts(made, "train")
    assert f"{len(train) - len(set(train))} training sentences are repetitions" in made.story[1]


def test_blank_lines_are_counted(data):
    assert "Blank lines left out: 3." in data(["", *LINES, " ", "\t"]).story
    assert not any("Blank" in line for line in data().story)


def test_too_much_for_memory_is_refused(data, monkeypatch):
    monkeypatch.setattr("textgan_lit.data.text.LARGEST", 100)
    with pytest.raises(UserError, match=r"whole train split.*Give data.train=20"):
        data().sentences("train")


# --- batches ------------------------------------------------------------------------------------------------------


def test_an_epoch_is_every_sentence_once(data):
    made = data(batch=10)
    epoch = torch.cat([batch.tokens for batch in take(made.train_dataloader(), 3)])
    assert sorted(epoch.tolist()) == sorted(made.sentences("train").tokens.tolist())


@pytest.mark.parametrize("bucket", [0, 3])
def test_two_processes_share_the_batches_of_one_wherever_they_begin(data, monkeypatch, bucket):
    alone = take(data(bucket=bucket).train_dataloader(), 8)
    monkeypatch.setattr(distributed, "world", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        made = data(bucket=bucket)
        made.position = 2
        for whole, part in zip(alone[2:], take(made.train_dataloader(), 6), strict=True):
            assert part.tokens.equal(whole.tokens[rank::2])


def test_buckets_hold_the_same_sentences_in_less_room(data):
    lines = [" ".join("abcdefgh"[:n]) for n in (1, 2, 3, 4, 5, 6, 7, 8) for _ in range(8)]
    plain, made = data(lines), data(lines, bucket=6)
    batches, others = (take(some.train_dataloader(), 6) for some in (made, plain))
    short = [batch.tokens.shape[1] for batch in batches]
    assert sum(short) < 0.8 * sum(batch.tokens.shape[1] for batch in others)
    assert all(batch.mask.any(0)[-1] for batch in batches)  # no wider than its longest
    whole = [batch.padded(made.max_length, made.vocab.pad).tokens for batch in batches]
    assert sorted(torch.cat(whole).tolist()) == sorted(torch.cat([batch.tokens for batch in others]).tolist())
    assert short != sorted(short)  # shuffled
    assert any(batch.mask.sum(1).tolist() != sorted(batch.mask.sum(1).tolist()) for batch in batches)


def test_workers_give_the_same_batches(data):
    alone, helped = (take(data(workers=workers).train_dataloader(), 5) for workers in (0, 2))
    assert all(one.tokens.equal(other.tokens) for one, other in zip(alone, helped, strict=True))


def test_the_order_needs_no_list_of_all_rows():
    plan = Shuffled(10_000_000, 512, slice(None), "order")
    assert len(plan(3)) == 512
    assert plan.order.element_size() * len(plan.order) == 80_000_000


# --- the cache ----------------------------------------------------------------------------------------------------


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

    def counted(*words):
        with Path(cache, "times").open("a") as file:
            file.write("x")
        make(*words)

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


# --- what is refused ----------------------------------------------------------------------------------------------

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
    "one word": ("my.txt", b"a a\n" * 20, r"my\.txt: .* a single distinct word"),
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
    with pytest.raises(UserError, match="Give word, char, bpe, unigram, or the path"):
        data(tokenizer="words")
