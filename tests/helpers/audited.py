"""Players whose every sentence is listed, and the audit of one claim about them."""

from dataclasses import replace

import pytest
import torch

from textgan_lit.audit.enumeration import Enumeration, Table
from textgan_lit.audit.hypotheses import of_divergence
from textgan_lit.audit.measure import examine
from textgan_lit.data.tiny import Tiny
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical


class Players:
    """What the audit needs of a system: a generator that is neither untaught nor finished, and a policy."""

    def __init__(self, variable, policy=None):
        self.oracle = Tiny(vocab_size=3, length=3, variable=variable, seed=3)
        self.generator = Markov(self.oracle.vocab, 3, positional=True)
        stream = torch.Generator().manual_seed(1)
        self.generator.table.weight.data.normal_(0, 0.5, generator=stream)
        self.policy = policy or Categorical()
        self.enumeration = Enumeration(self.oracle, self)


@pytest.fixture(params=[pytest.param(False, id="fixed", marks=pytest.mark.slow), pytest.param(True, id="eos")])
def players(request):
    return Players(request.param)


def descends(objective, players, **changes):
    """The finding about an objective's own claim at D*."""
    enumeration = players.enumeration
    best = Table(enumeration.oracle, enumeration.generator, enumeration.policy, "sentence")
    objective.claim = replace(objective.claim, divergence=objective.claim.divergence or "JSD(P‖G)")
    hypothesis = of_divergence(objective, enumeration, best)
    settings = {"batches": 100, "batch": 32, "seed": 1} | changes
    return examine(hypothesis, enumeration, **settings)
