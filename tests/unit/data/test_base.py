"""The loaders that a data module of one's own has without writing one: resumed, shared, and of any batch."""

from typing import final

import pytest
import torch

from tests.helpers.texts import take
from textgan_lit import DataModule
from textgan_lit.run import distributed
from textgan_lit.types import TextBatch, Vocab

VOCAB = Vocab(("a", "b", "c"))


@final
class Numbered(DataModule):
    """Sentences of two tokens that count up."""

    def __init__(self, train=9, **options):
        super().__init__(VOCAB, 2, {"train": train, "valid": 4, "test": 4}, **options)

    def sentences(self, split):
        tokens = torch.cartesian_prod(torch.arange(3), torch.arange(3))[: self.sizes[split]]
        return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def batches(data, n=7):
    return [batch.tokens for batch in take(data.train_dataloader(), n)]


def test_a_resumed_run_goes_on_with_the_very_next_batch():
    whole, resumed = Numbered().with_batch(4), Numbered().with_batch(4)
    resumed.position = 3
    assert all(map(torch.equal, batches(whole)[3:], batches(resumed, 4)))
    assert len({tuple(batch.flatten().tolist()) for batch in batches(whole)}) > 4


def test_two_processes_share_every_batch(monkeypatch):
    whole = batches(Numbered().with_batch(4))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        data = Numbered().with_batch(4)
        assert all(map(torch.equal, [batch[rank::2] for batch in whole], batches(data)))
        (valid,) = data.val_dataloader()
        assert valid.tokens.equal(data.sentences("valid").tokens[rank::2])


def test_a_batch_larger_than_there_are_sentences_repeats_them():
    assert len(batches(Numbered(train=3).with_batch(5), 1)[0]) == 5


def test_the_batch_is_told_first():
    with pytest.raises(RuntimeError, match=r"Numbered\.with_batch\(n\) comes before"):
        Numbered().train_dataloader()
