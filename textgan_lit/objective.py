"""What a turn makes smaller. Here: losses that need no discriminator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import nn

from textgan_lit.distributed import mean
from textgan_lit.functional.likelihood import nll
from textgan_lit.game import Game
from textgan_lit.types import Outcome, TextBatch


class Objective(nn.Module, ABC):
    """game, real sentences → loss and logs.

    Players are passed in and never stored: whatever an objective keeps is its own memory, and is saved.
    As many sentences are generated as real ones are given.
    """

    null: bool = False  # whether it is a control that must not teach
    epochs: int = 1  # turns in a row that share one set of samples

    @abstractmethod
    def forward(self, game: Game, batch: TextBatch) -> Outcome: ...


@final
class Likelihood(Objective):
    """Maximum likelihood with teacher forcing: total nats / total words over all ranks, eos included."""

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        words = batch.mask.sum(dtype=torch.float)
        share = words / mean(words)  # so that every word counts alike, whichever rank reads it
        loss = nll(game.generator.logp(batch, game.policy), batch.mask) * share
        return Outcome(loss, {"nll": loss.detach()})
