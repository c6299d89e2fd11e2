"""Every span looked for in every sentence says what is right."""

import time

import pytest
import torch

from tests.helpers.ngrams import batch, lists, naive_copies, written
from textgan_lit.functional.copying import Corpus


@pytest.mark.parametrize("tokens", [1, 2, 3, 20])
@pytest.mark.parametrize(
    ("size", "longest"), [((30, 20), (6, 6)), ((20, 30), (9, 4)), ((20, 8), (4, 9)), ((9, 9), (1, 1))]
)
def test_spans_are_those_of_a_search(tokens, size, longest):
    ours, theirs = (batch(n, most, tokens) for n, most in zip(size, longest, strict=True))
    found = Corpus(*theirs).copied(*ours)
    assert (found.span.tolist(), found.whole.tolist()) == naive_copies(lists(*ours), lists(*theirs))


def test_by_hand():
    corpus = Corpus(*written("abcd", "cdef", "x"))
    found = corpus.copied(*written("abcd", "bcde", "cdef", "bcd", "x", "y", "xx", "", "cd"))
    assert found.span.tolist() == [4, 3, 4, 3, 1, 0, 1, 0, 2]  # no span runs from one sentence into the next
    assert found.whole.tolist() == [True, False, True, False, True, False, False, False, False]


def test_a_corpus_copies_itself():
    tokens, mask = batch(50, 9, 4, shortest=1)
    found = Corpus(tokens, mask).copied(tokens, mask)
    assert found.whole.all()
    assert (found.span == mask.sum(1)).all()


def test_a_corpus_without_tokens_has_nothing_to_copy():
    none = torch.zeros(3, 4).long(), torch.zeros(3, 4).bool()
    assert Corpus(*none).copied(*batch(5, 4, 3)).span.tolist() == [0] * 5


def test_a_thousand_sentences_in_ten_thousand_take_about_a_second():
    tokens, mask = torch.randint(50, (11_000, 20)), torch.ones(11_000, 20).bool()
    since = time.process_time()
    found = Corpus(tokens[1000:], mask[1000:]).copied(tokens[:1000], mask[:1000])
    assert 2 < found.span.double().mean() < 6
    assert time.process_time() - since < 5  # measured: 0.2 on one thread; the machine may be busy


def distance(one, other):
    """Tokens to take out and to put in, by the table of all prefixes."""
    rows = [list(range(len(other) + 1))]
    for n, token in enumerate(one, 1):
        row = [n]
        for at, theirs in enumerate(other):
            row.append(rows[-1][at] if token == theirs else 1 + min(row[-1], rows[-1][at + 1]))
        rows.append(row)
    return rows[-1][-1]


@pytest.mark.parametrize("tokens", [1, 2, 20])
@pytest.mark.parametrize("longest", [(6, 6), (9, 4), (4, 9), (70, 75), (130, 30)])
def test_the_nearest_is_that_of_a_search_however_long_sentences_are(tokens, longest):
    ours, theirs = (batch(n, most, tokens) for n, most in zip((5, 20), longest, strict=True))
    found = Corpus(*theirs).nearest(*ours)
    for row, sentence, edits in zip(lists(*ours), *map(torch.Tensor.tolist, found), strict=True):
        all_of_them = [distance(row, one) for one in lists(*theirs)]
        assert (sentence, edits) == (all_of_them.index(min(all_of_them)), min(all_of_them))
