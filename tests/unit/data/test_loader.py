"""The training loader: a pure function of the batch number, wherever it starts and however many share it."""

import pytest
import torch

from textgan_lit.data.loader import ENDLESS, Endless, Fresh, InOrder, Sentences, Shuffled
from textgan_lit.data.tiny import Tiny
from textgan_lit.types import TextBatch

EVERYONE = slice(0, None, 1)
N, BATCH = 23, 5  # four batches an epoch; three sentences are left out


@pytest.fixture
def sentences():
    tokens = torch.arange(N).unsqueeze(1).repeat(1, 2)  # sentence i says "i i"
    return TextBatch(tokens, tokens >= 0)


def plan(share=EVERYONE, seed=0):
    return Shuffled(N, BATCH, share, "data", seed)


def take(loader, n):
    return [batch.tokens for _, batch in zip(range(n), loader, strict=False)]


def test_an_epoch_is_a_permutation():
    rows = [row for number in range(4) for row in plan()(number)]
    assert len(rows) == len(set(rows)) == 20
    assert set(rows) <= set(range(N))
    assert rows != sorted(rows)


def test_every_epoch_and_every_seed_shuffle_anew():
    deal = plan()
    epochs = [[row for number in range(4 * e, 4 * e + 4) for row in deal(number)] for e in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert set(epochs[0]) | set(epochs[1]) | set(epochs[2]) == set(range(N))  # the three left out change
    assert [row for number in range(4) for row in plan(seed=1)(number)] != epochs[0]


def test_a_batch_depends_on_its_number_alone():
    deal = plan()
    forward = [deal(number) for number in range(12)]
    assert [deal(number) for number in reversed(range(12))] == forward[::-1]


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_ranks_share_the_batch_that_one_process_would_have(ranks):
    shares = [plan(slice(rank, None, ranks)) for rank in range(ranks)]
    for number in range(9):
        whole = plan()(number)
        parts = [deal(number) for deal in shares]
        assert [parts[i % ranks][i // ranks] for i in range(BATCH)] == whole


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_loader_goes_on_with_the_next_batch(sentences, workers):
    uninterrupted = take(Endless(Sentences(sentences), plan()), 11)
    first = Endless(Sentences(sentences), plan(), workers=workers)
    before = take(first, 6)  # in mid-epoch; workers have prefetched more
    assert first.position == 6
    second = Endless(Sentences(sentences), plan(), first.position, workers)
    for got, wanted in zip(before + take(second, 5), uninterrupted, strict=True):
        assert got.equal(wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_fresh_sentences_resume_too(workers):
    def loader(position, workers):
        return Endless(Fresh(Tiny(), BATCH, EVERYONE, "data", 0), lambda number: [number], position, workers)

    uninterrupted = take(loader(0, 0), 6)
    for got, wanted in zip(take(loader(2, workers), 4), uninterrupted[2:], strict=True):
        assert got.equal(wanted)
    assert not uninterrupted[0].equal(uninterrupted[1])


def test_fresh_sentences_are_shared_among_ranks_as_well():
    whole = Fresh(Tiny(), BATCH, EVERYONE, "data", 0).__getitems__([7])
    for rank in range(2):
        part = Fresh(Tiny(), BATCH, slice(rank, None, 2), "data", 0).__getitems__([7])
        assert part.tokens.equal(whole.tokens[rank::2])


def test_the_epoch_never_ends_but_has_a_length(sentences):
    assert len(Endless(Sentences(sentences), plan())) == ENDLESS


def test_batches_are_sentences_with_their_masks(sentences):
    batch = next(iter(Endless(Sentences(sentences), plan())))
    assert isinstance(batch, TextBatch)
    assert (batch.tokens.shape, batch.mask.shape) == ((BATCH, 2), (BATCH, 2))
    assert batch.tokens[:, 0].tolist() == plan()(0)


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_leaves_torchs_global_stream_alone(sentences, workers):
    before = torch.get_rng_state()
    take(Endless(Sentences(sentences), plan(), workers=workers), 3)
    take(InOrder(sentences, 5, EVERYONE), 3)
    assert torch.get_rng_state().equal(before)


def test_evaluation_reads_every_sentence_once_in_order(sentences):
    loader = InOrder(sentences, 10, EVERYONE)
    for _ in range(2):  # and again from the start
        tokens = [batch.tokens for batch in loader]
        assert [len(part) for part in tokens] == [10, 10, 3]
        assert torch.cat(tokens).equal(sentences.tokens)
    assert len(loader) == 3


def test_evaluation_is_shared_batch_by_batch(sentences):
    parts = [[batch.tokens[:, 0].tolist() for batch in InOrder(sentences, 10, slice(rank, None, 2))] for rank in (0, 1)]
    assert parts[0][0] == [0, 2, 4, 6, 8]
    assert parts[1][1] == [11, 13, 15, 17, 19]
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(N))
