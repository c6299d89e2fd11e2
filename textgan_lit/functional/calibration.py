r"""What a discriminator proves, and how far its confidence can be trusted.

Any discriminator bounds the divergence from below: log 2 − BCE(D) ≤ JSD(P‖G). One whose logits have the wrong
scale (or, like a Wasserstein critic's, no scale at all) proves less than it knows, so two numbers, fitted on
half of the sentences and judged on the other half, put its scores on the scale of log-odds first.

Real and generated sentences weigh one half each, however many there are of either. Units: nats a sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from textgan_lit.functional.divergence import LOG2, direct_jsd, softplus

NEWTON_STEPS = 100
HALVINGS = 40
FLAT = 1e-12  # gradient at which the fit is done; it also keeps the Hessian invertible


class Bound(NamedTuple):
    """What scores prove about JSD(P‖G): float64 scalars. See :func:`bound`."""

    value: Float[Tensor, ""]  # calibrated, on the odd rows
    se: Float[Tensor, ""]
    raw: Float[Tensor, ""]  # the scores taken as log-odds, on all rows: log 2 − bce
    raw_se: Float[Tensor, ""]
    bce: Float[Tensor, ""]  # of the scores as they are, on all rows
    accuracy: Float[Tensor, ""]  # calibrated, on the odd rows; a logit of exactly 0 is half right


class Reliability(NamedTuple):
    """A reliability diagram. See :func:`reliability`."""

    error: Float[Tensor, ""]
    confidence: Float[Tensor, " bins"]
    frequency: Float[Tensor, " bins"]
    mass: Float[Tensor, " bins"]


def fit(real: Float[Tensor, " N"], fake: Float[Tensor, " M"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    r"""(scale, shift) such that scale × score + shift is closest to log-odds of "real", in float64.

    .. math:: \min_{a,b}\ \tfrac12 E_{real}[\ell(as+b, 1-\epsilon)] + \tfrac12 E_{fake}[\ell(as+b, \epsilon)]

    with ℓ the cross-entropy and ε = 1/(n + 2), n the smaller side: the smoothed targets that keep a and b
    finite where the scores separate the two sides. Damped Newton on standardised scores, so the calibrated
    logits do not change when scores are scaled or shifted. An infinite score counts as the farthest finite one.
    Source: Platt 1999, *Probabilistic outputs for support vector machines*.

    >>> scale, shift = fit(torch.tensor([3.0, 3.0, 5.0]), torch.tensor([3.0, 5.0, 5.0]))  # upside down
    >>> bool(scale < 0), round(float(-shift / scale), 4)  # even odds half way
    (True, 4.0)
    """
    low, high = _range(real, fake)
    real, fake = _within(real, low, high), _within(fake, low, high)
    centre = (real.mean() + fake.mean()) / 2
    spread = (((real - centre).square().mean() + (fake - centre).square().mean()) / 2).sqrt()
    spread = spread.where(spread > 0, torch.ones_like(spread))
    score = (torch.cat([real, fake]) - centre) / spread
    weight = torch.cat([torch.full_like(real, 0.5 / len(real)), torch.full_like(fake, 0.5 / len(fake))])
    doubt = 1 / (min(len(real), len(fake)) + 2)
    target = torch.cat([torch.full_like(real, 1 - doubt), torch.full_like(fake, doubt)])
    slope, level = _newton(torch.stack([score, torch.ones_like(score)], 1), target, weight)
    return slope / spread, level - slope * centre / spread


def _newton(inputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Minimises the weighted logistic loss, starting at 0 ("cannot tell")."""

    def loss_at(point: Tensor) -> Tensor:
        logit = inputs @ point
        return (weight * (softplus(logit) - target * logit)).sum()

    point = inputs.new_zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = (inputs @ point).sigmoid()
        gradient = inputs.T @ (weight * (chance - target))
        if gradient.abs().max() < FLAT:
            break
        hessian = inputs.T @ (inputs * (weight * chance * (1 - chance)).unsqueeze(1))
        hessian.diagonal().add_(FLAT)
        step, now = torch.linalg.solve(hessian, gradient), loss_at(point)
        for _ in range(HALVINGS):
            if loss_at(point - step) <= now - 1e-4 * (gradient @ step):
                break
            step = step / 2
        else:
            break  # rounding: nothing lower can be found
        point = point - step
    return point


