"""How a sentence's reward becomes a value for every word of it (the policy-gradient section of the note)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, final

import torch
from annotated_types import Ge, Interval
from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit.functional.policy_gradient import reward_to_go
from textgan_lit.model.answer import checked
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Pen
from textgan_lit.model.reward import Reward
from textgan_lit.run.distributed import gather, own_rows
from textgan_lit.types import Rollout

MAX_ROWS = 20_000  # continuations that are written and scored at once: bounds the memory, changes no number


class Credit(ABC):
    """reward, game, rollout → value Float[B T]: what the word at t is thought to have earned; 0 on padding."""

    needs: ClassVar[Literal["sentence", "word", "any"]] = "any"  # the kind of scores it can use
    gamma: float | None = None  # discount of the prefixes' rewards; None: words share in the sentence's own

    @abstractmethod
    def __call__(self, reward: Reward, game: Game, rollout: Rollout) -> Float[Tensor, "B T"]: ...


@final
class Terminal(Credit):
    """The sentence's reward at each of its words: plain REINFORCE (Williams 1992)."""

    def __call__(self, reward: Reward, game: Game, rollout: Rollout) -> Float[Tensor, "B T"]:
        return reward.paid(game.verdict(rollout.batch)).unsqueeze(1) * rollout.mask


@final
class RewardToGo(Credit):
    """Discounted sum of the prefixes' rewards still to come (ScratchGAN, arXiv:1905.09922, section 3.1)."""

    needs = "word"

    def __init__(self, gamma: Annotated[float, Interval(ge=0, le=1)] = 0.23):
        self.gamma = gamma

    def __call__(self, reward: Reward, game: Game, rollout: Rollout) -> Float[Tensor, "B T"]:
        return reward_to_go(reward.paid(game.score(rollout.tokens, rollout.mask)), rollout.mask, self.gamma)


@final
class MonteCarlo(Credit):
    """The mean reward of ``rollouts`` continuations after each word (SeqGAN, arXiv:1609.05473, eq. 4).

    What is continued is what was written so far, in whatever order. The last word's value is the sentence's own
    reward. The continuations of all positions advance together from the states that the sentence itself passed
    through. ``MAX_ROWS`` of them are held at once, rounded up to whole sentences; a discriminator of many features
    keeps as many rows of them.
    """

    needs = "sentence"

    def __init__(self, rollouts: Annotated[int, Ge(1)] = 16):
        self.rollouts = rollouts

    def __call__(self, reward: Reward, game: Game, rollout: Rollout) -> Float[Tensor, "B T"]:
        n, length = rollout.tokens.shape
        own = reward.paid(game.verdict(rollout.batch)).unsqueeze(1)
        if length == 1:
            return own * rollout.mask
        written = game.generator.written(rollout.tokens)
        noise = game.noise.uniform(n, length * (length - 1) // 2, self.rollouts)
        at_once = max(1, MAX_ROWS // ((length - 1) * self.rollouts))
        parts = written, noise, rollout.latent
        scores = [
            game.verdicts(continuations(game, tokens, uniform, latent))
            for tokens, uniform, latent in zip(*(x.split(at_once) for x in parts), strict=True)
        ]
        later = reward.paid(torch.cat(scores, 1)).mean(2).t()
        return game.generator.read(torch.cat([later, own], 1)) * rollout.mask


def earned(reward: Reward, credit: Credit, game: Game, rollout: Rollout) -> Float[Tensor, "B T"]:
    """What credit gives every word; where the reward shuffles, what it gives the words of another sentence."""
    value = checked(credit, credit(reward, game, rollout), rollout.mask.shape, "a value for each word")
    if not reward.shuffles:
        return value
    everyone = gather(value)
    return own_rows(everyone[game.noise.permutation(len(everyone))])


def continuations(
    game: Game,
    tokens: Int[Tensor, "B T"],
    noise: Float[Tensor, "B words N"],
    latent: Float[Tensor, "B L"] | None = None,
) -> Int[Tensor, "T-1 B N T"]:
    """Every prefix of every sentence, finished N times: entry [t-1, b, n] keeps the first t words of sentence b.

    Words come and are given back in the order of writing. ``noise`` holds a uniform for every word still to be written,
    T(T-1)/2 of them for each of the N. What a sentence was written from, its ``latent``, its continuations are written
    from, too.
    """
    n, length = tokens.shape
    copies = noise.shape[-1]
    written = tokens.expand(length - 1, copies, n, length).transpose(1, 2).clone()
    columns = iter(noise.unbind(1))
    crowd: list[Pen] = []
    for t, pen in enumerate(_passed(game, tokens, latent), start=1):
        fresh = pen.rows(torch.arange(n, device=tokens.device).repeat_interleave(copies))
        uniform = torch.stack([next(columns) for _ in range(t)])
        word, _, pen = game.generator.write(Pen.join([*crowd, fresh]), game.policy, uniform.flatten())
        written[:t, :, :, t] = word.view(t, n, copies)
        crowd = [pen]
    return written


def _passed(game: Game, tokens: Int[Tensor, "B T"], latent: Float[Tensor, "B L"] | None) -> list[Pen]:
    """Where the pen stood after each word but the last."""
    pen, pens = game.generator.begin(len(tokens), latent), []
    for word in tokens[:, :-1].unbind(1):
        pen = game.generator.follow(pen, word)
        pens.append(pen)
    return pens
