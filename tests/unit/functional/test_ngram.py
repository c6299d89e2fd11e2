"""NLTK's ``sentence_bleu`` and SacreBLEU say what is right, sentence by sentence; some numbers are counted by hand."""

import math

import pytest
import torch
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from sacrebleu.metrics import BLEU
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from tests.helpers.ngrams import ORDERS, batch, lists, nltks, nltks_self, written
from textgan_lit.functional.ngram import bleu, self_bleu


def same(found, wanted):
    assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("tokens", [1, 2, 4, 30])
@pytest.mark.parametrize(("longest", "references", "reference_longest"), [(9, 12, 9), (9, 3, 2), (2, 5, 12), (7, 1, 5)])
def test_bleu_is_nltks(tokens, longest, references, reference_longest):
    ours, theirs = batch(40, longest, tokens), batch(references, reference_longest, tokens)
    wanted = [nltks(one, lists(*theirs)) for one in lists(*ours)]
    same(bleu(*ours, *theirs, ORDERS), wanted)


@pytest.mark.parametrize("tokens", [1, 2, 4, 30])
@pytest.mark.parametrize(("sentences", "longest"), [(2, 6), (3, 9), (30, 9), (30, 2)])
def test_self_bleu_is_nltks_with_the_sentence_itself_left_out(tokens, sentences, longest):
    text = batch(sentences, longest, tokens)
    same(self_bleu(*text, ORDERS), nltks_self(lists(*text)))


def test_both_of_longer_sentences_are_nltks():
    text, more = batch(60, 25, 12, shortest=15), batch(50, 30, 12, shortest=10)
    same(bleu(*text, *more), [nltks(one, lists(*more), (2, 3, 4, 5)) for one in lists(*text)])
    same(self_bleu(*text), nltks_self(lists(*text), (2, 3, 4, 5)))


@pytest.mark.filterwarnings("ignore:\\s*The hypothesis contains 0 counts:UserWarning")  # NLTK's advice to smooth
def test_nothing_is_smoothed_where_nothing_is_asked_for():
    ours, theirs = batch(30, 9, 3), batch(20, 8, 3)
    said, plain = lists(*ours), SmoothingFunction().method0
    for found, others in (
        (bleu(*ours, *theirs, ORDERS, 0.0), [lists(*theirs)] * 30),
        (self_bleu(*ours, ORDERS, 0.0), [said[:at] + said[at + 1 :] for at in range(30)]),
    ):
        judged = zip(said, others, strict=True)
        same(found, [[sentence_bleu(refs, one, (1 / n,) * n, plain) for n in ORDERS] for one, refs in judged])


def test_bleu_is_sacrebleus_with_a_floor():
    ours, theirs = batch(30, 12, 6, shortest=5), batch(20, 12, 6, shortest=5)  # shorter ones are scored otherwise there
    texts, references = ([" ".join(map(str, row)) for row in lists(*text)] for text in (ours, theirs))
    for n in (2, 4, 5):
        judge = BLEU(max_ngram_order=n, smooth_method="floor", smooth_value=0.1, tokenize="none")
        same(bleu(*ours, *theirs, (n,)), [[judge.sentence_score(text, references).score / 100] for text in texts])


@pytest.mark.parametrize(
    ("sentence", "references", "wanted"),
    [
        ("ttttttt", ["tciotm", "hiacotm"], [2 / 7, math.sqrt(2 / 7 * 0.1 / 6)]),  # the "the the the …" of the paper
        ("aab", ["aac", "axb"], [1.0, math.sqrt(1 / 2)]),  # one reference has the a's, another the b
        ("aa", ["ab", "ac"], [1 / 2, math.sqrt(1 / 2 * 0.1)]),  # two references with one a each are not two a's
        ("ab", ["a", "aby"], [1.0, 1.0]),  # 1 and 3 are equally close to 2: the shorter one, so no penalty
        ("ab", ["abyz"], [math.exp(-1), math.exp(-1)]),
        ("a", ["a"], [1.0, math.sqrt(0.1)]),  # no bigram: .1 of one
        ("ab", ["ba"], [1.0, math.sqrt(0.1)]),
        ("ab", ["yz", "zyy"], [0.0, 0.0]),
        ("", ["yz", ""], [0.0, 0.0]),
        ("ab", [""], [0.0, 0.0]),
    ],
)
def test_bleu_by_hand(sentence, references, wanted):
    same(bleu(*written(sentence), *written(*references), (1, 2)), [wanted])


