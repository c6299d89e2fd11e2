"""One of V things by one uniform number: inverse-transform sampling."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCKED_FROM = 400  # from this many tokens on, the cumulative sum is taken over blocks first
BELOW = 1 - 2**-23  # times a float32: less than it, by one or two of its smallest steps


def draw(logits: Float[Tensor, "B V"], uniform: Float[Tensor, " B"]) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
    """One token a row by inverse CDF, and its log-probability.

    The cumulative sum is float32: its edges, like the uniform numbers, have 24 bits. A token whose probability rounds
    to 0 is never drawn, for no uniform in [0, 1). Cost: one softmax and one pass over V; no random number per
    vocabulary item (which is what makes ``torch.multinomial`` slow at large V).

    >>> draw(torch.tensor([[0.0, 0.0]]).log_softmax(-1), torch.tensor([0.49]))
    (tensor([0]), tensor([-0.6931]))
    """
    weight = logits.float().softmax(-1)  # one call: on CPU it takes half the time of a subtraction and an exp
    token = _invert(weight, uniform.float().unsqueeze(-1))
    return token.squeeze(-1), weight.gather(-1, token).log().squeeze(-1)


def _invert(weight: Float[Tensor, "B V"], uniform: Float[Tensor, "B 1"]) -> Int[Tensor, "B 1"]:
    """The first index whose cumulative weight exceeds uniform × total.

    For large V the block is found first, among about √V sums, then the token inside its block.
    """
    size = weight.shape[-1]
    if size < BLOCKED_FROM:
        cdf = weight.cumsum(-1)
        return _first_above(cdf, uniform * cdf[:, -1:])
    width = _block_width(size)
    padded = weight if size % width == 0 else torch.nn.functional.pad(weight, (0, -size % width))
    padded = padded.unflatten(-1, (-1, width))
    sums = padded.sum(-1)
    blocks = sums.cumsum(-1)
    target = uniform * blocks[:, -1:]
    block = _first_above(blocks, target)
    rest = target - (blocks - sums).gather(-1, block)
    inside = padded.gather(1, block.unsqueeze(-1).expand(-1, 1, width)).squeeze(1)
    return _first_above(inside.cumsum(-1), rest).add_(block, alpha=width).clamp_max_(size - 1)


@functools.cache
def _block_width(size: int) -> int:
    """About √V, and a divisor of V where there is one nearby: then nothing needs padding."""
    root = round(size**0.5)
    near = [width for width in range(root // 2, 2 * root) if size % width == 0]
    return min(near, key=lambda width: abs(width - root), default=root)


def _first_above(cdf: Float[Tensor, "B W"], target: Float[Tensor, "B 1"]) -> Int[Tensor, "B 1"]:
    # Rounding can lift the target to the very top, or below 0; just below the top there is always a token that can be
    # drawn.
    above = torch.searchsorted(cdf, target.clamp_min(0.0).minimum(cdf[:, -1:] * BELOW), right=True)
    return above.clamp_max_(cdf.shape[-1] - 1)  # where all are NaN there is none: who reads the log-probability sees it
