"""The hypotheses of an audit: what a model's loss says that it descends, each with its exact gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from textgan_lit.audit.enumeration import Enumeration, at_best
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game
from textgan_lit.model.objective import Loss
from textgan_lit.noise import Noise
from textgan_lit.system import TextGAN
from textgan_lit.types import TextBatch


@dataclass(frozen=True)
class Hypothesis:
    """That ``objective`` descends what ``exact`` is the gradient of."""

    player: str
    says: str
    objective: Loss
    discriminator: Discriminator | None
    exact: Float[Tensor, " P"]


def hypotheses(system: TextGAN, enumeration: Enumeration) -> Iterator[Hypothesis]:
    """What the objective says of itself: with no D, or with D at its best and with D as it is."""
    if "generator" not in system.updates and "pretrain" not in system.updates:
        raise UserError("No update of this model changes the generator, so there is no gradient to audit.")
    objective = system.updates.get("generator", system.updates.get("pretrain")).loss
    objective = getattr(objective, "objective", objective)  # what is added to it is no part of its claim
    opponent = system.discriminator if "generator" in system.updates else None
    per = enumeration.length() if objective.claim.per_token else 1.0
    if objective.null:
        of = getattr(objective, "reward", None)
        of = getattr(of, "of", of)
        name = getattr(of, "divergence", "") or "JSD(P‖G)"
        best = None if opponent is None else at_best(enumeration, opponent, _scores(objective, opponent))
        yield Hypothesis("D = D*", f"not {name}", objective, best, enumeration.of_divergence(name))
        return
    if opponent is None:
        exact = enumeration.of_divergence(objective.claim.divergence) / per
        yield Hypothesis("no D", objective.claim.divergence, objective, None, exact)
        return
    best = at_best(enumeration, opponent, _scores(objective, opponent))
    rewarded = hasattr(objective, "reward")
    if discount(objective, opponent) is None and objective.claim.divergence:
        yield of_divergence(objective, enumeration, best)
    elif rewarded:
        yield _with_fixed(objective, enumeration, best, "D = D*")
    if rewarded:
        yield _with_fixed(objective, enumeration, opponent, "taught D")


def _scores(objective: Loss, discriminator: Discriminator) -> str:
    return "sentence" if discount(objective, discriminator) is None else "token"


def of_divergence(objective: Loss, enumeration: Enumeration, best: Discriminator) -> Hypothesis:
    """That the divergence is descended, with D at its best."""
    exact = enumeration.of_divergence(objective.claim.divergence)
    if hasattr(objective, "reward"):
        exact = exact / _earned(objective, enumeration, best)[1]
    return Hypothesis("D = D*", objective.claim.divergence, objective, best, exact)


def _earned(objective: Loss, enumeration: Enumeration, discriminator: Discriminator) -> tuple[Tensor, Tensor]:
    """What the tokens of every sentence earn, and the unit that the objective's gradient has for it."""
    game = Game(enumeration.generator, discriminator, enumeration.policy, Noise("audit"))
    earned = worth(objective, game, enumeration.sentences).double()
    return earned, objective.unit(earned[:, 0], enumeration.chance())


def _with_fixed(objective: Loss, enumeration: Enumeration, discriminator: Discriminator, player: str) -> Hypothesis:
    """That the expected reward is ascended, with D held as it is."""
    gamma = discount(objective, discriminator)
    says = "−E r(D)" if gamma is None else f"−E Σ r(D), γ={gamma:g}"
    earned, unit = _earned(objective, enumeration, discriminator)
    return Hypothesis(player, says, objective, discriminator, enumeration.of_worth(earned / unit))


def worth(objective: Loss, game: Game, sentences: TextBatch) -> Float[Tensor, "N T"]:
    """What the tokens of ``sentences`` earn by definition: the sentence's reward, or the discounted sum of the rewards
    of its prefixes from here on."""
    own = objective.worth(game, sentences)
    if own is not None:
        return own
    reward, mask = objective.reward, sentences.mask
    gamma = discount(objective, game.discriminator)
    with torch.no_grad():
        if gamma is None:
            return reward(game.sentence_logit(sentences)).unsqueeze(1) * mask
        earned = reward(game.score(*sentences)) * mask
    ahead = torch.arange(mask.shape[1]) - torch.arange(mask.shape[1]).unsqueeze(1)  # of token t: how far prefix s is
    return earned @ torch.where(ahead >= 0, gamma ** ahead.clamp_min(0).float(), 0.0).t()


def discount(objective: Loss, discriminator: Discriminator) -> float | None:
    """Of later prefixes' rewards; None where the whole sentence has one reward."""
    if hasattr(objective, "credit"):
        return objective.credit.gamma
    return 1.0 if discriminator.scores == "token" else None