def bound(real: Float[Tensor, " N"], fake: Float[Tensor, " M"]) -> Bound:
    r"""The lower bound log 2 − BCE on JSD(P‖G), from scores of held-out real and fresh generated sentences.

    ``value`` is valid for any critic, whatever the scale, offset or even sign of its scores: :func:`fit` sees the
    even rows only, the odd rows are scored by what it found. A score beyond those that the fit has seen counts
    as the farthest of them. ``raw`` takes the scores as log-odds. SE = ½ √(var_real/n + var_fake/n).

    >>> score = torch.tensor([20.0, 20.0, 0.0, 0.0])  # sure of half of the real sentences, else at a loss
    >>> bound(score, torch.zeros(4)).raw  # ½ · ½ · log 2
    tensor(0.1733, dtype=torch.float64)
    """
    if min(len(real), len(fake)) < 4:
        raise ValueError(f"A bound needs at least 4 real and 4 generated sentences, not {len(real)} and {len(fake)}.")
    real, fake = real.detach().double(), fake.detach().double()
    scale, shift = fit(real[::2], fake[::2])
    low, high = _range(real[::2], fake[::2])
    odd_real, odd_fake = (scale * _within(half, low, high) + shift for half in (real[1::2], fake[1::2]))
    value, se = _log2_minus_bce(odd_real, odd_fake)
    raw, raw_se = _log2_minus_bce(real, fake)
    return Bound(value, se, raw, raw_se, LOG2 - raw, (_right(odd_real) + _right(-odd_fake)) / 2)


def reliability(real: Float[Tensor, " N"], fake: Float[Tensor, " M"], bins: int = 10) -> Reliability:
    r"""Does "70 % real" mean that 70 % are? Scores are taken as log-odds and D = σ(score) is cut into equal bins.

    For every bin that holds a sentence: the mean D (``confidence``), the share of real sentences (``frequency``)
    and the bin's share of all sentences (``mass``). ``error`` = Σ mass · abs(frequency − confidence), 0 at best; with
    few sentences chance alone makes it positive. Source: Guo et al. 2017, arXiv:1706.04599.

    >>> reliability(torch.tensor([0.0, 0.0, 0.0]), torch.tensor([0.0])).error  # balanced: D = ½ is right
    tensor(0., dtype=torch.float64)
    """
    chance = torch.cat([real, fake]).detach().double().sigmoid()
    is_real = torch.cat([torch.ones_like(real), torch.zeros_like(fake)]).double()
    weight = is_real * 0.5 / len(real) + (1 - is_real) * 0.5 / len(fake)
    index = (chance * bins).long().clamp(0, bins - 1)
    mass, confidence, frequency = (
        chance.new_zeros(bins).index_add_(0, index, weight * value)
        for value in (torch.ones_like(chance), chance, is_real)
    )
    held = mass > 0
    error = (frequency - confidence).abs().sum()
    mass = mass[held]
    return Reliability(error, confidence[held] / mass, frequency[held] / mass, mass)


def _within(score: Float[Tensor, " N"], low: Tensor, high: Tensor) -> Float[Tensor, " N"]:
    return score.double().maximum(low).minimum(high)


def _range(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest finite score; −1 and 1 where none is finite."""
    score = torch.cat([real, fake]).detach().double()
    finite = score[score.isfinite()]
    return (finite.min(), finite.max()) if len(finite) else (score.new_tensor(-1.0), score.new_tensor(1.0))


def _log2_minus_bce(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    real, fake = direct_jsd(real), direct_jsd(-fake)
    se = (real.var() / len(real) + fake.var() / len(fake)).sqrt() / 2
    return (real.mean() + fake.mean()) / 2, se.nan_to_num(nan=torch.inf)


def _right(own: Tensor) -> Tensor:
    """The share of sentences on the right side of even odds; a tie is half right."""
    return (own.sign() + 1).mean() / 2
