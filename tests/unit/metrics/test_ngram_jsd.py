import pytest

from tests.helpers.ngrams import batch, ended, rows, scipys
from textgan_lit.metrics.ngram_jsd import NgramJSD
from textgan_lit.types import TextBatch


def test_half_of_the_real_sentences_are_beside_samples_and_beside_the_other_half():
    real, fake = TextBatch(*batch(21, 7, 4, shortest=3)), TextBatch(*batch(30, 7, 4, shortest=3))
    even, odd = rows(real, slice(0, 20, 2)), rows(real, slice(1, 20, 2))
    assert NgramJSD([1, 3]).measure(real, fake) == {
        f"quality/ngram_jsd{n}_10{side}": pytest.approx(scipys(even, other, n))
        for side, other in (("", fake.first(10)), ("_real", odd))
        for n in (1, 3)
    }


def test_how_sentences_end_counts():
    real = ended(TextBatch(*batch(40, 7, 1, shortest=7)))
    fake = ended(TextBatch(*batch(40, 7, 1, shortest=1)))  # the same token, but fewer of it before the end
    found = NgramJSD([1]).measure(real, fake)
    assert found["quality/ngram_jsd1_20"] > found["quality/ngram_jsd1_20_real"] == 0


def test_what_cannot_be_measured_is_absent():
    real = TextBatch(*batch(8, 2, 3, shortest=2))
    assert NgramJSD([2, 3]).measure(real, real).keys() == {"quality/ngram_jsd2_4", "quality/ngram_jsd2_4_real"}
    assert NgramJSD([2]).measure(real.first(1), real) == {}
