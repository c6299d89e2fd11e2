"""Populations (every sentence as often as it should occur) make Truth's numbers equal to sums over a world."""

import math

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import (
    LENGTH,
    after_prefixes,
    fractions,
    jsd,
    kl,
    listed,
    nothing_is_nan,
    population,
    prefix_jsd,
)
from textgan_lit.data.mixture import Mixture
from textgan_lit.data.tiny import OneSentence, Tiny
from textgan_lit.functional.divergence import LOG2, horizon
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical, Greedy
from textgan_lit.noise import Noise
from textgan_lit.truth.evidence import SENTENCE, Evidence
from textgan_lit.truth.models import Models, measure
from textgan_lit.truth.panel import Side, Truth
from textgan_lit.types import TextBatch

P_ONLY = {"truth/nll_oracle", "truth/entropy_p", "truth/entropy_g", "truth/kl_pg", "truth/kl_gp", "truth/jsd"}


@pytest.fixture(params=["fixed", "eos"])
def models(request):
    return tuple(fractions(seed, variable=request.param == "eos") for seed in (1, 2))


def told(models, real, fake, score=None, policy=None):
    """A Truth that has seen these sentences in one go."""
    truth = Truth(LENGTH)
    truth.update(*(Models(*models, policy or Categorical(), score).examine(batch) for batch in (real, fake)))
    return truth


def drawn(models, n, seed=0):
    """n real and n generated sentences."""
    return (model.sample(Noise(seed, who).uniform(n, LENGTH), Categorical()).batch for who, model in enumerate(models))


def log_odds(models):
    """The optimal discriminator."""
    oracle, generator = models
    return lambda batch: (oracle.logp(batch, Categorical()) - generator.logp(batch, Categorical())).sum(1)


def rows(evidence, index):
    batch = TextBatch(*(x[index] for x in evidence.batch))
    valid = {rule: keeps[index] for rule, keeps in evidence.valid.items()}
    score = None if evidence.score is None else evidence.score[index]
    return Evidence(batch, evidence.p_logits[index], evidence.g_logits[index], score, valid)


def test_scalars_of_a_population_are_those_of_the_world(models):
    world = listed(*models)
    tokens = world.sentences.mask.sum(1).double()
    tokens_p, tokens_g = (world.p @ tokens).item(), (world.g @ tokens).item()
    found = told(models, *map(population, models)).compute()
    wanted = {
        "truth/jsd_direct": jsd(world.p, world.g),
        "truth/jsd_chain": jsd(world.p, world.g),
        "truth/jsd": jsd(world.p, world.g),
        "truth/kl_pg": kl(world.p, world.g),
        "truth/kl_gp": kl(world.g, world.p),
        "truth/kl_pg_token": kl(world.p, world.g) / tokens_p,
        "truth/kl_gp_token": kl(world.g, world.p) / tokens_g,
        "truth/entropy_p": -(world.p @ world.p.log()).item() / tokens_p,
        "truth/entropy_g": -(world.g @ world.g.log()).item() / tokens_g,
        "truth/nll_test": -(world.p @ world.g.log()).item() / tokens_p,
        "truth/nll_oracle": -(world.g @ world.p.log()).item() / tokens_g,
        "truth/bayes_accuracy": 0.5 + (world.p - world.g).abs().sum().item() / 4,
    }
    assert_close({name: found[name].item() for name in wanted}, wanted, rtol=1e-5, atol=1e-6)


def test_curves_of_a_population_are_those_of_the_world(models):
    world = listed(*models)
    truth = told(models, *map(population, models))
    found = truth.curves()
    wanted = {"prefix_jsd": prefix_jsd(world), "prefix_jsd_direct": prefix_jsd(world)}
    for who, name in ((0, "teacher_forced"), (1, "free_running")):
        wanted[f"{name}_kl"], wanted[f"{name}_tv"] = [], []
        for position in range(LENGTH):
            prefixes = [(one[who], one[2] / one[0], one[3] / one[1]) for one in after_prefixes(world, position)]
            reach = sum(weight for weight, _, _ in prefixes)
            wanted[f"{name}_kl"].append(sum(weight * kl(pt, gt) for weight, pt, gt in prefixes) / reach)
            wanted[f"{name}_tv"].append(sum(w * (pt - gt).abs().sum().item() / 2 for w, pt, gt in prefixes) / reach)
    assert found.keys() == wanted.keys()
    assert_close({name: curve.tolist() for name, curve in found.items()}, wanted, rtol=1e-5, atol=1e-6)
    scalars = truth.compute()
    for key, d in (("truth/exposure_error", "kl"), ("truth/exposure_tv", "tv")):
        ratio = sum(wanted[f"free_running_{d}"]) / sum(wanted[f"teacher_forced_{d}"])
        assert_close(scalars[key].item(), 100 * (ratio - 1), rtol=1e-4, atol=1e-4)
    assert ("truth/horizon" in scalars) == (wanted["prefix_jsd"][-1] >= LOG2 / 2)


