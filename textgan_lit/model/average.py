"""An average of the generator's weights: what is judged, saved and sampled from, while the game goes on without it."""

from __future__ import annotations

from typing import final

import torch
from torch import nn

from textgan_lit.model.generator.base import Generator


@final
class Average(nn.Module):
    """A generator with the weights of another, averaged over its steps: each leaves ``ema`` of what they were."""

    def __init__(self, generator: Generator, ema: float):
        super().__init__()
        self.generator, self.ema = generator.frozen(), ema

    @torch.no_grad()
    def follow(self, generator: Generator, update: str) -> None:
        """Takes over a part of the weights after a step of the game, and all of them before."""
        share = 1 - self.ema if update == "generator" else 1.0
        for old, new in zip(self.generator.state_dict().values(), generator.state_dict().values(), strict=True):
            old.lerp_(new, share) if old.is_floating_point() else old.copy_(new)
