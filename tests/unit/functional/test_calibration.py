"""A population counts every sentence as often as it should occur, so that a bound is an expectation."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.testing import assert_close

from tests.helpers.enumeration import fractions, jsd, listed, nothing_is_nan, population
from textgan_lit.functional.calibration import bound, fit, reliability
from textgan_lit.functional.divergence import LOG2, compare
from textgan_lit.model.policy import Categorical

INF = math.inf


@pytest.fixture(scope="module")
def truth():
    """(log-odds of D* on real, on generated sentences, the JSD). Every sentence comes twice, in an even row and in
    an odd one, so that what is judged is the whole population."""
    oracle, generator = fractions(1), fractions(2)
    ratios = []
    for author in (oracle, generator):
        batch = population(author)
        logits = (model.predict(batch, Categorical()) for model in (oracle, generator))
        ratios.append(compare(*logits, *batch).ratio[:, -1].repeat_interleave(2))
    world = listed(oracle, generator)
    return *ratios, jsd(world.p, world.g)


CRITICS = {
    "optimal": lambda ratio: ratio,
    "overconfident": lambda ratio: 1000 * ratio,
    "timid": lambda ratio: 1e-6 * ratio,
    "upside down": lambda ratio: -3 * ratio + 7,
    "blind": lambda ratio: torch.full_like(ratio, 0.3),
    "bent": lambda ratio: ratio.tanh() + ratio.sign() * 5,
    "certain": lambda ratio: torch.where(ratio > 0, INF, -INF),
    "certain at one end": lambda ratio: torch.where(ratio > 0.5, INF, ratio),
}


@pytest.mark.parametrize("critic", CRITICS.values(), ids=CRITICS.keys())
def test_no_critic_proves_more_than_the_truth(truth, critic):
    real, fake, jsd = truth
    found = bound(critic(real), critic(fake))
    assert found.value <= jsd + 1e-9
    assert found.raw <= jsd + 1e-9
    assert nothing_is_nan(found._asdict())


def test_scores_without_a_meaning_prove_nothing(truth):
    found = bound(*torch.randn(2, len(truth[0])).double())
    assert found.value <= 3 * found.se
    assert found.raw < -0.1


def test_the_optimal_critic_proves_the_truth(truth):
    real, fake, jsd = truth
    found = bound(real, fake)
    assert_close(found.raw.item(), jsd, rtol=0, atol=1e-6)
    assert_close(found.value.item(), jsd, rtol=0, atol=1e-3)
    scale, shift = fit(real, fake)
    assert_close(scale.item(), 1.0, rtol=0, atol=0.05)
    assert_close(shift.item(), 0.0, rtol=0, atol=0.01)


@pytest.mark.parametrize(("scale", "shift"), [(1e6, 0.0), (1e-6, 3.0), (-2.0, 1000.0)])
def test_scale_and_shift_of_a_critic_do_not_matter(scale, shift):
    real, fake = torch.randn(2, 201).double()
    plain, moved = bound(real + 0.8, fake), bound(scale * (real + 0.8) + shift, scale * fake + shift)
    for name in ("value", "se", "accuracy"):
        assert_close(getattr(moved, name), getattr(plain, name), rtol=1e-6, atol=1e-9)


def test_the_fit_is_scipys():
    real, fake = torch.randn(40).double() * 2 + 1, torch.randn(60).double()
    doubt = 1 / 42

    def loss(point):
        def mean(score, target):
            return binary_cross_entropy_with_logits(point[0] * score + point[1], torch.full_like(score, target))

        return float(mean(real, 1 - doubt) + mean(fake, doubt))

    wanted = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}).x
    assert_close(torch.stack(fit(real, fake)), torch.from_numpy(wanted), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gap", [1e-12, 1.0, 1e12])
def test_separable_scores_stay_finite(gap):
    real, fake = torch.full((50,), gap), torch.zeros(50)
    scale, shift = fit(real, fake)
    # sure by the smoothed targets: logit 1 - 1/52 = log 51 on one side and minus that on the other;
    # a bound fits 25 + 25 of them, and D = 26/27 costs log 27/26
    assert_close((scale * gap + shift).item(), math.log(51), rtol=1e-6, atol=0)
    assert_close(shift.item(), -math.log(51), rtol=1e-6, atol=0)
    assert_close(
        bound(real, fake).value.item(), LOG2 - math.log(1 + 1 / 26), rtol=1e-6, atol=0
    )  # fitted on 25 + 25: D = 26/27


def test_equal_scores_tell_nothing():
    found = bound(torch.full((10,), 5.0), torch.full((20,), 5.0))
    assert_close(found.value.item(), 0.0)
    assert found.accuracy == 0.5  # ties are half right
    assert fit(torch.full((10,), 5.0), torch.full((20,), 5.0)) == (0.0, 0.0)


def test_raw_is_the_loss_of_the_scores_as_they_are():
    real, fake = torch.tensor([2.0, -1.0, 0.5, 3.0]).double(), torch.tensor([-1.0, 0.0, 4.0, -2.0, 1.0, 1.0]).double()
    losses = [binary_cross_entropy_with_logits(s, torch.full_like(s, t)) for s, t in ((real, 1.0), (fake, 0.0))]
    found = bound(real, fake)
    assert_close(found.bce, sum(losses) / 2)
    assert_close(found.raw, LOG2 - found.bce)


def test_what_is_judged_was_not_fitted():
    # the odd rows say the opposite of the even ones: confidently wrong is worse than chance
    side = torch.tensor([1.0, -1.0] * 20)
    assert bound(side, -side).value < -0.5


def test_noise_is_not_flattered():
    # fitted and judged on the same rows, two free numbers would earn about 1/n; held out they cost it
    values = [bound(*torch.randn(2, 24)).value for _ in range(200)]
    assert torch.stack(values).mean() < 0


@pytest.mark.parametrize("name", ["value", "raw"])
def test_standard_errors_are_the_spread_over_repeats(name):
    found = [bound(torch.randn(400) + 1, torch.randn(300) * 0.5) for _ in range(200)]
    spread = torch.stack([getattr(one, name) for one in found]).std()
    stated = torch.stack([getattr(one, {"value": "se", "raw": "raw_se"}[name]) for one in found]).mean()
    assert 0.85 < stated / spread < 1.15  # 200 repeats tell a spread to 5 %


def test_too_few_scores_are_refused():
    with pytest.raises(ValueError, match="at least 4 real and 4 generated sentences, not 3 and 9"):
        bound(torch.zeros(3), torch.zeros(9))


def test_infinite_scores():
    real, fake = torch.tensor([INF, INF, 1.0, -INF] * 5), torch.tensor([-INF, 0.0, -1.0, INF] * 5)
    found = bound(real, fake)
    assert found.value.isfinite()
    assert found.raw == -INF
    assert nothing_is_nan(found._asdict())
    assert nothing_is_nan({"error": reliability(real, fake).error})


def test_accuracy_by_hand():
    # fitted on even rows (3 above 0); odd rows: real right, right, wrong; generated right, wrong, right
    real = torch.tensor([3.0, 2.0, 3.0, 9.0, 3.0, 1.0])
    fake = torch.tensor([0.0, 1.0, 0.0, 2.0, 0.0, -5.0])
    assert_close(bound(real, fake).accuracy.item(), 4 / 6)


def test_reliability_by_hand():
    # D = .8 for 4 real and 1 generated sentence, D = .2 for 1 and 4: exactly right. Then D = .5 where .8 is right.
    high, low = math.log(4), -math.log(4)
    real, fake = torch.tensor([high] * 4 + [low]), torch.tensor([high] + [low] * 4)
    found = reliability(real, fake)
    assert_close(found.error.item(), 0.0, rtol=0, atol=1e-7)
    assert_close(found.frequency, torch.tensor([0.2, 0.8]).double())
    assert_close(found.mass, torch.tensor([0.5, 0.5]).double())
    timid = reliability(real / 1e3, fake / 1e3, bins=2)
    assert_close(timid.error.item(), 0.3, rtol=0, atol=1e-3)
    assert_close(reliability(real * 1e3, fake * 1e3).error.item(), 0.2)  # says 1, is right 4 times in 5


def test_reliability_weighs_both_sides_alike(truth):
    real, fake, _ = truth
    more = reliability(real.repeat(3), fake)
    assert_close(more, reliability(real, fake))
    assert more.error < 1e-6  # the optimal critic means what it says


def test_a_bounds_errors_by_hand():
    # each side's variance over its own count: 6 real and 14 generated sentences, whose odd rows are 3 and 7
    stream = np.random.default_rng(5)
    real, fake = stream.normal(0.5, 1.0, 6), stream.normal(-0.5, 2.0, 14)

    def error(real, fake):
        adds = np.log1p(np.exp(-real)), np.log1p(np.exp(fake))
        return math.sqrt(sum(np.var(add, ddof=1) / len(add) for add in adds)) / 2

    found = bound(torch.tensor(real), torch.tensor(fake))
    scale, shift = (number.item() for number in fit(torch.tensor(real[::2]), torch.tensor(fake[::2])))
    low, high = min(real[::2].min(), fake[::2].min()), max(real[::2].max(), fake[::2].max())
    odd = (scale * half[1::2].clip(low, high) + shift for half in (real, fake))
    assert_close([found.raw_se.item(), found.se.item()], [error(real, fake), error(*odd)], rtol=1e-9, atol=0)
