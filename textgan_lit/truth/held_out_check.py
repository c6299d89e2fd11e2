"""What held-out sentences say about the discriminator: what a schedule may act on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from textgan_lit.data.oracle import Oracle
from textgan_lit.functional import calibration, divergence
from textgan_lit.model.game import Game
from textgan_lit.model.policy import Categorical
from textgan_lit.run.distributed import gather, shard, world_size
from textgan_lit.types import HeldOutCheck, Samples, TextBatch


@torch.no_grad()
def take(
    game: Game, held_out: TextBatch, size: int, steps: dict[str, int], oracle: Oracle | None = None
) -> HeldOutCheck:
    """A check on ``size`` held-out sentences, drawn by the game's noise, and as many samples; equal on every rank.

    Players must be in eval mode. Given the ``oracle`` of the sentences, it has D's regret, too.
    """
    real, fake = sentences(game, held_out, size)
    scores = gather(game.sentence_logit(real)), gather(game.sentence_logit(fake.batch, fake.logp))
    bound = calibration.bound(*scores)
    regret = None
    if oracle is not None:
        true = gather(log_ratio(game, oracle, real)), gather(log_ratio(game, oracle, fake.batch))
        regret = float(sum(divergence.regret(*side).mean() for side in zip(true, scores, strict=True)) / 2)
    return HeldOutCheck(
        bce=float(bound.bce),
        bound=float(bound.value),
        bound_se=float(bound.se),
        raw_bound=float(bound.raw),
        accuracy=float(bound.accuracy),
        steps=dict(steps),
        regret=regret,
    )


def sentences(game: Game, held_out: TextBatch, size: int) -> tuple[TextBatch, Samples]:
    """This rank's share of ``size`` held-out sentences and of as many samples."""
    size = min(size, len(held_out.tokens)) // world_size() * world_size()
    chosen = shard(game.noise.permutation(len(held_out.tokens))[:size])
    return TextBatch(held_out.tokens[chosen], held_out.mask[chosen]), game.sample(size // world_size())


def log_ratio(game: Game, oracle: Oracle, batch: TextBatch) -> Float[Tensor, " B"]:
    """log P − log G of each sentence: the log-odds of D*."""
    p, g = oracle.logp(batch, Categorical()), game.generator.logp(batch, game.policy)
    return divergence.prefix_log_ratio(p, g, batch.mask)[:, -1]
