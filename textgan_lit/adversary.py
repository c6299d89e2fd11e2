"""The discriminator's losses."""

from __future__ import annotations

from typing import final

import torch
from torch.nn import functional as F

from textgan_lit.game import Game
from textgan_lit.objective import Objective
from textgan_lit.types import Outcome, TextBatch


@final
class Minimax(Objective):
    """Binary cross-entropy of real against generated (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1).

    −½ E_P log D − ½ E_G log(1 − D), a mean over real words or sentences, whichever D scores. Its least
    value at a fixed generator is log 2 − JSD(P‖G).
    """

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        fake = game.sample(len(batch.tokens))
        words = torch.cat([batch.tokens, fake.tokens])
        masks = torch.cat([batch.mask, fake.mask])
        real_score, fake_score = game.score(words, masks).chunk(2)
        real_where, fake_where = masks.chunk(2)
        if real_score.dim() == 2:
            real_score, fake_score = real_score[real_where], fake_score[fake_where]
        loss = 0.5 * (F.softplus(-real_score).mean() + F.softplus(fake_score).mean())
        accuracy = 0.5 * ((real_score > 0).float().mean() + (fake_score <= 0).float().mean())
        return Outcome(loss, {"bce": loss.detach(), "accuracy": accuracy.detach()})
