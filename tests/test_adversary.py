"""The discriminator's loss."""

from math import log

import pytest
import torch
from torch.testing import assert_close

from tests.enumeration import LENGTH, PARTS, fractions, jsd, listed, population
from textgan_lit.adversary import Minimax
from textgan_lit.discriminator.base import Discriminator
from textgan_lit.discriminator.oracle import Optimal
from textgan_lit.game import Game
from textgan_lit.generator.markov import Markov
from textgan_lit.noise import Noise
from textgan_lit.policy import Categorical
from textgan_lit.types import TextBatch, Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)  # a 0, b 1, eos 2, pad 4


class Table(Discriminator):
    """A score for every word, or for the first word of a sentence."""

    def __init__(self, of_words, scores="sentence"):
        super().__init__(VOCAB, 3)
        self.scores = scores
        self.of_words = torch.nn.Parameter(torch.tensor([*of_words, 77.0, 77.0]))  # bos, pad

    def forward(self, words, mask, density=None):
        return self.of_words[words if self.scores == "word" else words[:, 0]]


def game(discriminator, said):
    """G always says the same: the words ``said``, then eos."""
    generator = Markov(VOCAB, 3, positional=True)
    table = generator.table.weight.data.view(3, VOCAB.inputs, VOCAB.size)
    for position, word in enumerate([*said, VOCAB.eos]):
        table[position, :, word] = 1e4
    return Game(generator, discriminator, Categorical(), Noise(0, "adversary"))


def real(*rows):
    tokens = torch.tensor(rows)
    return TextBatch(tokens, tokens != VOCAB.pad)


def test_one_score_a_sentence_by_hand():
    # Real sentences begin with a, a and b; generated ones with b. D(a) = ¾, D(b) = ¼.
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0]), [1]), real([0, 2, 4], [0, 1, 2], [1, 2, 4]))
    wanted = 0.5 * (2 * log(4 / 3) + log(4)) / 3 + 0.5 * log(4 / 3)
    assert_close(outcome.loss.item(), wanted)
    assert_close(outcome.logs["accuracy"].item(), 0.5 * 2 / 3 + 0.5)
    assert_close(outcome.logs["bce"], outcome.loss.detach())


def test_one_score_a_word_is_a_mean_over_words_and_not_over_padding():
    # Real: "a b eos", "eos"; generated: "a eos" twice. D(a) = ¾, D(b) = ¼, D(eos) = ½; padding scores 77.
    outcome = Minimax()(game(Table([log(3), -log(3), 0.0], "word"), [0]), real([0, 1, 2], [2, 4, 4]))
    of_real = (log(4 / 3) + log(4) + 2 * log(2)) / 4
    of_fake = (log(4) + log(2)) / 2
    assert_close(outcome.loss.item(), 0.5 * of_real + 0.5 * of_fake)
    assert_close(outcome.logs["accuracy"].item(), 0.5 * 1 / 4 + 0.5 * 1 / 2)  # a score of exactly 0 says "generated"


@pytest.mark.parametrize("scores", ["sentence", "word"])
def test_padding_is_taught_nothing(scores):
    judge = Table([1.0, 2.0, 3.0], scores)
    Minimax()(game(judge, []), real([2, 4, 4], [0, 2, 4])).loss.backward()
    assert (judge.of_words.grad[3:] == 0).all()
    assert judge.of_words.grad[:3].abs().sum() > 0


def test_real_is_pulled_up_and_generated_is_pushed_down():
    judge = Table([0.0, 0.0, 0.0])
    Minimax()(game(judge, [1]), real([0, 2, 4])).loss.backward()
    assert judge.of_words.grad[:2].tolist() == [-0.25, 0.25]  # ½ (D − 1), ½ D at D = ½


class Even(Noise):
    """Takes every combination of fifths once: each sentence comes as often as it is probable."""

    def uniform(self, rows, *shape):
        return (torch.cartesian_prod(*[torch.arange(PARTS)] * LENGTH) + 0.5) / PARTS


@pytest.mark.parametrize("variable", [False, True], ids=["fixed", "eos"])
def test_the_best_d_loses_log_2_minus_the_divergence(variable):
    oracle, generator = fractions(1, variable), fractions(2, variable)
    judged = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Even("even"))
    world = listed(oracle, generator)
    best = log(2) - jsd(world.p, world.g)
    assert 0.1 < best < 0.65
    assert_close(Minimax()(judged, population(oracle)).loss.item(), best, rtol=0, atol=1e-5)
