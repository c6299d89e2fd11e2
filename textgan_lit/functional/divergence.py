r"""How far apart two known distributions over sentences are.

P is the data, G the generator, M = (P + G)/2; x<t are a sentence's first t−1 tokens; everything is in nats.
Each function gives one number a sentence, or one a sentence and position, so that a mean over sentences
comes with a standard error. After its end a sentence adds nothing: every term there is 0.

Impossible tokens are welcome: P may give a token probability 0, and so may a G that writes with top-k.
Nothing here makes NaN of that; a divergence that is infinite says inf.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

LOG2 = math.log(2.0)
NEVER = -1e4  # stands for log 0 where it meets a factor 0
TINIEST = -87.0  # exp() below this is a slow denormal; standing in for 0, exp(TINIEST) × NEVER is still below 1e-33
EXPOSURE_LENGTH = 100  # tokens that ExAccErr% looks at (Arora et al. 2022)
CERTAIN = 60.0  # log-odds beyond which a posterior counts as settled; the error is below 1e-24 nats
BLOCK = 2**18  # numbers of a [B T V] handled at once, so that a dozen steps of arithmetic stay in the cache


class Conditionals(NamedTuple):
    """What P and G say of the next token after one prefix, one number a prefix. See :func:`conditionals`."""

    kl_pg: Float[Tensor, " *N"]
    kl_gp: Float[Tensor, " *N"]
    tv: Float[Tensor, " *N"]
    entropy_p: Float[Tensor, " *N"]
    entropy_g: Float[Tensor, " *N"]
    information: Float[Tensor, " *N"]


class Comparison(NamedTuple):
    """P and G along the same sentences, in float64. See :func:`compare`."""

    ratio: Float[Tensor, "B T"]
    at: Conditionals  # of Float[B T], 0 on padding


def softplus(x: Float[Tensor, " *N"]) -> Float[Tensor, " *N"]:
    """log(1 + eˣ), exact at both ends.

    >>> softplus(torch.tensor([-1.0, 0.0, torch.inf]))
    tensor([0.3133, 0.6931,    inf])
    """
    return -F.logsigmoid(-x)


def binary_entropy(logit: Float[Tensor, " *N"]) -> Float[Tensor, " *N"]:
    r"""Entropy of a yes or no with these log-odds, in nats.

    .. math:: h(s) = \log(1 + e^{-|s|}) + |s|\,\sigma(-|s|)

    >>> binary_entropy(torch.tensor([0.0, -1.0986]))  # log 2; ¼ log 4 + ¾ log 4/3
    tensor([0.6931, 0.5623])
    """
    size = logit.abs().clamp_max(CERTAIN)
    tail = (-size).exp()
    return size.mul_(tail).div_(tail + 1).add_(tail.log1p_())


def prefix_log_ratio(
    p_logp: Float[Tensor, "B T"], g_logp: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    r"""r(x<=t) in nats and float64; from a sentence's end on it stays what it was there.

    .. math:: r(x_{\le t}) = \sum_{s \le t} \log P(x_s \mid x_{<s}) - \log G(x_s \mid x_{<s})

    ±inf where one of the two cannot write the prefix, 0 where neither can. What P says after a prefix that it
    cannot write may be NaN (a softmax over nothing) and counts as impossible. D* of the prefix is σ(r).

    >>> prefix_log_ratio(torch.tensor([[-1., -2.]]), torch.tensor([[-3., -1.]]), torch.tensor([[True, True]]))
    tensor([[2., 1.]], dtype=torch.float64)
    """
    p, g = _running_sum(p_logp, mask), _running_sum(g_logp, mask)
    return (p - g).masked_fill(p.isneginf() & g.isneginf(), 0.0)


def _running_sum(logp: Tensor, mask: Tensor) -> Tensor:
    logp = logp.double().masked_fill(logp.isnan(), -math.inf)
    return logp.masked_fill(~mask, 0.0).cumsum(1)


def before(ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """r(x<t) from r(x<=t): 0 before the first token.

    >>> before(torch.tensor([[2., 1.]]))
    tensor([[0., 2.]])
    """
    return F.pad(ratio[:, :-1], (1, 0))


def direct_jsd(own: Float[Tensor, " *N"]) -> Float[Tensor, " *N"]:
    r"""What a sentence (or prefix) adds to JSD(P‖G), given the log-ratio of its own author to the other.

    .. math:: \mathrm{JSD} = \tfrac12 E_P[\log 2 - \log(1 + e^{-r})] + \tfrac12 E_G[\log 2 - \log(1 + e^{r})]

    so ``own`` is r for real sentences and −r for generated ones. In nats a sentence, at most log 2.
    Source: Goodfellow et al. 2014, arXiv:1406.2661, theorem 1.

    >>> direct_jsd(torch.tensor([0.0, torch.inf]))
    tensor([0.0000, 0.6931])
    """
    return LOG2 - softplus(-own)


def reweighted_jsd(
    real: Float[Tensor, " N"],
    real_score: Float[Tensor, " N"],
    fake: Float[Tensor, " M"],
    fake_score: Float[Tensor, " M"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    r"""JSD between P and :math:`G e^s / Z`, what is left of it, and how many samples' worth the weights leave.

    ``real`` and ``fake`` hold log P/G of sentences that P and that G wrote, the scores D's logits of them. Z = E_G e^s
    is estimated from the same samples; expectations under G e^s / Z are self-normalised. Gives the JSD in nats a
    sentence, its standard error by a jackknife over 20 blocks, and the effective share 1/(M Σ w²) of the samples. Where
    samples lack what P says (:func:`unseen`) all three are far too good.

    >>> same = torch.zeros(40)
    >>> [round(x.item(), 3) for x in reweighted_jsd(same, same, same, same)]
    [0.0, 0.0, 1.0]
    """
    rows = [x.double() for x in (real, real_score, fake, fake_score)]
    value, effective = _reweighted(*rows)
    blocks = min(20, len(real), len(fake))
    without = [_reweighted(*(x[torch.arange(len(x)) % blocks != block] for x in rows))[0] for block in range(blocks)]
    spread = torch.stack(without).var(correction=0) * (blocks - 1)
    return value, spread.sqrt(), effective


def unseen(real_score: Float[Tensor, " N"], fake_score: Float[Tensor, " M"]) -> Float[Tensor, ""]:
    """The share of real sentences that score higher than every generated one: what no weight of a sample brings back.

    >>> unseen(torch.tensor([1.0, 2.0, 3.0, 9.0]), torch.tensor([3.0, -1.0]))
    tensor(0.2500, dtype=torch.float64)
    """
    return (real_score > fake_score.max()).double().mean()


def _reweighted(real: Tensor, real_score: Tensor, fake: Tensor, fake_score: Tensor) -> tuple[Tensor, Tensor]:
    log_z = fake_score.logsumexp(0) - math.log(len(fake))
    weight = fake_score.softmax(0)
    never = real.isposinf()  # what G cannot write no weight brings back
    of_real = direct_jsd((real - real_score + log_z).masked_fill(never, math.inf))
    of_fake = (weight * direct_jsd(fake_score - log_z - fake)).masked_fill(weight == 0, 0.0)
    return (of_real.mean() + of_fake.sum()) / 2, 1 / (len(weight) * weight.square().sum())


def conditionals(
    p_logp: Float[Tensor, "*N V"], g_logp: Float[Tensor, "*N V"], ratio: Float[Tensor, " *N"]
) -> Conditionals:
    r"""Divergences of the next token, each summed exactly over the vocabulary, in nats (``tv`` from 0 to 1).

    ``ratio`` is r(x<t). ``information`` is the prefix's term of the chain-rule JSD,

    .. math:: H(w P_t + (1-w) G_t) - w H(P_t) - (1-w) H(G_t), \qquad w = \sigma(r(x_{<t})),

    which is what the token tells about who writes. Computed in that form, h(r) − Σ_v m_v h(r + log P_t/G_t) with
    m = w P_t + (1−w) G_t and h the binary entropy, it does not cancel when w is near 0 or 1. Its mean over
    prefixes from M is the JSD that position t adds. (With w fixed at ½ it would not be: sums exceed log 2.)

    A row of −inf, or of NaN, is a P that says nothing (after a prefix it cannot write): ``information`` is 0
    there, as ``ratio`` is −inf, and the others mean nothing.

    >>> p, g = torch.tensor([[0.5, 0.5, 0.0]]).log(), torch.tensor([[0.0, 0.5, 0.5]]).log()
    >>> found = conditionals(p, g, torch.tensor([0.0]))
    >>> found.kl_pg, found.tv, found.entropy_p, found.information  # ½ log 2 is learnt: one token in two gives it away
    (tensor([inf]), tensor([0.5000]), tensor([0.6931]), tensor([0.3466]))
    """
    never_p, never_g = _never(p_logp), _never(g_logp)
    p_logp, g_logp = (x.nan_to_num(nan=NEVER).clamp_min_(NEVER) for x in (p_logp, g_logp))
    p, g = (x.clamp_min(TINIEST).exp_() for x in (p_logp, g_logp))
    difference = p_logp - g_logp
    kl_pg, kl_gp = _dot(p, difference).clamp_min(0), _dot(g, -difference).clamp_min(0)
    if never_g is not None:
        kl_pg = kl_pg.masked_fill((never_g & (p_logp > NEVER)).any(-1), math.inf)
    if never_p is not None:
        kl_gp = kl_gp.masked_fill((never_p & (g_logp > NEVER)).any(-1), math.inf)
    tv = (p - g).abs_().sum(-1) / 2
    entropy_p, entropy_g = -_dot(p, p_logp), -_dot(g, g_logp)
    odds = ratio.to(p.dtype).clamp(-CERTAIN, CERTAIN).unsqueeze(-1)
    either = p.mul_(odds.sigmoid()).addcmul_(g, (-odds).sigmoid())
    still_unsure = _dot(either, binary_entropy(difference.add_(odds)))
    information = (binary_entropy(odds).squeeze(-1) - still_unsure).clamp_min(0)
    return Conditionals(kl_pg, kl_gp, tv, entropy_p, entropy_g, information)


def generalised_jsd(p_logp: Float[Tensor, "*N V"], g_logp: Float[Tensor, "*N V"], beta: float) -> Float[Tensor, " *N"]:
    r"""From log-probabilities, all of them finite, one number a row, in nats; can be differentiated.

    .. math:: \beta\,\mathrm{KL}(P\|M) + (1-\beta)\,\mathrm{KL}(G\|M), \qquad M = \beta P + (1-\beta) G

    JSD at ½; at 0 and 1 KL(P‖G) and KL(G‖P), which are its limits over β and over 1 − β. Source: Agarwal et al. 2023,
    arXiv:2306.13649, eq. 1.

    >>> p, g = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.75, 0.25]).log()
    >>> [round(generalised_jsd(p, g, beta).item(), 4) for beta in (0.0, 0.5, 1.0)]
    [0.1438, 0.0338, 0.1308]
    """
    if beta in (0.0, 1.0):
        own, other = (p_logp, g_logp) if beta == 0.0 else (g_logp, p_logp)
        return _dot(own.exp(), own - other)
    m = torch.logaddexp(p_logp + math.log(beta), g_logp + math.log1p(-beta))
    return beta * _dot(p_logp.exp(), p_logp - m) + (1 - beta) * _dot(g_logp.exp(), g_logp - m)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return torch.linalg.vecdot(x, y)


def _never(logp: Tensor) -> Tensor | None:
    """Where a token is impossible; None, the usual case, where none is."""
    return None if logp.amin() > NEVER else ~(logp > NEVER)


def compare(
    p_logits: Float[Tensor, "B T V"],
    g_logits: Float[Tensor, "B T V"],
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
) -> Comparison:
    """Both models along the same sentences: r(x<=t), and what they say of every next token.

    Works through a few rows of logits at a time: beside its arguments it needs a few MB, whatever B and T are.
    """
    length, size = p_logits.shape[1:]
    rows = BLOCK // (length * size) * length or max(1, BLOCK // size)  # whole sentences, where one fits
    parts = [*zip(*(some.flatten(0, 1).split(rows) for some in (p_logits, g_logits)), strict=True)]
    ids = tokens.masked_fill(~mask, 0).flatten().unsqueeze(1).split(rows)
    chosen = [[some.log_softmax(-1).gather(1, at) for some in both] for both, at in zip(parts, ids, strict=True)]
    ratio = prefix_log_ratio(*(torch.cat(column).view(mask.shape) for column in zip(*chosen, strict=True)), mask)
    open_odds = before(ratio).flatten().split(rows)
    found = [
        conditionals(*(some.log_softmax(-1) for some in both), at) for both, at in zip(parts, open_odds, strict=True)
    ]
    at = (torch.cat(column).view(mask.shape) for column in zip(*found, strict=True))
    return Comparison(ratio, Conditionals(*(value.double().masked_fill(~mask, 0.0) for value in at)))


def regret(true: Float[Tensor, " *N"], score: Float[Tensor, " *N"]) -> Float[Tensor, " *N"]:
    r"""KL(D*‖D) of one decision from the log-odds of both, in nats and float64: how much worse D bets than D*.

    .. math:: \mathrm{KL}(D^*\|D) = D^* \log\frac{D^*}{D} + (1 - D^*) \log\frac{1 - D^*}{1 - D}

    Its mean over M, ½ over real and ½ over generated sentences, is BCE(D) − BCE(D*) ≥ 0.

    >>> regret(torch.tensor([0.0, torch.inf]), torch.tensor([0.0, 0.0]))  # right; should have been sure of "real"
    tensor([0.0000, 0.6931], dtype=torch.float64)
    """
    true, score = true.double(), score.double()
    real, fake = true.sigmoid(), (-true).sigmoid()
    loss_real = (real * softplus(-score)).masked_fill(real == 0, 0.0)
    loss_fake = (fake * softplus(score)).masked_fill(fake == 0, 0.0)
    return (loss_real + loss_fake - binary_entropy(true)).clamp_min(0.0)


def drift(before: Float[Tensor, " N"], now: Float[Tensor, " N"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """How far a reward of the same sentences has moved, and the standard error of that, in nats and float64.

    The standard deviation of the change: a constant added to all rewards is what every baseline takes off. As P stays,
    the change of the best reward log P/G is that of log G, which does as well. inf where a reward became infinite.

    >>> drift(torch.tensor([0.0, 0.0, 0.0, 0.0]), torch.tensor([1.0, 3.0, 3.0, 1.0]))
    (tensor(1., dtype=torch.float64), tensor(0., dtype=torch.float64))
    """
    change = now.double() - before.double()
    if not change.isfinite().all():
        return change.new_tensor(math.inf), change.new_tensor(math.inf)
    square = (change - change.mean()).square()
    value = square.mean().sqrt()
    error = square.std(correction=0) / (2 * value * math.sqrt(len(change)))
    return value, error.nan_to_num(nan=0.0)


def horizon(prefix_jsd: Float[Tensor, " T"]) -> float | None:
    """How many tokens it takes until the prefix JSD reaches ½ log 2, interpolated; None where it never does.

    >>> horizon(torch.tensor([0.1, 0.2, 0.4])), horizon(torch.tensor([0.1, 0.2]))  # 2 + (.3466 − .2) / .2
    (2.732867..., None)
    """
    curve = F.pad(prefix_jsd.double(), (1, 0))
    above = (curve >= LOG2 / 2).nonzero()
    if not len(above):
        return None
    after = int(above[0])
    low, high = curve[after - 1].item(), curve[after].item()
    return after - 1 + (LOG2 / 2 - low) / (high - low)


def exposure_error(free_running: Float[Tensor, " T"], teacher_forced: Float[Tensor, " T"]) -> float | None:
    r"""ExAccErr%: the error that exposure bias adds to what G would err anyway, in percent.

    .. math:: 100 \left(\frac{\sum_{t \le l} FR_t}{\sum_{t \le l} TF_t} - 1\right), \qquad l = \min(T, 100)

    with a divergence d(P_t, G_t) averaged over prefixes that G (FR) or P (TF) wrote; NaN marks a position that
    no sentence reaches and is left out. None where the ratio says nothing (TF is 0 or infinite).
    Source: Arora et al. 2022, arXiv:2204.01171.

    >>> exposure_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    50.0
    """
    both = ~(free_running.isnan() | teacher_forced.isnan())
    both[EXPOSURE_LENGTH:] = False
    free, forced = free_running[both].sum().item(), teacher_forced[both].sum().item()
    return 100 * (free / forced - 1) if 0 < forced < math.inf else None
