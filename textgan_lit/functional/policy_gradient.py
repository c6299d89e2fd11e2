"""The arithmetic of the score-function gradient."""

from __future__ import annotations

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

    >>> all_words, logp = torch.ones(2, 1, dtype=torch.bool), torch.tensor([[-1.0], [-2.0]])
    >>> surrogate(logp, torch.tensor([[3.0], [-1.0]]), all_words)  # −½ (3 · −1 + −1 · −2)
    tensor(0.5000)
    """
    return -(logp * advantage.detach() * mask).sum(1).mean()
