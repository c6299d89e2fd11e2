"""What held-out sentences say about the discriminator: what a program may act on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from textgan_lit.distributed import gather, own_rows, world
from textgan_lit.functional import calibration
from textgan_lit.game import Game
from textgan_lit.types import Reading, TextBatch


@torch.no_grad()
def held_out_scores(game: Game, held_out: TextBatch, size: int) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """D's logits of ``size`` held-out sentences (drawn anew) and of as many fresh samples, over all ranks."""
    size = min(size, len(held_out.tokens)) // world() * world()
    chosen = own_rows(game.noise.permutation(len(held_out.tokens))[:size])
    real = TextBatch(held_out.tokens[chosen], held_out.mask[chosen])
    fake = game.sample(size // world()).batch
    return gather(game.verdict(real)), gather(game.verdict(fake))


def take(game: Game, held_out: TextBatch, size: int, turns: dict[str, int]) -> Reading:
    """A reading on ``size`` + ``size`` sentences, equal on every rank. Players must be in eval mode."""
    bound = calibration.bound(*held_out_scores(game, held_out, size))
    return Reading(
        bce=float(bound.bce),
        bound=float(bound.value),
        bound_se=float(bound.se),
        raw_bound=float(bound.raw),
        accuracy=float(bound.accuracy),
        turns=dict(turns),
    )
