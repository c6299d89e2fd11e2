"""The arithmetic of the score-function gradient."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def reward_to_go(reward: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], gamma: float) -> Float[Tensor, "B T"]:
    r"""Discounted sum of the rewards still to come; 0 on padding.

    .. math:: G_t = \sum_{s \ge t} \gamma^{s-t} r_s

    Source: d'Autume et al. 2019 (ScratchGAN), arXiv:1905.09922, section 3.1.

    >>> reward_to_go(torch.tensor([[1., 2., 4.]]), torch.ones(1, 3, dtype=torch.bool), gamma=0.5)
    tensor([[3., 4., 4.]])
    """
    total, totals = torch.zeros_like(reward[:, 0]), []
    for now in (reward * mask).flip(1).unbind(1):
        total = now + gamma * total
        totals.append(total)
    return torch.stack(totals[::-1], 1) * mask


def surrogate(
    logp: Float[Tensor, "B T"], advantage: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    r"""A loss whose gradient is the score-function estimate (Williams 1992), a mean over sentences.

    .. math:: \nabla_\theta L = -\frac1B \sum_b \sum_t A_{bt} \nabla_\theta \log G(x_{bt} | x_{b,<t})

    ``advantage`` is held fixed.

    >>> all_tokens, logp = torch.ones(2, 1, dtype=torch.bool), torch.tensor([[-1.0], [-2.0]])
    >>> surrogate(logp, torch.tensor([[3.0], [-1.0]]), all_tokens)  # −½ (3 · −1 + −1 · −2)
    tensor(0.5000)
    """
    return -(logp * advantage.detach() * mask).sum(1).mean()


def clipped_surrogate(
    logp: Float[Tensor, "B T"],
    before: Float[Tensor, "B T"],
    advantage: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    clip: float | None,
    per: Literal["sentence", "token"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    r"""The surrogate for several steps on one set of samples, and the share of ratios that have left the clip.

    .. math:: L = -\frac1B \sum_b \sum_t \min(\rho\, A_{bt},\ \mathrm{clip}(\rho, 1 - \epsilon, 1 + \epsilon)\, A_{bt})

    ρ is G/G_before of the token given the tokens before it; ``before`` is log G_before of the tokens when they were
    written. ``per="sentence"`` takes a sentence for one action: one ρ, and the mean of its tokens' advantages, which
    should be alike. Without ``clip`` that ρ is an importance weight, and the estimate unbiased however far G has moved.
    At ρ = 1 both have the gradient of :func:`surrogate`.
    Source: Schulman et al. 2017 (PPO), arXiv:1707.06347, eq. 7.

    >>> settings = torch.ones(1, 2, dtype=torch.bool), 0.2, "token"
    >>> logp = torch.tensor([[0.5, 0.0]]).log1p()  # the first token has become half as likely again: 1.5 counts as 1.2
    >>> clipped_surrogate(logp, torch.zeros(1, 2), torch.ones(1, 2), *settings)
    (tensor(-2.2000), tensor(0.5000))
    """
    moved, advantage = (x.masked_fill(~mask, 0.0) for x in (logp - before.detach(), advantage.detach()))
    if per == "sentence":
        moved, advantage = moved.sum(1, keepdim=True), (advantage.sum(1) / mask.sum(1)).unsqueeze(1)
        mask = mask.any(1, keepdim=True)
    ratio = moved.exp()
    inside = ratio if clip is None else ratio.clamp(1 - clip, 1 + clip)
    loss = -torch.minimum(ratio * advantage, inside * advantage).sum(1).mean()
    return loss, ((ratio != inside) & mask).sum() / mask.sum()


def sampled_kl(
    logp: Float[Tensor, "B T"], before: Float[Tensor, "B T"], reference: Float[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    r"""KL(G‖G₀) of the next token, estimated from the one that was drawn: Schulman's k3, weighted by importance.

    .. math:: \rho\,(r - 1 - \log r), \qquad r = \frac{G_0}{G}, \quad \rho = \frac{G}{G_\mathrm{before}}

    of each token given those before it: ``logp`` is log G now, ``before`` that when it was drawn, ``reference`` log G₀.
    As a loss its expected gradient is that of KL(G‖G₀), E −ρ log r ∇log G, for it is differentiated in ρ, too. Without
    ρ, which is 1 where G has not moved, it would have that of KL(G₀‖G), E (1 − r) ∇log G (Tang & Munos 2025,
    arXiv:2506.09477), and once G has moved another value.
    Source: http://joschu.net/blog/kl-approx.html; with ρ: DeepSeek-AI 2025, arXiv:2512.02556.

    >>> sampled_kl(*(torch.tensor([[chance]]).log() for chance in (0.5, 0.5, 0.25)))  # ½ − 1 + log 2
    tensor([[0.1931]])
    """
    ratio = (logp - before.detach()).exp()
    return (reference - before).exp().detach() - ratio * (1 + reference.detach() - logp)
