"""How a sentence's reward becomes a value for each of its tokens (the policy-gradient section of the note)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, final

import torch
from annotated_types import Ge, Interval
from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit.functional.policy_gradient import reward_to_go
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import DecodeState
from textgan_lit.model.reward import Reward
from textgan_lit.model.shape_check import checked
from textgan_lit.run.distributed import gather, shard
from textgan_lit.types import Samples

MAX_ROWS = 20_000  # continuations that are written and scored at once: bounds the memory, changes no number


class Credit(ABC):
    """reward, game, rollout → value Float[B T]: what the token at t is thought to have earned; 0 on padding.

    The rollout's ``logp`` is log G under the game's policy, whatever policy it was written by.
    """

    needs: ClassVar[Literal["sentence", "token", "any"]] = "any"  # the kind of scores it can use
    gamma: float | None = None  # discount of the prefixes' rewards; None: tokens share in the sentence's own

    @abstractmethod
    def __call__(self, reward: Reward, game: Game, rollout: Samples) -> Float[Tensor, "B T"]: ...


@final
class Terminal(Credit):
    """The sentence's reward at each of its tokens: plain REINFORCE (Williams 1992)."""

    def __call__(self, reward: Reward, game: Game, rollout: Samples) -> Float[Tensor, "B T"]:
        return reward.paid(game.sentence_logit(rollout.batch, rollout.logp)).unsqueeze(1) * rollout.mask


@final
class RewardToGo(Credit):
    """Discounted sum of the prefixes' rewards still to come (ScratchGAN, arXiv:1905.09922, section 3.1)."""

    needs = "token"

    def __init__(self, gamma: Annotated[float, Interval(ge=0, le=1)] = 0.23):
        self.gamma = gamma

    def __call__(self, reward: Reward, game: Game, rollout: Samples) -> Float[Tensor, "B T"]:
        score = game.score(rollout.tokens, rollout.mask, rollout.logp)
        return reward_to_go(reward.paid(score), rollout.mask, self.gamma)


@final
class MonteCarlo(Credit):
    """The mean reward of ``rollouts`` continuations after each token (SeqGAN, arXiv:1609.05473, eq. 4).

    What is continued is what was written so far, in whatever order. The last token's value is the sentence's own
    reward. The continuations of all positions advance together from the states that the sentence itself passed
    through. ``MAX_ROWS`` of them are held at once, rounded up to whole sentences; a discriminator of many features
    keeps as many rows of them.
    """

    needs = "sentence"

    def __init__(self, rollouts: Annotated[int, Ge(1)] = 16):
        self.rollouts = rollouts

    def __call__(self, reward: Reward, game: Game, rollout: Samples) -> Float[Tensor, "B T"]:
        n, length = rollout.tokens.shape
        own = reward.paid(game.sentence_logit(rollout.batch, rollout.logp)).unsqueeze(1)
        if length == 1:
            return own * rollout.mask
        written = game.generator.to_generation_order(rollout.tokens)
        noise = game.noise.uniform(n, length * (length - 1) // 2, self.rollouts)
        at_once = max(1, MAX_ROWS // ((length - 1) * self.rollouts))
        parts = written, noise, rollout.latent
        scores = [
            game.sentence_logits(continuations(game, tokens, uniform, latent))
            for tokens, uniform, latent in zip(*(x.split(at_once) for x in parts), strict=True)
        ]
        later = reward.paid(torch.cat(scores, 1)).mean(2).t()
        return game.generator.to_reading_order(torch.cat([later, own], 1)) * rollout.mask


def returns(reward: Reward, credit: Credit, game: Game, rollout: Samples) -> Float[Tensor, "B T"]:
    """What credit gives every token; where the reward shuffles, what it gives the tokens of another sentence."""
    value = checked(credit, credit(reward, game, rollout), rollout.mask.shape, "a value for each token")
    if not reward.shuffles:
        return value
    everyone = gather(value)
    return shard(everyone[game.noise.permutation(len(everyone))])


def continuations(
    game: Game,
    tokens: Int[Tensor, "B T"],
    noise: Float[Tensor, "B tokens N"],
    latent: Float[Tensor, "B L"] | None = None,
) -> Int[Tensor, "T-1 B N T"]:
    """Every prefix of every sentence, finished N times: entry [t-1, b, n] keeps the first t tokens of sentence b.

    Tokens come and are given back in the order of writing. ``noise`` holds a uniform for every token still to be
    written, T(T-1)/2 of them for each of the N. What a sentence was written from, its ``latent``, its continuations are
    written from, too.
    """
    n, length = tokens.shape
    copies = noise.shape[-1]
    written = tokens.expand(length - 1, copies, n, length).transpose(1, 2).clone()
    columns = iter(noise.unbind(1))
    running: list[DecodeState] = []
    with game.generator.decoding():
        for t, decoding in enumerate(_passed(game, tokens, latent), start=1):
            fresh = decoding.rows(torch.arange(n, device=tokens.device).repeat_interleave(copies))
            uniform = torch.stack([next(columns) for _ in range(t)])
            together = DecodeState.join([*running, fresh])
            token, _, decoding = game.generator.decode_step(together, game.policy, uniform.flatten())
            written[:t, :, :, t] = token.view(t, n, copies)
            running = [decoding]
    return written


def _passed(game: Game, tokens: Int[Tensor, "B T"], latent: Float[Tensor, "B L"] | None) -> list[DecodeState]:
    """The states of decoding ``tokens``: after each but the last."""
    decoding, states = game.generator.start_decoding(len(tokens), latent), []
    for token in tokens[:, :-1].unbind(1):
        decoding = game.generator.force_token(decoding, token)
        states.append(decoding)
    return states
