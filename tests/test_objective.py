"""Losses that need no discriminator."""

from math import log

import torch
from torch.testing import assert_close

from textgan_lit.data.tiny import Tiny
from textgan_lit.game import Game
from textgan_lit.generator.markov import Markov
from textgan_lit.noise import Noise
from textgan_lit.objective import Likelihood
from textgan_lit.policy import Categorical
from textgan_lit.types import TextBatch, Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)


def game(generator, policy=None):
    return Game(generator, None, policy or Categorical(), Noise(0, "objective"))


def test_likelihood_is_total_nats_per_total_words():
    # After bos: a ½, b ¼, eos ¼; after a: b ⅛, eos ⅞.  "a eos" and "a b b" would take b after b; leave it at ⅓.
    generator = Markov(VOCAB, 3)
    rows = {VOCAB.bos: [1 / 2, 1 / 4, 1 / 4], 0: [1e-30, 1 / 8, 7 / 8]}
    for row, probabilities in rows.items():
        generator.table.weight.data[row] = torch.tensor(probabilities).log()
    tokens = torch.tensor([[0, 2, 4], [0, 1, 1]])
    outcome = Likelihood()(game(generator), TextBatch(tokens, tokens != VOCAB.pad))
    nats = (log(2) + log(8 / 7)) + (log(2) + log(8) + log(3))
    assert_close(outcome.loss.item(), nats / 5)  # five words, eos among them
    assert_close(outcome.logs["nll"], outcome.loss.detach())
    assert not outcome.logs["nll"].requires_grad


def test_likelihood_is_that_of_the_network_under_its_policy():
    generator = Markov(VOCAB, 1)
    generator.table.weight.data[VOCAB.bos] = torch.tensor([0.0, log(2), -1e4])
    batch = TextBatch(torch.tensor([[1]]), torch.tensor([[True]]))
    # 1 : 2 at temperature 1, 1 : 4 at temperature ½
    assert_close(Likelihood()(game(generator), batch).loss.item(), log(3 / 2))
    assert_close(Likelihood()(game(generator, Categorical(0.5)), batch).loss.item(), log(5 / 4))


def test_at_the_data_distribution_the_likelihood_stands_still():
    # G = P on a world that a bigram table can hold: over P itself the gradient of the NLL is 0.
    oracle = Tiny(words=2, length=2, seed=5)
    generator = Markov(oracle.vocab, 2)
    generator.table.weight.data[[oracle.vocab.bos, 0, 1]] = oracle.table
    tokens = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    weight = oracle.logp(batch, Categorical()).sum(1).exp()
    loss = sum(
        w * Likelihood()(game(generator), TextBatch(*(x[i : i + 1] for x in batch))).loss for i, w in enumerate(weight)
    )
    (gradient,) = torch.autograd.grad(loss, generator.table.weight)
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-6)
