"""A world of two languages whose four tokens are written in two rounds, those of a round independent of one another.

Every sentence and every order is listed, so log G(x) and the JSD are exact.
"""

import itertools
from functools import cache

import pytest
import torch

from tests.helpers.playing import built
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch

WORDS, LENGTH, ROUNDS = 6, 4, 2
WORLD = ("data=mixture", f"data.oracle.vocab_size={WORDS}", "data.oracle.successors=2", f"data.oracle.length={LENGTH}")
WORLD += ("data.train=4000", "data.valid=100", "data.test=100", "check_size=200")
WORLD += ("model.generator.width=32", "model.generator.proposals=1")
WORLD += ("model.optim.pretrain.batch_size=256", "model.schedule.pretrain_steps=300", "model.schedule.patience=100")
GAME = ("model.schedule.discriminator_pretrain_steps=100", "model.schedule.adversarial_steps=100", "model.schedule.k=2")
GAME += ("model.optim.discriminator.batch_size=128", "model.optim.generator.batch_size=256")
GAME += ("model.discriminator.filters=[[1,32],[2,32],[3,32],[4,32]]",)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_shapes")]


@torch.no_grad()
def divergence(run):
    """JSD(P‖G) in nats, with ``ROUNDS`` rounds of writing, whatever the generator was trained with."""
    generator = run.system.eval().generator
    generator.steps = ROUNDS
    tokens = torch.tensor(list(itertools.product(range(WORDS), repeat=LENGTH)))
    batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    orders = torch.tensor(list(itertools.permutations(range(LENGTH)))) / LENGTH
    p = run.data.oracle.logp(batch, Categorical()).sum(1).double()
    g = generator.bound(batch, Categorical(), orders.expand(len(tokens), -1, -1)).double()  # all orders: log G itself
    torch.testing.assert_close(g.exp().sum().item(), 1.0, rtol=0, atol=1e-4)
    m = torch.logaddexp(p, g) - torch.tensor(2.0).log()
    return sum((each.exp() * (each - m)).sum().item() for each in (p, g)) / 2


@cache
def teacher():
    return divergence(built("model=masked_diffusion", *WORLD).fit())


def student(*overrides):
    return divergence(built("model=didi", f"model.generator.steps={ROUNDS}", *WORLD, *GAME, *overrides).fit())


def test_a_student_is_closer_to_the_data_than_its_teacher_hurried():
    assert student() < teacher() - 0.02


def test_one_whose_rewards_are_dealt_to_other_sentences_is_not():
    assert student("model/control=shuffled") > teacher() - 0.02
