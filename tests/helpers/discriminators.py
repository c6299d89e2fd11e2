"""Every discriminator, small; and two players to tell apart."""

import pytest

from tests.helpers.worlds import LENGTH
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.empirical import Empirical
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.ranker import Ranker
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator.spectral import Spectral
from textgan_lit.model.discriminator.transformer import Transformer
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov

SMALL = {
    Conv: {"filters": [(1, 3), (2, 4), (3, 2)], "embedding": 3, "dropout": 0.5},
    Recurrent: {"embedding": 3, "hidden": 5, "dropout": 0.5},
    Transformer: {"width": 8, "heads": 2, "dropout": 0.5},
    Optimal: {},
    DensityAware: {},
    Spectral: {},
    Mediator: {},
    Empirical: {},
    Ranker: {},
}


@pytest.fixture
def real(vocab, unlike):
    """P: anything that writes; here with more memory than G has, and with parameters of its own."""
    return unlike(LSTM(vocab, LENGTH, embedding=3, hidden=5), seed=1)


@pytest.fixture
def fake(vocab, unlike):
    return unlike(Markov(vocab, LENGTH), seed=2)
