"""How long sentences are, how many there are, and the batches they come in."""

import pytest
import torch

from tests.helpers.texts import LINES, take, texts
from textgan_lit.data.loader import Shuffled
from textgan_lit.errors import UserError
from textgan_lit.run import distributed


def test_a_cut_sentence_has_no_eos(data):
    made = data(max_length=3)
    row = made.sentences("train").tokens
    assert (row != made.vocab.pad).all()
    assert not (row == made.vocab.eos).any()
    assert "36 longer: cut" in made.summary[0]


def test_too_long_sentences_are_dropped_or_refused(data):
    made = data(max_length=4, too_long="drop", train=20)
    assert all(len(text.split()) == 3 for split in made.sizes for text in texts(made, split))
    assert "dropped" in made.summary[0]
    with pytest.raises(UserError, match="leaves no train sentence"):
        data(max_length=2, too_long="drop")


def test_the_first_sentence_that_is_too_long_is_named(data, put):
    lines = ["a b", "", *["b a"] * 30]
    long = put(["a b", "", "a b c d e", "b a", "a b a b"], "long.txt")
    room = {"too_long": "error", "max_length": 4}
    said = r"data\.max_length=4; nor do 1 more sentences\. Give data\.max_length=6, or data\.too_long=truncate or drop"
    with pytest.raises(UserError, match=rf"long\.txt, line 3, has 5 tokens.*{said}"):
        data(lines, test_path=long, test=4, **room)
    with pytest.raises(UserError, match=rf"long\.txt, line 3, has 5 tokens.*{said}"):
        data(lines, test_path=[put(lines, "short.txt"), long], **room)
    first = put(["a b c d e", "b a"], "first.txt")
    with pytest.raises(UserError, match=r"first\.txt, line 1, has 5 tokens"):
        data(lines, test_path=[put(lines, "short.txt"), first], **room)
    with pytest.raises(UserError, match=r"\.csv, line 32, has 4 tokens.*max_length=4\. Give data\.max_length=5"):
        data(["text", *["a b"] * 30, "a b c d"], "my.csv", train=27, valid=4, test=4, seed=1, **room)
    assert data(lines, **room).sizes["train"] == 25


def test_max_length_holds_every_training_sentence_but_the_longest(data):
    assert data([*["a b"] * 500, "a b " * 20], valid=4, test=4, seed=1).max_length == 41
    assert data(["a b " * 500] * 20).max_length == 256


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
    assert "10 sentences are too few for data.valid=256 and test=256: valid=4 and test=2 are held out." in made.summary
    assert "more than once" in " ".join(made.summary)


@pytest.mark.parametrize("n", range(10, 37))
def test_of_few_lines_most_are_learned_from(n, data):
    sizes = data(LINES[:n]).sizes
    assert sizes == {"train": n - 6, "valid": 4, "test": 2}


def test_duplicates_are_counted(data):
    made = data(LINES + LINES[:1] * 5, valid=4, test=4)
    train = texts(made, "train")
    assert f"{len(train) - len(set(train))} training sentences are repetitions" in made.summary[1]


def test_blank_lines_are_counted(data):
    assert "Blank lines left out: 3." in data(["", *LINES, " ", "\t"]).summary
    assert not any("Blank" in line for line in data().summary)


def test_too_much_for_memory_is_refused(data, monkeypatch):
    monkeypatch.setattr("textgan_lit.data.text.LARGEST", 100)
    with pytest.raises(UserError, match=r"whole train split.*Give data.train=20"):
        data().sentences("train")


def test_an_epoch_is_every_sentence_once(data):
    made = data(batch=10)
    epoch = torch.cat([batch.tokens for batch in take(made.train_dataloader(), 3)])
    assert sorted(epoch.tolist()) == sorted(made.sentences("train").tokens.tolist())


@pytest.mark.parametrize("bucket", [0, 3])
def test_two_processes_share_the_batches_of_one_wherever_they_begin(data, monkeypatch, bucket):
    alone = take(data(bucket=bucket).train_dataloader(), 8)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
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
