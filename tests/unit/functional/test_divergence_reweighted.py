"""The divergence that is left after re-weighting, and its error."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import sem
from torch.testing import assert_close

from tests.helpers.enumeration import fractions, jsd, listed, population
from textgan_lit.functional import divergence
from textgan_lit.functional.divergence import (
    reweighted_jsd,
    unseen,
)

INF = math.inf


@pytest.fixture(params=[False, True], ids=["fixed", "eos"])
def populations(request):
    """log P/G of every sentence, as often as P and as G write it; without chance."""
    oracle, generator = (fractions(seed, request.param) for seed in (1, 2))
    world = listed(oracle, generator)
    ratio = (world.p / world.g).log()

    def of(model):
        tokens = population(model).tokens
        return ratio[(tokens.unsqueeze(1) == world.sentences.tokens).all(2).long().argmax(1)]

    return world, ratio, of(oracle), of(generator)


def test_at_the_best_score_nothing_is_left(populations):
    world, _, real, fake = populations
    value, error, effective = reweighted_jsd(real, real, fake, fake)
    assert abs(value.item()) < 1e-9
    assert_close(reweighted_jsd(real, real + 5.0, fake, fake + 5.0)[0].item(), value.item(), rtol=0, atol=1e-9)
    # 1 / E_G w² with w = P/G
    assert_close(effective.item(), 1 / (world.p**2 / world.g).sum().item(), rtol=1e-5, atol=0)
    assert error < 0.05


def test_without_a_score_all_is_left(populations):
    world, _, real, fake = populations
    zero = torch.zeros_like(real)
    value, _, effective = reweighted_jsd(real, zero, fake, zero)
    assert_close(value.item(), jsd(world.p, world.g), rtol=0, atol=1e-6)
    assert_close(value, (divergence.direct_jsd(real).mean() + divergence.direct_jsd(-fake).mean()) / 2)
    assert_close(effective.item(), 1.0)


def test_it_is_the_divergence_to_the_residual_model(populations):
    """P against G e^s / Z, for a score that is half right."""
    world, ratio, real, fake = populations
    q = world.g * (0.5 * ratio).exp()
    found, _, _ = reweighted_jsd(real, 0.5 * real, fake, 0.5 * fake)
    assert_close(found.item(), jsd(world.p, q / q.sum()), rtol=0, atol=1e-5)


def test_sentences_that_g_cannot_write_stay_lost():
    # half of P out of reach: JSD((½, ½), (0, 1)), whatever the score says
    real, fake = torch.tensor([INF, -math.log(2)] * 50), torch.full((100,), -math.log(2))
    wanted = jsd([0.5, 0.5], [0.0, 1.0])
    for score in (0.0, 3.0, INF):
        found = reweighted_jsd(real, torch.tensor([score, 0.0] * 50), fake, torch.zeros(100))[0]
        assert_close(found.item(), wanted)


def test_sentences_that_p_cannot_write_weigh_nothing_once_they_are_found_out():
    real, fake = torch.full((100,), math.log(2)), torch.tensor([-INF, math.log(2)] * 50)
    score = torch.tensor([-INF, 0.0] * 50)
    value, error, effective = reweighted_jsd(real, torch.zeros(100), fake, score)
    assert_close([value.item(), effective.item()], [0.0, 0.5])
    assert error.isfinite()


@pytest.mark.parametrize("populations", [False], indirect=True)
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_the_jackknife_error_is_the_spread_over_repeats(populations, share):
    _, _, real, fake = populations
    stream = torch.Generator().manual_seed(0)
    found = []
    for _ in range(150):
        some = [of[torch.randint(len(of), (400,), generator=stream)] for of in (real, fake)]
        found.append(torch.stack(reweighted_jsd(some[0], share * some[0], some[1], share * some[1])[:2]))
    values, errors = torch.stack(found).unbind(1)
    assert 0.7 < errors.square().mean().sqrt() / values.std() < 1.3


def test_the_jackknifes_factor_by_hand():
    # Without a score the number is a mean: of 20 pairs, one to a block, c = (a + b) / 2 with a and b what each adds.
    # A mean's jackknife is its own standard error, √(Σ (c − mean)² / 19 / 20): scipy's
    stream = np.random.default_rng(4)
    real, fake = stream.normal(1.0, 2.0, 20), stream.normal(-1.0, 2.0, 20)
    added = (2 * math.log(2) - np.log1p(np.exp(-real)) - np.log1p(np.exp(fake))) / 2
    zero = torch.zeros(20)
    value, error, _ = reweighted_jsd(torch.tensor(real), zero, torch.tensor(fake), zero)
    assert_close([value.item(), error.item()], [added.mean(), sem(added)], rtol=1e-12, atol=0)


def test_a_share_that_no_sample_has_is_unseen():
    # .2 of P that G writes e⁻⁹ times as often, so that no sample has it: at most 1 / (.2 e⁹) = .0006 of the samples are
    # left, and they say more than .4
    real, fake = torch.tensor([9.0] * 20 + [1.0, -1.0] * 40), torch.tensor([1.0, -1.0] * 50)
    assert unseen(real, fake) == 0.2
    assert unseen(fake, fake) == 0.0
    assert unseen(torch.tensor([INF, 0.0]), torch.tensor([0.0, -INF])) == 0.5
    assert reweighted_jsd(real, real, fake, fake)[2] > 0.4