def test_self_bleu_by_hand():
    # "aaa" has most a's and is judged by the 2 of "aab"; the others are judged by "aaa"
    same(self_bleu(*written("aaa", "aab", "acd"), (1,)), [[2 / 3], [2 / 3], [1 / 3]])
    same(self_bleu(*written("abc", "xyz", "abc"), (1, 3)), [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    # the closest other length is 4 for each
    same(self_bleu(*written("aa", "aaaa", "aaaa"), (2,)), [[math.exp(-1)], [1.0], [1.0]])
    # 3 is as close to 1 as to 5: the shorter one, so no penalty
    same(self_bleu(*written("a", "aaa", "aaaaa"), (1,)), [[math.exp(-2)], [1.0], [3 / 5]])


def test_order_and_repetition_of_references_do_not_matter():
    ours, (tokens, mask) = batch(30, 9, 3), batch(20, 8, 3)
    found = bleu(*ours, tokens, mask)
    shuffled = torch.randperm(20).repeat(2)
    assert_close(bleu(*ours, tokens[shuffled], mask[shuffled]), found, rtol=0, atol=0)


def test_sentences_do_not_see_each_other():
    (tokens, mask), theirs = batch(30, 9, 3), batch(20, 8, 3)
    found = bleu(tokens, mask, *theirs)
    alone = [bleu(tokens[i : i + 1], mask[i : i + 1], *theirs) for i in range(30)]
    assert_close(torch.cat(alone), found, rtol=0, atol=0)
    shuffled = torch.randperm(30)
    assert_close(self_bleu(tokens[shuffled], mask[shuffled]), self_bleu(tokens, mask)[shuffled], rtol=0, atol=0)


def test_which_number_a_token_has_does_not_matter():
    (tokens, mask), (others, other_mask) = batch(30, 9, 3), batch(20, 8, 3)
    renamed = torch.tensor([torch.iinfo(torch.long).max, -7, 0])
    found = bleu(renamed[tokens], mask, renamed[others], other_mask)
    assert_close(found, bleu(tokens.int(), mask, others, other_mask), rtol=0, atol=0)


def test_columns_are_the_orders_asked_for():
    ours, theirs = batch(30, 9, 3), batch(20, 8, 3)
    columns = [0, 3, 1]
    assert_close(bleu(*ours, *theirs, (1, 4, 2)), bleu(*ours, *theirs, ORDERS)[:, columns], rtol=0, atol=0)
    assert_close(self_bleu(*ours, (1, 4, 2)), self_bleu(*ours, ORDERS)[:, columns], rtol=0, atol=0)


def test_nothing_to_judge_is_no_mistake():
    none = torch.zeros(0, 4).long(), torch.zeros(0, 4).bool()
    assert bleu(*none, *batch(4, 4, 3)).shape == self_bleu(*none).shape == (0, 4)


def test_nothing_to_judge_by_is_refused():
    tokens, mask = batch(4, 4, 3)
    with pytest.raises(ValueError, match="at least one reference"):
        bleu(tokens, mask, tokens[:0], mask[:0])
    with pytest.raises(ValueError, match="at least two sentences"):
        self_bleu(tokens[:1], mask[:1])


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor holds that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.numel())
        return made


def test_no_tensor_is_larger_than_the_text():
    ours, theirs = batch(300, 5, 9), batch(400, 5, 9)
    with Largest() as largest:
        bleu(*ours, *theirs)
        self_bleu(*ours)
    assert 300 < largest.numbers <= 700 * 5  # a matrix of all pairs would have 120,000
