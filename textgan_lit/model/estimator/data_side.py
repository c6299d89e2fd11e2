"""The score-function gradient on real sentences, by importance weights."""

from __future__ import annotations

from typing import final

import torch

from textgan_lit.errors import UserError
from textgan_lit.functional.policy_gradient import surrogate
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.reward import LogOdds, LogProbability, Reward, Score
from textgan_lit.types import Outcome, TextBatch

NEVER = -1e4  # log-odds of what P cannot write
MOST = 700.0  # … and from where on exp overflows


@final
class DataSide(Loss):
    r"""E_P [G/P · (r(x) − r₋)] in place of E_G r, with G/P = e^−s read off D and r₋ the reward of what P never writes.

    .. math:: \nabla E_G r = E_P\big[e^{-s(x)} (r(x) - r_-)\, \nabla \log G(x)\big]

    exactly, where s = log P/G: with ``discriminator=empirical`` it is the gradient of JSD(P_n‖G), P_n the training
    sentences' frequencies (JSDGAN: Li et al. 2019, arXiv:1909.09268). Weights are tiny where G is far from P,
    and 0 in float32 from s = 104 on: on long sentences of a large vocabulary nothing is taught.
    """

    reads_real = True

    def __init__(self, reward: Reward):
        super().__init__()
        if isinstance(reward, LogOdds | LogProbability | Score):
            raise UserError(
                f"estimator=data_side subtracts what a sentence earns that P never writes, and {type(reward).__name__} "
                "has no bottom. Use model/reward=minimax, probability, margin or ratio."
            )
        if reward.shuffles:
            raise UserError(
                "estimator=data_side learns from real sentences alone: weights dealt to other real sentences still "
                "teach, as likelihood does. Use model/control=constant, and compare with model=mle."
            )
        self.reward, self.null, self.claim = reward, reward.null, Claim(reward.divergence)

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        generator.need_likelihood("estimator=data_side", "model/estimator=score_function")
        if discriminator is None:
            raise UserError(
                "estimator=data_side weighs real sentences by a discriminator. "
                "Use model/discriminator=empirical, for example."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        with torch.no_grad():
            score = game.sentence_logit(batch).double().clamp_max(MOST)
            reward = self.reward.paid(score) - self.reward.paid(torch.full_like(score, NEVER))
            weight = ((-score).exp() * reward).float()
        logp = game.generator.logp(batch, game.policy)
        logs = {"reward": reward.float().mean(), "advantage_rms": weight.square().mean().sqrt()}
        return Outcome(surrogate(logp, weight.unsqueeze(1).expand_as(logp), batch.mask), logs)
