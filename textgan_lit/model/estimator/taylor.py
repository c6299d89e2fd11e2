"""First-order rewards for every token of the vocabulary, in the manner of TaylorGAN.

Left out on purpose (Lin et al. 2020, arXiv:2011.13527, and the authors' code): the Gaussian kernel that spreads a
reward over tokens with similar embeddings; the discount of what a changed token does to the tokens after it.
"""

from __future__ import annotations

from typing import final

import torch

from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.estimator.slope import check_soft, slope
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.reward import Reward
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, TextBatch


@final
class Taylor(Loss):
    r"""Write sentences; what another token would have earned is read off the slope of the reward.

    .. math:: \hat r_t(v) = r(x) + \partial_t r(x) \cdot (e_v - e_{x_t}), \qquad
              \nabla \sum_t \sum_v G(v | x_{<t})\, \hat r_t(v)

    One backward pass through D gives a reward to every token of the vocabulary at every position: little variance.
    Biased by design: D is taken for linear between tokens, and the rest of the sentence stays as it was.
    """

    def __init__(self, reward: Reward):
        super().__init__()
        self.reward, self.null = reward, reward.null
        self.claim = Claim(reward.divergence, "D is taken for linear between tokens")

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        check_soft("taylor", discriminator)
        generator.need_prefixes("estimator=taylor", "model/estimator=score_function")

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        written = game.sample(len(batch.tokens))
        tokens = one_hot(written.tokens, written.mask, game.vocab.size)
        reward, direction = slope(self.reward, game, tokens, written.mask)
        chance = game.generator.predict(written.batch, game.policy, written.latent).softmax(-1)
        # the terms without v add up to a constant, whose gradient is 0
        loss = -(chance * direction).sum() / len(chance)
        tokens = all_mean(written.mask.sum(dtype=torch.float))
        return Outcome(loss, {"reward": reward, "entropy": -written.logp.sum() / tokens})
