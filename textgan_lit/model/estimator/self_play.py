"""A game without a second network: the generator against itself of some steps ago."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, final

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional as F

from textgan_lit.errors import UserError
from textgan_lit.model.control import Control
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.types import Outcome, TextBatch


@final
class SelfPlay(Loss):
    r"""G is told from the frozen G_old that it was, by its own density.

    .. math:: D(x) = \sigma(\log G(x) - \log G_\mathrm{old}(x)), \qquad
              -\tfrac12 E_P \log D - \tfrac12 E_{G_\mathrm{old}} \log(1 - D)

    DGSAN (Montahaei et al. 2019, arXiv:1908.09127); the form returns as SPIN (Chen et al. 2024, arXiv:2401.01335). The
    best such D has log G/G_old = log P/G_old, so G = P is the answer whatever G_old is. Every ``refresh`` steps
    G_old becomes today's G. A ``control`` deals the labels at random.
    """

    claim = Claim("¼·KL(P‖G)")  # at G = G_old, where D = ½

    reads_real = True

    def __init__(self, generator: Generator, control: Control | None = None, refresh: Annotated[int, Ge(1)] = 50):
        super().__init__()
        if control is not None and not control.shuffles:
            raise UserError(
                f"estimator=self_play rewards nothing that {type(control).__name__} could stand for. Use "
                "model/control=shuffled, which deals its labels at random."
            )
        self.refresh, self.null = refresh, control is not None
        self.old = generator.frozen()
        self.register_buffer("played", torch.zeros((), dtype=torch.long))

    def train(self, mode: bool = True) -> SelfPlay:
        return super().train(False)  # what it was never drops anything out

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        generator.need_likelihood("estimator=self_play", "model/estimator=score_function")

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        if int(self.played) % self.refresh == 0:
            self.old.load_state_dict(game.generator.state_dict())
        self.played += 1
        written = replace(game, generator=self.old).sample(len(batch.tokens)).batch
        odds = self._odds(game, TextBatch(*(torch.cat(pair) for pair in zip(batch, written, strict=True))))
        if self.null:
            odds = odds[game.noise.permutation(len(odds))]
        real, fake = odds.chunk(2)
        loss = 0.5 * (F.softplus(-real) + F.softplus(fake)).mean()
        return Outcome(loss, {"bce": loss.detach(), "accuracy": 0.5 * ((real > 0).float() + (fake <= 0)).mean()})

    def _odds(self, game: Game, batch: TextBatch) -> Tensor:
        with torch.no_grad():
            before = self.old.logp(batch, game.policy).sum(1)
        return game.generator.logp(batch, game.policy).sum(1) - before
