"""Goals in a space of features, and how far a sentence went where they point (LeakGAN: Guo et al. 2018,
arXiv:1709.08624)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, pad

STILL = 1e-4  # a change of features that is no longer than this is their rounding, and has no direction


def transitions(seen: Float[Tensor, "B _ F"], goals: Float[Tensor, "B T F"], horizon: int) -> Float[Tensor, "B T"]:
    r"""How well each goal foretold where the features would be c = ``horizon`` tokens later, or at the end (eq. 8).

    .. math:: \cos(f_{\min(t + c, T)} - f_t, \; g_t)

    ``seen`` holds f_0 … f_T, the features after so many tokens. A cosine is 0 where nothing moved.

    >>> east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    >>> seen = torch.stack([0 * east, east, east + north]).unsqueeze(0)  # one token leads east, the next one north
    >>> transitions(seen, torch.stack([east, east]).unsqueeze(0), horizon=1)
    tensor([[1., 0.]])
    """
    length = goals.shape[1]
    later = torch.arange(horizon, length + horizon, device=goals.device).clamp_max(length)
    return cosine_similarity(seen[:, later] - seen[:, :-1], goals, dim=2, eps=STILL)


def intrinsic(seen: Float[Tensor, "B _ F"], goals: Float[Tensor, "B T F"], horizon: int) -> Float[Tensor, "B T"]:
    r"""How far each token went where the goals before it point: its intrinsic reward, from −1 to 1 (eq. 9).

    .. math:: r_t = \frac1n \sum_{i=1}^{n} \cos(f_t - f_{t-i}, \; g_{t-i}), \qquad n = \min(c, t)

    for tokens t = 1 … T.

    >>> east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    >>> seen = torch.stack([0 * east, east, east + north]).unsqueeze(0)
    >>> intrinsic(seen, torch.stack([east, north]).unsqueeze(0), horizon=2)  # 1, and the mean of 1 and cos 45°
    tensor([[1.0000, 0.8536]])
    """
    length = goals.shape[1]
    total, count = torch.zeros_like(goals[..., 0]), torch.zeros_like(goals[0, :, 0])
    for back in range(1, min(horizon, length) + 1):
        followed = cosine_similarity(seen[:, back:] - seen[:, :-back], goals[:, : length + 1 - back], dim=2, eps=STILL)
        total = total + pad(followed, (back - 1, 0))
        count[back - 1 :] += 1
    return total / count
