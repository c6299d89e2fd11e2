"""What one process of many needs to know, with torch.distributed alone.

Rows of a global batch are dealt like cards: rank r of W holds rows r, r + W, r + 2W, … so that the first n rows of a
batch are the same sentences however many processes share them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if world_size() > 1 else 0


def shard(rows: Tensor) -> Tensor:
    """This rank's rows of a global batch."""
    return rows[rank() :: world_size()] if world_size() > 1 else rows


def gather(rows: Tensor) -> Tensor:
    """The global batch, in its own order, from every rank's equally many rows. No gradient flows through it."""
    if world_size() == 1:
        return rows.detach()
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.stack(parts, 1).flatten(0, 1)


def of_every_rank(value: Tensor) -> Tensor:
    """Every rank's value of the same shape, stacked. No gradient flows through it."""
    return gather(value.unsqueeze(0))


def unshard(rows: Tensor) -> Tensor:
    """The global batch, in its own order, from every rank's equally many rows joined end to end."""
    return rows.unflatten(0, (world_size(), -1)).transpose(0, 1).flatten(0, 1)


def all_max(value: Tensor) -> Tensor:
    """The greatest over ranks."""
    if world_size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return value


def greatest_of(own: int, device: torch.device) -> int:
    """The greatest of one plain number a rank; alone, no tensor is made of it, so that every step may ask."""
    return own if world_size() == 1 else int(all_max(torch.tensor(int(own), device=device)))


def all_mean(values: Tensor) -> Tensor:
    """The mean over ranks."""
    if world_size() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / world_size()


def lost(error: RuntimeError) -> bool:
    """Whether ``error`` only says that another process is gone, or cannot be reached."""
    gloos = any(sign in str(error) for sign in ("gloo", "pair closure"))  # of a class that says nothing
    return isinstance(error, dist.DistError) or (world_size() > 1 and gloos)
