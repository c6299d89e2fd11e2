"""What a turn makes smaller. Here: losses that need no discriminator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

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

    # What the gradient is said to be, if the objective moves the generator. The audit holds it to that.
    divergence: str = ""  # what is descended with D at its best, as functional.enumeration reads it; "": not claimed
    bias: str = ""  # in words, why the expected gradient is another one by design
    fades: str = ""  # what makes that vanish: "batch" (as it grows), or a setting of the objective (as it falls)
    per_word: bool = False  # whether the loss is a mean over words; else over sentences

    def worth(self, game: Game, sentences: TextBatch) -> Float[Tensor, "N T"] | None:
        """What each word earns in the claim with D held fixed; None: what ``reward`` and ``credit`` say."""
        return None

    @abstractmethod
    def forward(self, game: Game, batch: TextBatch) -> Outcome: ...


@final
class Likelihood(Objective):
    """Maximum likelihood with teacher forcing: total nats / total words over all ranks, eos included."""

    divergence = "KL(P‖G)"
    bias = "a batch's nats over a batch's words: a ratio, off by O(1/B) where lengths vary"
    fades = "batch"
    per_word = True

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        words = batch.mask.sum(dtype=torch.float)
        share = words / mean(words)  # so that every word counts alike, whichever rank reads it
        loss = nll(game.generator.logp(batch, game.policy), batch.mask) * share
        return Outcome(loss, {"nll": loss.detach()})
