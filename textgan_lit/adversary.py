"""The discriminator's losses."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from textgan_lit.distributed import mean
from textgan_lit.game import Game
from textgan_lit.objective import Objective
from textgan_lit.types import Outcome, TextBatch


@final
class Minimax(Objective):
    """Binary cross-entropy of real against generated (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1).

    −½ E_P log D − ½ E_G log(1 − D), each a mean over all ranks' words or sentences, whichever D scores. Its
    least value at a fixed generator is log 2 − JSD(P‖G).
    """

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        written = game.sample(len(batch.tokens)).batch
        words, mask = (torch.cat(pair) for pair in zip(batch, written, strict=True))
        score = game.score(words, mask)
        judged = mask.float() if score.dim() == 2 else torch.ones_like(score)
        (real, fake), (of_real, of_fake) = score.chunk(2), judged.chunk(2)
        loss = 0.5 * (_mean(F.softplus(-real), of_real) + _mean(F.softplus(fake), of_fake))
        accuracy = 0.5 * (_mean((real > 0).float(), of_real) + _mean((fake <= 0).float(), of_fake))
        return Outcome(loss, {"bce": loss.detach(), "accuracy": accuracy.detach()})


def _mean(value: Float[Tensor, "B *T"], judged: Float[Tensor, "B *T"]) -> Float[Tensor, ""]:
    """This rank's part of the mean over all ranks' scores; the mean of the parts is that mean."""
    return (value * judged).sum() / mean(judged.sum())
