"""What the audit compares with: D*, by the table of every sentence."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.audited import Players
from textgan_lit.audit.enumeration import Table, at_best
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.game import Game
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.noise import Noise

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def test_the_table_is_the_best_discriminator(players):
    enumeration = players.enumeration
    table = Table(enumeration.oracle, enumeration.generator, enumeration.policy, "sentence")
    best = Optimal(enumeration.oracle.vocab, 3, enumeration.oracle)
    game = Game(enumeration.generator, best, enumeration.policy, Noise(0))
    assert_close(table(*enumeration.sentences), game.score(*enumeration.sentences))
    assert table(*enumeration.sentences).std() > 0.3


def test_the_table_of_prefixes_is_the_sum_of_their_log_ratios(players):
    enumeration = players.enumeration
    table = Table(enumeration.oracle, enumeration.generator, enumeration.policy, "token")
    ratio = enumeration.oracle.logp(enumeration.sentences, Categorical()) - enumeration.logp().float()
    assert_close(table(*enumeration.sentences), ratio.cumsum(1) * enumeration.sentences.mask)
    assert not table(*enumeration.sentences).requires_grad


@pytest.mark.parametrize("scores", ["sentence", "token"])
def test_soft_tokens_lie_between_hard_ones(players, scores):
    enumeration = players.enumeration
    tokens, mask = enumeration.sentences
    table = Table(enumeration.oracle, enumeration.generator, enumeration.policy, scores)
    hard = torch.nn.functional.one_hot(tokens.masked_fill(~mask, 0), enumeration.oracle.vocab.size).float()
    hard = hard * mask.unsqueeze(2)
    assert_close(table(hard, mask), table(tokens, mask))
    # the last token is one of three at equal chances: the mean of three scores
    full = mask.all(1) & (tokens[:, -1] < 3)
    n = len(tokens[full]) // 3
    soft = hard[full].view(-1, 3, 3, enumeration.oracle.vocab.size).mean(1)
    scored = table(tokens[full], mask[full]).unflatten(0, (-1, 3))
    assert_close(table(soft, torch.ones(n, 3, dtype=torch.bool)), scored.mean(1))


class Mixing(Discriminator):
    """Made of a language model, as a mediator is."""

    needs_density = True

    def __init__(self, model):
        super().__init__(model.vocab, model.max_length)
        self.model = model

    def forward(self, tokens, mask, density=None):
        raise NotImplementedError


def test_a_discriminator_that_is_a_language_model_becomes_the_mixture(players):
    enumeration = players.enumeration
    best = at_best(enumeration, Mixing(players.generator), "sentence")
    found = best.model.logp(enumeration.sentences, Categorical()).double().sum(1).exp()
    g = enumeration.logp().sum(1).exp()
    assert_close(found, ((enumeration.p + g) / 2).detach(), rtol=1e-4, atol=1e-7)
    assert isinstance(at_best(enumeration, Optimal(players.oracle.vocab, 3, players.oracle), "sentence"), Table)


def test_a_world_that_cannot_be_listed_is_refused():
    with pytest.raises(UserError, match="TopK"):
        Players(variable=False, policy=TopK(2))