def test_horizon_is_where_the_curve_crosses():
    far = Tiny(vocab_size=4, length=6, sharpness=3.0, seed=1), Tiny(vocab_size=4, length=6, sharpness=3.0, seed=2)
    found = measure(Models(*far, Categorical()), next(_sampled(far[0], 300)), Noise(1).uniform(300, 6))
    assert found.compute()["truth/horizon"] == horizon(found.curves()["prefix_jsd"])
    near = fractions(1), fractions(1)
    assert "truth/horizon" not in told(near, *map(population, near)).compute()


def _sampled(model, *sizes):
    for size in sizes:
        yield model.sample(Noise(0, size).uniform(size, model.max_length), Categorical()).batch


def test_the_split_adds_up(models):
    found = told(models, *drawn(models, 50)).compute()
    assert_close(found["truth/nll_test"], found["truth/entropy_p"] + found["truth/kl_pg_token"], rtol=0, atol=1e-13)
    assert_close(found["truth/nll_oracle"], found["truth/entropy_g"] + found["truth/kl_gp_token"], rtol=0, atol=1e-13)


@pytest.mark.parametrize("critic", [1.0, 0.1, -20.0])
def test_regret_and_bound_of_a_population(models, critic):
    world = listed(*models)
    real, fake = (TextBatch(*(x.repeat_interleave(2, 0) for x in population(model))) for model in models)
    score = log_odds(models)
    found = told(models, real, fake, lambda batch: critic * score(batch)).compute()
    true = (world.p / world.g).log()

    def bce(logit):
        soft = torch.nn.functional.softplus
        return (world.p @ soft(-logit) + world.g @ soft(logit)) / 2

    assert_close(found["bound/regret"], bce(critic * true) - bce(true), rtol=1e-5, atol=1e-6)
    assert_close(found["bound/raw"], LOG2 - bce(critic * true), rtol=1e-5, atol=1e-6)
    assert_close(found["bound/gap"], found["truth/jsd"] - found["bound/value"])
    assert 0 < found["bound/gap"] < 1e-3  # any scale of the right score proves the truth, but for smoothed targets
    assert (found["bound/calibration_error"] < 1e-6) == (critic == 1.0)


@pytest.mark.parametrize(("critic", "wanted"), [(1.0, 1.0), (0.1, 1.0), (-20.0, -1.0), (0.0, None)])
def test_how_well_a_score_follows_log_p_over_g(models, critic, wanted):
    score = log_odds(models)
    found = told(models, *drawn(models, 100), lambda batch: critic * score(batch)).compute()
    for key in ("truth/reward_correlation", "truth/reward_correlation_linear"):
        assert (key in found) == (wanted is not None)
        if wanted is not None:
            assert_close(found[key].item(), wanted, atol=1e-5, rtol=0)


def test_both_estimates_lie_within_three_standard_errors(models):
    world = listed(*models)
    found = told(models, *drawn(models, 2000)).compute()
    for name in ("jsd_direct", "jsd_chain", "jsd"):
        assert abs(found[f"truth/{name}"] - jsd(world.p, world.g)) < 3 * found[f"truth/{name}_se"]


@pytest.mark.parametrize("sharpness", [0.3, 6.0])
def test_the_headline_is_the_chain_rule_whichever_error_is_smaller(sharpness):
    models = [Tiny(vocab_size=4, length=6, sharpness=sharpness, seed=seed) for seed in (1, 2)]
    found = measure(Models(*models, Categorical()), next(_sampled(models[0], 300)), Noise(1).uniform(300, 6))
    found = found.compute()
    assert (found["truth/jsd_direct_se"] < found["truth/jsd_chain_se"]) == (sharpness == 6.0)
    assert found["truth/jsd"] == found["truth/jsd_chain"] != found["truth/jsd_direct"]
    assert found["truth/jsd_se"] == found["truth/jsd_chain_se"]


def test_standard_errors_are_the_spread_over_repeats(models, unchecked_shapes):
    pool = [Models(*models, Categorical(), None).examine(batch) for batch in drawn(models, 400 * 60)]
    names = ["truth/jsd_direct", "truth/jsd_chain", "truth/kl_pg", "truth/kl_gp", "truth/nll_test", "truth/nll_oracle"]
    found = []
    for start in range(0, 400 * 60, 60):
        truth = Truth(LENGTH)
        truth.update(*(rows(evidence, slice(start, start + 60)) for evidence in pool))
        found.append(truth.compute())
    for name in names:
        spread = torch.stack([one[name] for one in found]).std()
        stated = torch.stack([one[f"{name}_se"] for one in found]).mean()
        assert 0.85 < stated / spread < 1.15, name  # 400 repeats tell a spread to 3.5 %


