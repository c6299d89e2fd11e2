"""Cooperative training: a mediator's opinion on every token of the vocabulary, summed exactly."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.functional.policy_gradient import reward_to_go
from textgan_lit.model.baseline import LeaveOneOut
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds, Reward
from textgan_lit.run.distributed import all_mean, gather, shard
from textgan_lit.types import Outcome, TextBatch

LEAST = -1e4  # nats, of tokens that a policy leaves out


@final
class Exact(Loss):
    r"""½ KL(G‖M) of the next token, summed over the vocabulary, after prefixes that G wrote (CoT: Lu et al. 2018,
    arXiv:1804.03782, eq. 13).

    .. math:: \tfrac12 \sum_t \sum_v G(v | x_{<t}) \log\frac{G(v | x_{<t})}{M(v | x_{<t})}

    At M = (P + G)/2 the gradient of ½ KL(G‖M) with M held fixed is that of JSD(P‖G). Holding the prefixes fixed too, as
    the paper does, leaves out what a token does to the tokens after it. ``future`` = 1 brings that back as a
    score-function term and makes the gradient unbiased; between 0 and 1 it is discounted token by token. A reward that
    shuffles deals the mediator's opinions to other tokens, and what is to come to other sentences.
    """

    def __init__(self, reward: Reward, future: Annotated[float, Interval(ge=0, le=1)] = 0.0):
        super().__init__()
        kind = reward.of if isinstance(reward, Shuffled) else reward
        if not (isinstance(kind, LogOdds) or kind.null):
            raise UserError(
                f"estimator=exact ascends the mediator's log M/G itself, and {type(kind).__name__} would be another "
                "game. Use model/reward=log_odds; model/control=shuffled or constant goes with it."
            )
        if isinstance(reward, Constant) and future:
            raise UserError(
                "estimator.future with control=constant pays every token still to come, so it teaches length and is no "
                "null control. Use model/control=shuffled, or model.estimator.future=0."
            )
        self.reward, self.null, self.future = reward, reward.null, future
        bias = "prefixes are held fixed: some of what a token does to the tokens after it is left out"
        self.claim = Claim("JSD(P‖G)", bias if future < 1 else "")

    def worth(self, game: Game, sentences: TextBatch) -> Float[Tensor, "N T"]:
        """½ log M/G of this token and those after it."""
        with torch.no_grad():
            odds = game.discriminator.model.logp(sentences, Categorical()) - game.generator.logp(sentences, game.policy)
        return 0.5 * odds.flip(1).cumsum(1).flip(1) * sentences.mask

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        generator.need_likelihood("estimator=exact", "model/estimator=score_function")
        if not isinstance(discriminator, Mediator):
            raise UserError(
                "estimator=exact asks a mediator for every token, but the discriminator is "
                f"{type(discriminator).__name__}. Use model/discriminator=mediator with "
                "model/discriminator_loss=mediation, or model/estimator=score_function."
            )
        if not (generator.is_left_to_right and discriminator.model.is_left_to_right):
            raise UserError(
                "estimator=exact compares what G and M say of a token after the tokens before it, so both must write "
                "left to right. Use order=l2r for both, or model/estimator=score_function."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        written = game.sample(len(batch.tokens))
        chances = game.generator.predict(written.batch, game.policy).log_softmax(-1).clamp_min(LEAST)
        with torch.no_grad():
            mixture = game.discriminator.model.predict(written.batch, Categorical()).log_softmax(-1)
            returns = self.reward.paid(mixture - chances) * written.mask.unsqueeze(-1)
            if self.reward.shuffles:
                returns = returns[..., game.noise.permutation(game.vocab.size)]
            here = (chances.exp() * returns).sum(-1)
            later = reward_to_go(here, written.mask, self.future) - here if self.future else torch.zeros_like(here)
            if self.reward.shuffles and self.future:  # opinions on other tokens still say how prefixes differ
                everyone = gather(later)
                later = shard(everyone[game.noise.permutation(len(everyone))])
        gained = (chances.exp() * returns).sum(-1)
        if self.future:
            logp = game.generator.logp(written.batch, game.policy)
            gained = gained + logp * LeaveOneOut()(later, written.mask)
        tokens = all_mean(written.mask.sum(dtype=torch.float))
        logs = {"reward": here.sum() / tokens, "entropy": -written.logp.sum() / tokens}
        return Outcome(-0.5 * (gained * written.mask).sum() / len(gained), logs)
