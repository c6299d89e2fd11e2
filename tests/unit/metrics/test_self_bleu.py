import pytest
import torch

from tests.helpers.ngrams import ENDED, FIXED, batch, ended, lists, nltks_self
from textgan_lit.metrics.self_bleu import SelfBleu
from textgan_lit.types import TextBatch


def test_the_means_are_nltks_on_both_sides_at_one_size_and_eos_is_no_token():
    real, fake = TextBatch(*batch(14, 9, 4, shortest=4)), TextBatch(*batch(20, 8, 3, shortest=4))
    wanted = {
        f"quality/self_bleu4_12{side}": pytest.approx(
            torch.tensor(nltks_self(lists(*text.first(12)), (4,))).mean().item()
        )
        for side, text in (("", fake), ("_real", real))
    }
    assert SelfBleu(FIXED, [4], samples=12).measure(real, fake) == wanted
    assert SelfBleu(ENDED, [4], samples=12).measure(ended(real), ended(fake)) == wanted
    assert SelfBleu(FIXED, [2], samples=None).measure(real, fake).keys() == {
        "quality/self_bleu2_14",
        "quality/self_bleu2_14_real",
    }


def test_one_sentence_said_again_and_again_is_1_and_one_alone_is_no_number():
    real, (tokens, mask) = TextBatch(*batch(9, 6, 4, shortest=6)), batch(1, 6, 4, shortest=6)
    fake = TextBatch(tokens.repeat(9, 1), mask.repeat(9, 1))
    found = SelfBleu(FIXED, [4]).measure(real, fake)
    assert found["quality/self_bleu4_9"] == 1 > found["quality/self_bleu4_9_real"]
    assert SelfBleu(FIXED, [4]).measure(real, fake.first(1)) == {}
