import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from tests.helpers.ngrams import ENDED, FIXED, batch, ended, lists
from textgan_lit.metrics.bleu import Bleu
from textgan_lit.types import TextBatch


def nltks(fake, real, n, smooth):
    scores = [sentence_bleu(lists(*real), one, (1 / n,) * n, smooth) for one in lists(*fake)]
    return sum(scores) / len(scores)


def test_the_means_are_nltks_and_eos_is_no_token():
    real, fake = TextBatch(*batch(20, 9, 4, shortest=4)), TextBatch(*batch(12, 8, 4, shortest=4))
    smooth = SmoothingFunction().method1
    wanted = {f"quality/bleu{n}_20": pytest.approx(nltks(fake, real, n, smooth)) for n in (2, 4)}
    assert Bleu(FIXED, [2, 4]).measure(real, fake) == wanted
    assert Bleu(ENDED, [2, 4]).measure(ended(real), ended(fake)) == wanted
    assert Bleu(FIXED, [2, 4]).measure(ended(real), ended(fake)) != wanted


@pytest.mark.filterwarnings("ignore:\\s*The hypothesis contains 0 counts:UserWarning")
def test_the_name_says_how_many_references_and_which_smoothing():
    real, fake = TextBatch(*batch(20, 9, 4, shortest=4)), TextBatch(*batch(12, 8, 4, shortest=4))
    found = Bleu(FIXED, [4], references=7, samples=5, smoothing="none").measure(real, fake)
    wanted = nltks(fake.first(5), real.first(7), 4, SmoothingFunction().method0)
    assert found == {"quality/bleu4_7_unsmoothed": pytest.approx(wanted)}


def test_batches_and_processes_do_not_matter():
    real, fake = TextBatch(*batch(20, 9, 4)), TextBatch(*batch(20, 9, 4))
    whole, parts = Bleu(FIXED, samples=15), Bleu(FIXED, samples=15)
    whole.update(real, fake)
    for row in (slice(0, 9), slice(9, 20)):
        parts.update(*(TextBatch(side.tokens[row], side.mask[row]) for side in (real, fake)))
    assert whole.compute() == parts.compute()
