import pytest

from tests.helpers.ngrams import ENDED, FIXED, batch, ended, naive_jaccard, rows
from textgan_lit.metrics.ms_jaccard import MSJaccard
from textgan_lit.types import TextBatch


def test_half_of_the_real_sentences_are_beside_samples_and_beside_the_other_half():
    real, fake = TextBatch(*batch(20, 7, 4, shortest=5)), TextBatch(*batch(8, 7, 4, shortest=5))
    even, odd = rows(real, slice(0, 16, 2)), rows(real, slice(1, 16, 2))
    wanted = {
        f"quality/ms_jaccard{n}_8{side}": pytest.approx(naive_jaccard(even, other, n))
        for side, other in (("", fake), ("_real", odd))
        for n in (2, 5)
    }
    assert MSJaccard(FIXED, [2, 5]).measure(real, fake) == wanted
    assert MSJaccard(ENDED, [2, 5]).measure(ended(real), ended(fake)) == wanted


def test_one_sentence_is_1_and_what_nobody_is_long_enough_for_is_absent():
    tokens, mask = batch(1, 4, 4, shortest=4)
    real = TextBatch(tokens.repeat(6, 1), mask.repeat(6, 1))
    found = MSJaccard(FIXED, [2, 5]).measure(real, real)
    assert found == {"quality/ms_jaccard2_3": 1, "quality/ms_jaccard2_3_real": 1}
