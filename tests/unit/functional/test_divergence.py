"""Every expectation here is a sum over all sentences of a small world."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, rel_entr
from scipy.stats import entropy
from torch.testing import assert_close

from tests.helpers.enumeration import after_prefixes, fractions, jsd, kl, listed, prefix_jsd
from textgan_lit.data.tiny import OneSentence, Tiny
from textgan_lit.functional import divergence
from textgan_lit.functional.divergence import (
    LOG2,
    before,
    binary_entropy,
    compare,
    conditionals,
    direct_jsd,
    exposure_error,
    horizon,
    prefix_log_ratio,
    regret,
)
from textgan_lit.model.policy import Greedy, TopK

INF = math.inf


@pytest.fixture(params=["fixed", "eos"])
def world(request):
    """P and G with a distribution of their own after every prefix: 4³ = 64 or 1 + 4 + 16 + 64 = 85 sentences."""
    variable = request.param == "eos"
    return listed(*(Tiny(vocab_size=4, length=3, variable=variable, sharpness=2.0, seed=seed) for seed in (1, 2)))


def along(world):
    return compare(world.p_logits, world.g_logits, *world.sentences)


def expected(weight, value):
    """E of one number a sentence, or of one a sentence and position; what has probability 0 does not count."""
    return torch.einsum("b...,b->...", value[weight > 0].double(), weight[weight > 0])


def chain_rule(world, terms):
    return (expected(world.p, terms) + expected(world.g, terms)) / 2


def distributions(n=50, size=6, seed=0):
    """Pairs of distributions with zeros here and there (never everywhere), for scipy."""
    random = np.random.default_rng(seed)
    drawn = random.dirichlet(np.full(size, 0.5), (2, n)) * (random.random((2, n, size)) < 0.9)
    drawn[..., 0] += 0.1
    return drawn / drawn.sum(-1, keepdims=True)


def logs(p, g):
    return torch.from_numpy(p).log(), torch.from_numpy(g).log()


def test_direct_jsd_is_the_jsd_of_every_prefix(world):
    ratio = along(world).ratio
    found = (expected(world.p, direct_jsd(ratio)) + expected(world.g, direct_jsd(-ratio))) / 2
    assert_close(found.tolist(), prefix_jsd(world))
    assert_close(found[-1].item(), jsd(world.p, world.g))


def test_chain_rule_terms_add_up_to_the_jsd_of_every_prefix(world):
    found = chain_rule(world, along(world).at.information)
    assert_close(found.cumsum(0).tolist(), prefix_jsd(world))


def test_an_even_posterior_would_be_noticed():
    # the common mistake, w = 1/2 after every prefix: here the truth is .48, and "JSD" comes out above log 2
    world = listed(*(Tiny(vocab_size=2, length=8, sharpness=1.0, seed=seed) for seed in (1, 2)))
    even = torch.zeros_like(along(world).ratio)
    wrong = conditionals(world.p_logits.log_softmax(-1), world.g_logits.log_softmax(-1), even)
    assert chain_rule(world, wrong.information).sum() > LOG2 > jsd(world.p, world.g) + 0.1


def test_kl_chain_rules(world):
    at = along(world).at
    assert_close(expected(world.p, at.kl_pg).sum().item(), kl(world.p, world.g))
    assert_close(expected(world.g, at.kl_gp).sum().item(), kl(world.g, world.p))


def test_entropies_of_tokens_add_up_to_the_entropy_of_sentences(world):
    at = along(world).at
    assert_close(expected(world.p, at.entropy_p).sum().item(), float(entropy(world.p)))
    assert_close(expected(world.g, at.entropy_g).sum().item(), float(entropy(world.g)))


def test_conditionals_are_those_of_the_listed_prefixes(world):
    at = along(world).at
    for position in range(3):
        prefixes = after_prefixes(world, position)
        tv = sum(p * (pt / p - gt / g).abs().sum() / 2 for p, g, pt, gt in prefixes)
        assert_close(expected(world.p, at.tv)[position].item(), float(tv))


def test_each_divergence_is_scipys():
    p, g = distributions()
    prior = np.linspace(-8, 8, len(p))
    w = expit(prior)
    both = entropy(w[:, None] * p + (1 - w[:, None]) * g, axis=-1)
    wanted = {
        "kl_pg": rel_entr(p, g).sum(-1),
        "kl_gp": rel_entr(g, p).sum(-1),
        "tv": np.abs(p - g).sum(-1) / 2,
        "entropy_p": entropy(p, axis=-1),
        "entropy_g": entropy(g, axis=-1),
        "information": both - w * entropy(p, axis=-1) - (1 - w) * entropy(g, axis=-1),
    }
    assert 0 < np.isinf(wanted["kl_pg"]).sum() < len(p)  # some tokens are impossible under one alone
    found = conditionals(*logs(p, g), torch.from_numpy(prior))
    assert_close(found._asdict(), {name: torch.from_numpy(value) for name, value in wanted.items()})


def test_single_precision_is_enough_near_a_settled_posterior():
    # H(wP + (1-w)G) - w H(P) - (1-w) H(G) is 1e-8 here while each H is about 1: in that form float32 finds noise
    p_logp, g_logp = logs(*distributions(seed=1))
    prior = torch.full((len(p_logp),), -19.0).double()
    exact = conditionals(p_logp, g_logp, prior).information
    assert 1e-10 < exact.mean() < 1e-6
    single = conditionals(p_logp.float(), g_logp.float(), prior).information
    assert_close(single.double(), exact, rtol=1e-4, atol=1e-13)


def test_binary_entropy_is_scipys():
    chance = torch.tensor([1e-9, 0.1, 0.5, 0.8, 1 - 1e-9]).double()
    wanted = entropy(torch.stack([chance, 1 - chance]), axis=0)
    assert_close(binary_entropy(chance.logit()), torch.as_tensor(wanted))
    assert (binary_entropy(torch.tensor([-INF, INF])) < 1e-20).all()


def test_prefix_ratios_by_hand():
    # the data cannot go on after token 1 (and says NaN after token 2); the generator after token 2; then both
    p = torch.tensor([[-1.0, -INF, torch.nan], [-1.0, -1.0, -1.0], [-INF, -1.0, -2.0]])
    g = torch.tensor([[-2.0, -2.0, -2.0], [-2.0, -INF, -1.0], [-1.0, -INF, -2.0]])
    found = prefix_log_ratio(p, g, torch.ones(3, 3, dtype=torch.bool))
    wanted = [[1.0, -INF, -INF], [1.0, INF, INF], [-INF, 0.0, 0.0]]
    assert found.tolist() == wanted
    assert before(found).tolist() == [[0.0, *row[:2]] for row in wanted]


def test_padding_changes_nothing(world):
    tokens, mask = world.sentences
    junk = torch.where(mask, 0.0, torch.nan).unsqueeze(-1)
    noisy = compare(world.p_logits + junk, world.g_logits - junk, tokens.where(mask, torch.tensor(99)), mask)
    clean = along(world)
    assert_close(noisy, clean)
    assert all((value[~mask] == 0).all() for value in clean.at)


def test_blocks_change_nothing(world, monkeypatch):
    whole = along(world)
    monkeypatch.setattr(divergence, "BLOCK", 30)  # two sentences at a time
    assert_close(along(world), whole)


def test_single_precision_agrees_with_double(world):
    single = compare(world.p_logits.float(), world.g_logits.float(), *world.sentences)
    assert_close(single, along(world), rtol=1e-5, atol=1e-5)


def test_regret_is_the_difference_of_two_losses(world):
    ratio, score = along(world).ratio[:, -1], torch.randn(len(world.p)).double() * 3

    def bce(logit):
        soft = torch.nn.functional.softplus
        return (world.p @ soft(-logit) + world.g @ soft(logit)) / 2

    found = (expected(world.p, regret(ratio, score)) + expected(world.g, regret(ratio, score))) / 2
    assert_close(found, bce(score) - bce(ratio))
    assert_close(bce(ratio).item(), LOG2 - jsd(world.p, world.g))
    assert (regret(ratio, score) >= 0).all()
    assert regret(ratio, ratio).abs().max() < 1e-12


def test_regret_where_either_is_certain():
    certain = torch.tensor([-INF, -1000.0, 0.0, 1000.0, INF])
    found = regret(*torch.meshgrid(certain, certain, indexing="ij"))
    # rows are D*, columns D; being wrong costs the log-odds one claimed, hedging costs log 2
    wanted = [
        [0.0, 0.0, LOG2, 1000.0, INF],
        [0.0, 0.0, LOG2, 1000.0, INF],
        [INF, 500.0 - LOG2, 0.0, 500.0 - LOG2, INF],
        [INF, 1000.0, LOG2, 0.0, 0.0],
        [INF, 1000.0, LOG2, 0.0, 0.0],
    ]
    assert_close(found.tolist(), wanted)


def test_a_data_distribution_of_one_sentence():
    # P says "a b c" eos; G says four tokens evenly, or eos: it writes that sentence with (1/5)^4
    oracle, generator = OneSentence("a b c"), Tiny(vocab_size=4, length=4, variable=True, sharpness=0.0)
    world = listed(oracle, generator)
    found = along(world)
    assert_close(expected(world.p, found.at.kl_pg).sum().item(), 4 * math.log(5))
    assert expected(world.g, found.at.kl_gp).sum() == INF
    assert_close(chain_rule(world, found.at.information).sum().item(), jsd(world.p, world.g))
    assert_close(chain_rule(world, found.at.information).cumsum(0).tolist(), prefix_jsd(world))
    assert not any(value.isnan().any() for value in (found.ratio, *found.at))


@pytest.mark.parametrize("silent", [-INF, torch.nan])
def test_a_data_distribution_that_says_nothing_after_the_impossible(silent):
    oracle, generator = fractions(1, never=0), fractions(2)
    world = listed(oracle, generator)
    clean = along(world)
    after = before(clean.ratio).isneginf().unsqueeze(-1)
    found = compare(world.p_logits.masked_fill(after, silent), world.g_logits, *world.sentences)
    assert_close(found.ratio, clean.ratio)
    assert_close(chain_rule(world, found.at.information).sum().item(), jsd(world.p, world.g))
    assert expected(world.g, found.at.kl_gp).sum() == INF
    assert not any(value.isnan().any() for value in found.at)


@pytest.mark.parametrize("policy", [TopK(2), Greedy()])
def test_a_generator_that_leaves_tokens_out(policy):
    tinies = (Tiny(vocab_size=4, length=3, seed=seed) for seed in (1, 2))
    world = listed(*tinies, policy)
    found = along(world)
    assert expected(world.p, found.at.kl_pg).sum() == INF
    assert_close(expected(world.g, found.at.kl_gp).sum().item(), kl(world.g, world.p))
    assert_close(chain_rule(world, found.at.information).sum().item(), jsd(world.p, world.g))
    direct = expected(world.p, direct_jsd(found.ratio)) + expected(world.g, direct_jsd(-found.ratio))
    assert_close((direct / 2).tolist(), prefix_jsd(world))
    assert not any(value.isnan().any() for value in (found.ratio, *found.at))


def test_equal_distributions_are_at_distance_zero(world):
    found = compare(world.p_logits, world.p_logits, *world.sentences)
    for distance in (found.ratio, found.at.kl_pg, found.at.kl_gp, found.at.tv, found.at.information):
        assert distance.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("curve", "wanted"),
    [
        ([LOG2, LOG2], 0.5),  # halfway up to the first token's log 2
        ([0.0, LOG2], 1.5),
        ([0.1, LOG2 / 2], 2.0),
        ([0.1, 0.2, 0.3], None),
    ],
)
def test_horizon(curve, wanted):
    assert horizon(torch.tensor(curve).double()) == (wanted if wanted is None else pytest.approx(wanted))


def test_exposure_error_leaves_out_what_nobody_reached():
    nan = torch.nan
    # (1 + 3) / (1 + 1) - 1 = 100 %; the third position was reached by one side only
    assert exposure_error(torch.tensor([1.0, 3.0, 9.0]), torch.tensor([1.0, 1.0, nan])) == 100.0
    assert exposure_error(torch.tensor([INF]), torch.tensor([1.0])) == INF
    assert exposure_error(torch.tensor([INF]), torch.tensor([INF])) is None
    assert exposure_error(torch.tensor([0.0]), torch.tensor([0.0])) is None
    late = torch.cat([torch.ones(100), torch.full((5,), 50.0)])
    assert exposure_error(late, torch.ones(105)) == 0.0
