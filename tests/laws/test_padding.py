"""Padding never changes a loss: neither what stands there nor how much of it there is."""

from dataclasses import dataclass

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.model.baseline import BatchMean, LeaveOneOut, MovingAverage, Zero
from textgan_lit.model.credit import RewardToGo, Terminal
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator.transformer import Transformer
from textgan_lit.model.discriminator_loss import Minimax
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.objective import Likelihood
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import Probability
from textgan_lit.noise import Noise
from textgan_lit.types import Samples, TextBatch, Vocab

LENGTH = 6
VOCAB = Vocab(("a", "b", "c"), has_eos=True)
DISCRIMINATORS = [
    (Conv, {"filters": [(1, 3), (2, 4), (3, 4)], "embedding": 3}),
    (Recurrent, {"embedding": 3, "hidden": 5}),
    (Transformer, {"width": 8, "heads": 2}),
]


@dataclass(frozen=True)
class Told(Game):
    """Says what it is told to say."""

    said: TextBatch

    def sample(self, n):
        logp = self.generator.logp(self.said, self.policy).detach()
        return Samples(*self.said, logp, logp[:, :0])


@pytest.fixture
def short():
    """Sentences of one to four tokens, eos included, in six columns."""
    last, position = torch.arange(12).unsqueeze(1) % 4, torch.arange(LENGTH)
    tokens = torch.randint(0, 3, (12, LENGTH), generator=torch.Generator().manual_seed(1))
    tokens = tokens.where(position != last, VOCAB.eos).where(position <= last, VOCAB.pad)
    return TextBatch(tokens, tokens != VOCAB.pad)


@pytest.fixture(params=["other tokens", "fewer columns"])
def otherwise(request, short):
    """The same sentences, padded otherwise."""
    tokens, mask = short
    if request.param == "fewer columns":
        return TextBatch(tokens[:, :4], mask[:, :4])
    anything = torch.randint(0, VOCAB.inputs, tokens.shape, generator=torch.Generator().manual_seed(2))
    return TextBatch(tokens.where(mask, anything), mask)


@pytest.fixture
def generator(unlike):
    return unlike(LSTM(VOCAB, LENGTH, embedding=3, hidden=5), seed=3)


@pytest.fixture(params=DISCRIMINATORS, ids=lambda case: case[0].__name__)
def discriminator(request, unlike):
    kind, options = request.param
    return unlike(kind(VOCAB, LENGTH, **options), seed=4)


def loss_and_gradient(objective, player, game, batch):
    loss = objective(game, batch).loss
    return loss, *torch.autograd.grad(loss, list(player.parameters()))


def test_of_likelihood(generator, short, otherwise):
    game = Game(generator, None, Categorical(), Noise(0, "padding"))
    assert_close(*(loss_and_gradient(Likelihood(), generator, game, batch) for batch in (short, otherwise)))


def test_of_the_discriminator(generator, discriminator, short, otherwise):
    """Of real sentences, the first six, and of written ones, the others."""

    def played(batch):
        said = TextBatch(batch.tokens[6:], batch.mask[6:])
        game = Told(generator, discriminator, Categorical(), Noise(0, "padding"), said)
        return loss_and_gradient(Minimax(), discriminator, game, batch.first(6))

    assert_close(played(short), played(otherwise))


@pytest.mark.parametrize("baseline", [Zero, BatchMean, LeaveOneOut, MovingAverage])
def test_of_the_score_function(generator, discriminator, short, otherwise, baseline):
    for credit in [Terminal(), RewardToGo()][: 2 if discriminator.scores == "token" else 1]:
        played = [
            loss_and_gradient(
                ScoreFunction(Probability(), credit, baseline()),
                generator,
                Told(generator, discriminator, Categorical(), Noise(0, "padding"), said),
                said,
            )
            for said in (short, otherwise)
        ]
        assert_close(*played)
        assert played[0][1].abs().max() > 1e-4
