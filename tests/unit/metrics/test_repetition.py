import pytest

from tests.helpers.ngrams import ENDED, FIXED, batch, ended, lists, written
from textgan_lit.metrics.repetition import Repetition
from textgan_lit.types import TextBatch


def naive_stutter(text, n):
    said = lists(*text)
    return sum(
        any(row[i : i + n] == row[i + n : i + 2 * n] for i in range(len(row) - 2 * n + 1)) for row in said
    ) / len(said)


def naive_repeats(text, n):
    grams = [[tuple(row[i : i + n]) for i in range(len(row) - n + 1)] for row in lists(*text)]
    shares = [1 - len(set(one)) / len(one) for one in grams if one]
    return sum(shares) / len(shares)


@pytest.mark.parametrize(("vocab", "as_it_is"), [(FIXED, lambda text: text), (ENDED, ended)])
def test_the_shares_are_those_of_lists(vocab, as_it_is):
    real, fake = TextBatch(*batch(30, 9, 4)), TextBatch(*batch(40, 8, 2))
    found = Repetition(vocab, [1, 2, 3], [1, 2, 3]).measure(as_it_is(real), as_it_is(fake))
    for side, text in (("", fake), ("_real", real)):
        for n in (1, 2, 3):
            assert found.pop(f"quality/stutter{n}{side}") == naive_stutter(text, n)
            assert found.pop(f"quality/repeats{n}{side}") == pytest.approx(naive_repeats(text, n))
    assert not found


def test_by_hand():
    fake = TextBatch(*written("abab", "aabc", "abca", "ab"))
    found = Repetition(FIXED, [1, 2], [1, 2]).measure(fake, TextBatch(fake.tokens % 97, fake.mask))
    assert found["quality/stutter1"] == 1 / 4
    assert found["quality/stutter2"] == 1 / 4
    assert found["quality/repeats1"] == (1 / 2 + 1 / 4 + 1 / 4 + 0) / 4
    assert found["quality/repeats2"] == pytest.approx(1 / 3 / 4)


def test_what_no_sentence_is_long_enough_for_is_absent():
    text = TextBatch(*batch(9, 3, 4, shortest=3))
    found = Repetition(FIXED, [1, 2], [3, 4]).measure(text, text)
    assert found.keys() == {"quality/stutter1", "quality/stutter1_real", "quality/repeats3", "quality/repeats3_real"}
