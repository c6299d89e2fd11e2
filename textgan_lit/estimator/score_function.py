"""The score-function gradient: REINFORCE with a discriminator as reward."""

from __future__ import annotations

from typing import final

import torch

from textgan_lit.baseline import Baseline
from textgan_lit.credit import Credit
from textgan_lit.distributed import gather, mean, own_rows
from textgan_lit.functional.policy_gradient import surrogate
from textgan_lit.game import Game, silence_dropout
from textgan_lit.objective import Objective
from textgan_lit.reward import Reward
from textgan_lit.types import Outcome, TextBatch


@final
class ScoreFunction(Objective):
    """Sample, score, reward, credit, baseline; then Σ_t advantage · log G(x_t | x<t) (Williams 1992).

    The generator samples and re-scores without dropout, so that what wrote is what is improved.
    """

    def __init__(self, reward: Reward, credit: Credit, baseline: Baseline):
        super().__init__()
        self.reward, self.credit, self.baseline = reward, credit, baseline
        self.null = reward.null

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        rollout = game.sample(len(batch.tokens))
        with torch.no_grad():
            value = self.credit(self.reward, game, rollout)
            if self.reward.shuffles:
                everyone = gather(value)
                value = own_rows(everyone[game.noise.permutation(len(everyone))])
            advantage = (value - self.baseline(value, rollout.mask)) * rollout.mask
        logp = game.generator.logp(rollout.batch, game.policy)
        words = mean(rollout.mask.sum(dtype=torch.float))
        logs = {
            "reward": value.sum() / words,
            "advantage_rms": (mean(advantage.square().sum()) / words).sqrt(),
            "entropy": -rollout.logp.sum() / words,
        }
        return Outcome(surrogate(logp, advantage, rollout.mask), logs)
