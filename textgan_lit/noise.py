"""Uniform numbers as a pure function of their name.

Every sentence is a deterministic map of one uniform number a token (the design note's inverse-transform
view), and every uniform number is a function of (seed, purpose, count). So evaluation cannot disturb
training, the same noise gives sentences that can be followed through training, a resumed run needs no
saved stream, and a rank can draw its own rows of the global batch.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor

from textgan_lit.run.distributed import shard, world_size


def stream(*name: int | str) -> torch.Generator:
    """A CPU random stream that depends on its name alone."""
    return torch.Generator().manual_seed(_seed(*name))


def reseed(*name: int | str) -> None:
    """Starts torch's own streams, from which dropout draws, anew from a name."""
    torch.manual_seed(_seed(*name))


def _seed(*name: int | str) -> int:
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class Noise:
    """One named stream of uniform numbers, dealt to the ranks row by row.

    >>> Noise(0, "a").uniform(2, 3).equal(Noise(0, "a").uniform(2, 3))
    True
    """

    def __init__(self, *name: int | str, device: torch.device | str = "cpu"):
        self.stream = stream(*name)
        self.device = device
        self.drawn = 0  # uniform numbers over all ranks: how many tokens were asked for

    def uniform(self, rows: int, *shape: int) -> Float[Tensor, "B ..."]:
        """Numbers in [0, 1): this rank's ``rows`` of a global draw of rows × world."""
        everyone = torch.rand(rows * world_size(), *shape, generator=self.stream)
        self.drawn += everyone.numel()
        return shard(everyone).to(self.device)

    def permutation(self, n: int) -> Tensor:
        """A permutation of 0 … n-1, the same on every rank."""
        return torch.randperm(n, generator=self.stream).to(self.device)
