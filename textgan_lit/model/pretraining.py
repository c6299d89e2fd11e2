"""Likelihood pretraining keeps its best: where a worse validation goes back to, and what a game is compared with."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.optim import Optimizer

from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Generator
from textgan_lit.run.distributed import all_mean, shard
from textgan_lit.types import TextBatch

AT_ONCE = 128  # held-out sentences of about one length


@final
class Pretraining:
    """The generator's weights at the best validation of its pretraining; None before the first one."""

    best: dict[str, Tensor] | None = None

    def validated(self, generator: Generator, optimizer: Optimizer, better: bool) -> None:
        """Keeps weights that are better than any before; else goes back to those that were, and halves the rate."""
        if better or self.best is None:
            self.keep(generator)
            return
        generator.load_state_dict(self.best)
        for group in optimizer.param_groups:
            for rate in group.keys() & {"lr", "initial_lr"}:
                group[rate] *= 0.5

    def keep(self, generator: Generator) -> None:
        """Takes its weights for the best."""
        self.best = {name: value.detach().clone() for name, value in generator.state_dict().items()}

    def generator(self, now: Generator) -> Generator | None:
        """A generator like ``now`` with the best weights, where there are any."""
        if self.best is None:
            return None
        before = now.frozen()
        before.load_state_dict(self.best)
        return before


@torch.no_grad()
def held_out_nll(game: Game, held_out: TextBatch) -> float:
    """Nats a token of held-out sentences, each rank judging its share of them. Players must be in eval mode."""
    mine = TextBatch(*(shard(part) for part in held_out))
    parts = mine.by_length(AT_ONCE) if game.vocab.has_eos and game.generator.likelihood == "exact" else [mine]
    nats = -sum(game.likelihood(part).double().sum() for part in parts)
    total, tokens = all_mean(torch.stack([nats, mine.mask.sum().double()])).tolist()
    return total / tokens
