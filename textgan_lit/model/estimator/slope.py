"""How the reward changes with the words: what the estimators that differentiate D have in common."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.reward import Reward


def slope(
    reward: Reward, game: Game, words: Float[Tensor, "B T V"], mask: Bool[Tensor, "B T"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "B T V"]]:
    """The mean reward of soft sentences, and ∂ reward / ∂ words of each; a word scorer's rewards are summed over words.

    A reward that shuffles deals the slopes to other words of the vocabulary, in all sentences alike: sentences share so
    much of their slopes that dealing those to other sentences would still teach.
    """
    assert game.discriminator is not None
    silence_dropout(game.discriminator)  # a recurrent core must be in train mode for cuDNN's backward pass
    words = words.detach().requires_grad_()
    with torch.enable_grad():
        earned = reward.paid(game.score(words, mask))
        total = (earned * mask).sum() if earned.dim() == 2 else earned.sum()
        total = total + 0.0 * words.sum()  # a constant reward has a slope, too: 0
        (direction,) = torch.autograd.grad(total, words)
    if reward.shuffles:
        direction = direction[..., game.noise.permutation(game.vocab.size)]
    return total.detach() / len(words), direction * mask.unsqueeze(-1)


def check_soft(name: str, discriminator: Discriminator | None) -> None:
    if discriminator is None or not discriminator.reads_soft:
        raise UserError(
            f"estimator={name} differentiates the verdict in the words, but {type(discriminator).__name__} reads whole "
            "words only. Use model/discriminator=conv, recurrent or transformer, or model/estimator=score_function."
        )
