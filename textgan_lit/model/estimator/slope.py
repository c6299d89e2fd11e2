"""How the reward changes with the tokens: what the estimators that differentiate D have in common."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.reward import Reward


def slope(
    reward: Reward, game: Game, tokens: Float[Tensor, "B T V"], mask: Bool[Tensor, "B T"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "B T V"]]:
    """The mean reward of soft sentences, and ∂ reward / ∂ tokens of each; where each token has a score of its own, a
    sentence's rewards are summed.

    A reward that shuffles deals the slopes to other tokens of the vocabulary, in all sentences alike: sentences share
    so much of their slopes that dealing those to other sentences would still teach.
    """
    assert game.discriminator is not None
    silence_dropout(game.discriminator)  # a recurrent core must be in train mode for cuDNN's backward pass
    tokens = tokens.detach().requires_grad_()
    with torch.enable_grad():
        returns = reward.paid(game.score(tokens, mask))
        total = (returns * mask).sum() if returns.dim() == 2 else returns.sum()
        total = total + 0.0 * tokens.sum()  # a constant reward has a slope, too: 0
        (direction,) = torch.autograd.grad(total, tokens)
    if reward.shuffles:
        direction = direction[..., game.noise.permutation(game.vocab.size)]
    return total.detach() / len(tokens), direction * mask.unsqueeze(-1)


def check_soft(name: str, discriminator: Discriminator | None) -> None:
    if discriminator is None or not discriminator.accepts_soft:
        raise UserError(
            f"estimator={name} differentiates the score in the tokens, but {type(discriminator).__name__} reads whole "
            "tokens only. Use model/discriminator=conv, recurrent or transformer, or model/estimator=score_function."
        )
