"""Generalised knowledge distillation: P's next-token distributions, on G's own sentences and the data's."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.functional.divergence import generalised_jsd
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Likelihood, Loss
from textgan_lit.model.policy import Categorical
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, TextBatch

LEAST = -1e4  # nats, of tokens that are left out
ENDS = {0.0: "KL(P‖G)", 1.0: "KL(G‖P)"}


@final
class Distillation(Loss):
    r"""The generalised JSD of what P and G say of the next token, a mean over tokens (GKD: Agarwal et al. 2023,
    arXiv:2306.13649).

    .. math:: \beta\,\mathrm{KL}(P_t \| M_t) + (1-\beta)\,\mathrm{KL}(G_t \| M_t), \quad M_t = \beta P_t + (1-\beta) G_t

    and KL(P_t‖G_t) at ``beta`` = 0, KL(G_t‖P_t) at 1, as their limits. A share ``on_policy`` of the sentences whose
    prefixes are looked at are G's own, held fixed, the others the data's. It looks into P, which a discriminator
    cannot: what it reaches is a ceiling for games, and no game.
    """

    def __init__(
        self,
        oracle: Generator | None = None,
        beta: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        on_policy: Annotated[float, Interval(ge=0, le=1)] = 0.5,
    ):
        super().__init__()
        if oracle is None:
            raise UserError(
                "estimator=gkd asks P what comes next, and the P of these data is not known. Use data=mixture or "
                "another oracle (a run on these data can be one: data=oracle_run), or a game: model=airl."
            )
        self._held = (oracle.eval(),)  # in a tuple torch does not see it: P is no part of a checkpoint
        self.beta, self.on_policy, self.reads_real = beta, on_policy, on_policy < 1
        fixed = "prefixes are held fixed: what a token does to those after it is left out"
        descends = Claim(ENDS.get(beta, "JSD(P‖G)"), fixed, per_token=True)
        self.claim = Likelihood.claim if beta == on_policy == 0 else descends

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        generator.need_likelihood("estimator=gkd", "model/estimator=score_function")
        if not generator.is_left_to_right:
            raise UserError(
                "estimator=gkd compares what G and P say of a token after the tokens before it, so G must write from "
                "left to right. Use order=l2r, or model/estimator=score_function."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        own = round(self.on_policy * len(batch.tokens))
        sides = (game.sample(own).batch if own else batch.first(0)), batch.first(len(batch.tokens) - own)
        read = TextBatch(*(torch.cat(pair) for pair in zip(*sides, strict=True)))
        loss = self._apart(game, read).sum() / all_mean(read.mask.sum(dtype=torch.float))
        return Outcome(loss, {"divergence": loss.detach()})

    def _apart(self, game: Game, batch: TextBatch) -> Float[Tensor, "B T"]:
        """The divergence at every token of ``batch``; nothing after what P cannot write."""
        oracle = self._held[0].on(batch.tokens.device)
        with torch.no_grad():
            known = oracle.features_of(batch)

        def of_rows(logits: Tensor, of_oracle: Tensor) -> Tensor:
            with torch.no_grad():
                p = Categorical()(oracle.head(of_oracle)).log_softmax(-1)
                silent = p.isnan().any(-1)
                p = p.nan_to_num(nan=LEAST).clamp_min(LEAST)
            g = game.policy(logits).log_softmax(-1).clamp_min(LEAST)
            return generalised_jsd(p, g, self.beta).masked_fill(silent, 0.0)

        return game.generator.by_rows(of_rows, game.generator.features_of(batch), batch.mask, known)