def test_the_errors_of_two_sentences_by_hand():
    # 1 and 3 nats, in 2 tokens each: a mean of 2 whose squared error is 2/2 (a spread of 2 by n − 1), and 1 nat a
    # token: the sentences are −1 and 1 away from their tokens, so its error is √(2/2)/2.
    nats, tokens = torch.tensor([1.0, 3.0]).double(), torch.tensor([2.0, 2.0]).double()
    side = Side(torch.zeros(len(SENTENCE), 5).double())
    for name, x in (("tokens", tokens), ("nll", nats)):
        side.moments[SENTENCE.index(name)] = torch.stack([torch.ones(2), x, x * x, x * tokens, 0 * x]).sum(1)
    assert [side.mean("nll"), side.error("nll")] == [2, 1]
    assert [side.per("tokens", "nll"), side.per_se("tokens", "nll")] == [1, 0.5]


def test_parts_are_the_same_as_the_whole(models):
    whole = [Models(*models, Categorical(), log_odds(models)).examine(batch) for batch in drawn(models, 30)]
    once, parts, other = Truth(LENGTH), Truth(LENGTH), Truth(LENGTH)
    once.update(*whole)
    real, fake = whole
    parts.update(rows(real, slice(0, 12)), None)
    parts.update(rows(real, slice(12, 12)), rows(fake, slice(0, 7)))  # an empty part says nothing
    other.update(None, rows(fake, slice(7, 30)))
    other.update(rows(real, slice(12, 30)), None)
    other.merge_state(parts)
    assert_close(other.compute(), once.compute())
    assert_close(other.curves(), once.curves())


def test_padding_changes_nothing(models):
    if models[0].vocab.eos is None:
        pytest.skip("sentences of one length have no padding")
    plain, padded = Truth(LENGTH), Truth(LENGTH + 2)
    for side in (0, 1):
        sentences = next(_sampled(models[side], 40))
        seen = Models(*models, Categorical(), log_odds(models)).examine(sentences)
        tokens, mask = (torch.nn.functional.pad(x, (0, 2), value=0) for x in sentences)
        junk = torch.nn.functional.pad(torch.where(sentences.mask, 0.0, torch.nan), (0, 2), value=torch.nan)
        logits = (torch.nn.functional.pad(x, (0, 0, 0, 2)) + junk.unsqueeze(-1) for x in seen[1:3])
        noisy = Evidence(TextBatch(tokens.masked_fill(~mask, 1), mask), *logits, seen.score, seen.valid)
        plain.update(*((seen, None) if side == 0 else (None, seen)))
        padded.update(*((noisy, None) if side == 0 else (None, noisy)))
    wide = Truth(LENGTH + 2)  # a batch narrower than max_length
    for side in (0, 1):
        seen = Models(*models, Categorical(), log_odds(models)).examine(next(_sampled(models[side], 40)))
        wide.update(*((seen, None) if side == 0 else (None, seen)))
    assert_close(padded.compute(), plain.compute())
    assert_close(wide.compute(), plain.compute())
    for name, curve in plain.curves().items():
        after = curve[-1:] if name.startswith("prefix") else torch.tensor([torch.nan]).double()
        assert_close(padded.curves()[name], torch.cat([curve, after, after]), equal_nan=True)
        assert_close(wide.curves()[name], torch.cat([curve, after, after]), equal_nan=True)


def test_where_p_is_unknown_only_likelihood_and_bounds_remain(models):
    _, generator = models
    real, fake = drawn(models, 20)
    truth = Truth(LENGTH)
    truth.update(*(Models(None, generator, Categorical(), log_odds(models)).examine(batch) for batch in (real, fake)))
    found = truth.compute()
    bounds = {f"bound/{name}" for name in ("value", "se", "raw", "raw_se", "accuracy", "calibration_error")}
    assert found.keys() == {"truth/nll_test", "truth/nll_test_se"} | bounds
    assert truth.curves() == {}
    diagram = truth.reliability()
    confidence, frequency, share = (diagram[f"reliability_{name}"] for name in ("confidence", "frequency", "share"))
    assert_close((share * (frequency - confidence).abs()).sum(), found["bound/calibration_error"])
    assert_close(share.sum(), torch.ones_like(share.sum()))
    nll = -generator.logp(real, Categorical()).sum() / real.mask.sum()
    assert_close(found["truth/nll_test"], nll.double())


def test_what_weights_would_bring_back_is_withheld_where_it_was_never_drawn(models):
    def told_by(score):
        return told(models, *drawn(models, 100), score).compute().keys()

    left = {"bound/reweighted_jsd", "bound/reweighted_jsd_se", "bound/effective_share"}
    assert told_by(log_odds(models)) >= left
    sure = iter((100.0, -100.0))  # of every real sentence, then of none
    assert not told_by(lambda batch: log_odds(models)(batch) + next(sure)) & left


