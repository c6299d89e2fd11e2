import pytest

from tests.helpers.ngrams import ENDED, FIXED, batch, ended, lists, naive_copies
from textgan_lit.errors import UserError
from textgan_lit.metrics import novelty
from textgan_lit.metrics.novelty import Novelty
from textgan_lit.types import TextBatch


class Given:
    """A training set that counts how often it is asked for."""

    def __init__(self, text):
        self.text, self.asked = text, 0

    def __call__(self, split):
        self.asked += 1
        assert split == "train"
        if self.text is None:
            raise UserError("There is no training set to look at.")
        return self.text


def mean(numbers):
    return pytest.approx(sum(numbers) / len(numbers))


@pytest.mark.parametrize(("vocab", "as_it_is"), [(FIXED, lambda text: text), (ENDED, ended)])
def test_spans_and_whole_sentences_are_those_of_a_search(vocab, as_it_is):
    train, real, fake = (TextBatch(*batch(n, 6, 3)) for n in (30, 12, 10))
    given = Given(as_it_is(train))
    metric = Novelty(vocab, given, samples=8)
    assert given.asked == 0  # a constructor writes nothing
    for _ in range(2):
        found = metric.measure(as_it_is(real), as_it_is(fake))
    assert given.asked == 1
    for side, text in (("", fake), ("_real", real)):
        spans, wholes = naive_copies(lists(*text.first(8)), lists(*train))
        assert found.pop(f"quality/copied_30{side}") == mean(wholes)
        assert found.pop(f"quality/copied_span_30{side}") == mean(spans)
    assert not found


def test_what_was_learnt_by_heart():
    train, real = TextBatch(*batch(30, 6, 20, shortest=6)), TextBatch(*batch(30, 6, 20, shortest=6))
    found = Novelty(FIXED, Given(train)).measure(real, train)
    assert found["quality/copied_30"] == 1
    assert found["quality/copied_span_30"] == 6
    assert found["quality/copied_30_real"] == 0
    assert found["quality/copied_span_30_real"] < 4


def test_without_a_training_set_or_with_one_too_large_it_is_absent(monkeypatch):
    text = TextBatch(*batch(9, 6, 3))
    assert Novelty(FIXED, Given(None)).measure(text, text) == {}
    for most in (8, 9):
        monkeypatch.setattr(novelty, "MOST", most)
        assert (Novelty(FIXED, Given(text)).measure(text, text) == {}) == (most < 9)
