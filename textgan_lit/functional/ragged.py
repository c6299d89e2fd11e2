"""Sentences of unequal length, without paying for the padding behind them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

GROUPS = 4  # of rows of about one length
ENOUGH = 0.8  # share of the positions that has to be left for it to be worth while
LEAST = 4096  # positions, below which a group is no quicker than its share of all


def by_length(
    network: Callable[..., Tensor], mask: Bool[Tensor, "B T"], *inputs: Shaped[Tensor, "B ..."]
) -> Float[Tensor, "B T H"]:
    """``network(*inputs)``, [B T H], for a few rows of about one length at a time, each without the columns behind
    its longest; 0 there.

    Row by row what stands within ``mask`` is the same, to rounding, where ``network`` takes each position from those
    up to it. Inputs whose second axis is T lose those columns, too. All at once where lengths would be waited for.
    """
    if mask.device.type != "cpu":
        return network(*inputs)
    length, columns = mask.sum(1), mask.shape[1]
    order = length.argsort()
    groups = order.chunk(min(GROUPS, 1 + mask.numel() // LEAST))
    longest = [max(1, int(length[rows].max())) for rows in groups]
    left = sum(len(rows) * most for rows, most in zip(groups, longest, strict=True))
    if left > ENOUGH * mask.numel():
        return network(*inputs)
    parts = []
    for rows, most in zip(groups, longest, strict=True):
        some = (one[rows] for one in inputs)
        part = network(*(one[:, :most] if one.shape[1:2] == (columns,) else one for one in some))
        parts.append(torch.nn.functional.pad(part, (0, 0, 0, columns - most)))
    return torch.cat(parts)[order.argsort()]