def test_without_a_discriminator_nothing_is_said_of_one(models):
    found = told(models, *drawn(models, 20)).compute()
    assert not any(name.startswith("bound/") for name in found)
    assert found.keys() >= P_ONLY
    assert nothing_is_nan(found)


def test_greedy_is_infinitely_far_in_one_direction(models):
    oracle, generator = models
    policy = Greedy()
    world = listed(oracle, generator, policy)
    found = told(models, population(oracle), population(generator, policy), log_odds(models), policy)
    scalars = found.compute()
    assert scalars["truth/kl_pg"] == scalars["truth/nll_test"] == math.inf
    assert_close(scalars["truth/kl_gp"].item(), kl(world.g, world.p), rtol=1e-5, atol=1e-6)
    for name in ("truth/jsd", "truth/jsd_direct", "truth/jsd_chain"):
        assert_close(scalars[name].item(), jsd(world.p, world.g), rtol=1e-5, atol=1e-6)
    assert "truth/exposure_error" not in scalars  # infinite by infinite
    assert nothing_is_nan(scalars)


def test_data_that_never_say_a_token():
    models = fractions(1, never=0), fractions(2)
    world = listed(*models)
    truth = told(models, *map(population, models), log_odds(models))
    found = truth.compute()
    assert found["truth/kl_gp"] == found["truth/nll_oracle"] == math.inf
    assert_close(found["truth/kl_pg"].item(), kl(world.p, world.g), rtol=1e-5, atol=1e-6)
    assert_close(found["truth/jsd_chain"].item(), jsd(world.p, world.g), rtol=1e-5, atol=1e-6)
    assert_close(truth.curves()["prefix_jsd"].tolist(), prefix_jsd(world), rtol=1e-5, atol=1e-6)
    assert nothing_is_nan(found)
    # prefixes that P cannot write are left out of free running: there is no P_t after them
    second = [(g, pt / p, gt / g) for p, g, pt, gt in after_prefixes(world, 1) if p > 0]
    wanted = sum(g * kl(pt, gt) for g, pt, gt in second) / sum(g for g, _, _ in second)
    assert_close(truth.curves()["free_running_kl"][1].item(), wanted, rtol=1e-5, atol=1e-6)


def test_data_of_one_sentence():
    models = OneSentence("a b", unused="c"), Tiny(vocab_size=3, length=3, variable=True)
    real = next(_sampled(models[0], 10))
    found = measure(Models(*models, Categorical(), None), real, Noise(0).uniform(50, 3)).compute()
    q = models[1].logp(real, Categorical())[0].sum().item()
    assert found["truth/entropy_p"] < 1e-30
    assert_close(found["truth/kl_pg"].item(), -q, rtol=1e-5, atol=1e-6)
    assert nothing_is_nan(found)


def test_valid_shares_are_of_generated_sentences():
    oracle = Mixture(vocab_size=6, length=4, successors=3)  # a rule for each of two languages
    real, noise = next(_sampled(oracle, 20)), Noise(0).uniform(200, 4)
    generator = LSTM(oracle.vocab, 4)
    valid = oracle.validity(generator.sample(noise, Categorical()).batch)
    found = measure(Models(oracle, generator, Categorical(), None), real, noise, batch=64).compute()
    for rule, keeps in valid.items():
        assert_close(found[f"truth/valid_{rule}"], keeps.double().mean())
    assert_close(found["truth/valid_any"], torch.stack(list(valid.values())).any(0).double().mean())
    assert 0 < found["truth/valid_language_0"] < found["truth/valid_any"] < 1


def test_measure_leaves_everything_as_it_was(models):
    oracle, _ = models
    generator = LSTM(oracle.vocab, LENGTH, dropout=0.5)
    generator.cores.eval()
    modes, state = [module.training for module in generator.modules()], torch.get_rng_state()
    real, noise = next(_sampled(oracle, 23)), Noise(0).uniform(50, LENGTH)
    truth = measure(Models(oracle, generator, Categorical(), log_odds((oracle, generator))), real, noise, batch=8)
    assert torch.get_rng_state().equal(state)
    assert [module.training for module in generator.modules()] == modes
    assert all(parameter.grad is None for parameter in generator.parameters())
    again = measure(Models(oracle, generator.eval(), Categorical(), log_odds((oracle, generator))), real, noise)
    assert_close(again.compute(), truth.compute(), rtol=1e-5, atol=1e-6)
    fake = generator.sample(noise, Categorical()).batch
    at_once = told((oracle, generator), real, fake, log_odds((oracle, generator)))
    assert_close(truth.compute(), at_once.compute(), rtol=1e-5, atol=1e-6)
