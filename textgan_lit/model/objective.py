"""What a step makes smaller. Here: losses of real sentences, which need no discriminator."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Literal, final

import torch
from annotated_types import Ge, Interval
from jaxtyping import Float
from torch import Tensor, nn

from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import nll
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator, fitting
from textgan_lit.model.generator.latent import need_bound
from textgan_lit.model.infilling import mixed
from textgan_lit.model.shape_check import checked, name_of, told
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, TextBatch


@dataclass(frozen=True)
class Claim:
    """What the gradient is said to be where the generator descends a loss. The audit holds the loss to it."""

    divergence: str = ""  # what is descended with D at its best, as functional.enumeration reads it; "": not claimed
    bias: str = ""  # in words, why the expected gradient is another one by design
    fades: str = ""  # what makes that vanish: "batch" (as it grows), or a setting of the loss (as it falls)
    per_token: bool = False  # whether the loss is a mean over tokens; else over sentences
    improper: bool = False  # whether G = P does not minimise it: then ``divergence`` is near, and is not descended


class Loss(nn.Module, ABC):
    """game, real sentences → loss and logs.

    Players are passed in and never stored: whatever a loss keeps is its own memory, and is saved.
    As many sentences are generated as real ones are given.
    """

    null: bool = False  # whether it is a control that must not teach
    num_iterations: int = 1  # steps in a row that share one set of samples

    reads_real: bool = False  # whether a generator's step learns from real sentences, too

    claim: Claim = Claim()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name in vars(cls).keys() & Claim.__dataclass_fields__.keys():
            raise UserError(
                f"{cls.__module__}.{cls.__qualname__}: nothing asks a loss for its {name}. What it descends is said by "
                f"claim = Claim({name}=…), of textgan_lit.model.objective."
            )

    def worth(self, game: Game, sentences: TextBatch) -> Float[Tensor, "N T"] | None:
        """What each token earns in the claim with D held fixed; None: what ``reward`` and ``credit`` say."""
        return None

    def unit(self, reward: Float[Tensor, " N"], chance: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """What the claim's gradient is divided by, given all sentences' rewards and chances."""
        return torch.ones(())

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        """Refuses players that it cannot work with, before anything is played: a UserError names those that fit."""
        return

    @abstractmethod
    def forward(self, game: Game, batch: TextBatch) -> Outcome: ...

    def outcome(self, game: Game, batch: TextBatch) -> Outcome:
        """Its loss and logs, refused where the loss is not one number."""
        given = self(game, batch)
        if not isinstance(given, Outcome):
            raise UserError(f"{name_of(self)} gave {told(given)}, wanted an Outcome: a loss and logs.")
        checked(self, given.loss, (), "one number, the loss")
        return given


@final
class Likelihood(Loss):
    """Maximum likelihood with teacher forcing: total nats / total tokens over all ranks, eos included."""

    claim = Claim(
        divergence="KL(P‖G)",
        bias="a batch's nats over a batch's tokens: a ratio, off by O(1/B) where lengths vary",
        fades="batch",
        per_token=True,
    )

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        generator.need_likelihood("objective=likelihood", "model/objective=elbo where it has a bound")

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        tokens = batch.mask.sum(dtype=torch.float)
        share = tokens / all_mean(tokens)  # so that every token counts alike, whichever rank reads it
        loss = nll(game.generator.logp(batch, game.policy), batch.mask) * share
        return Outcome(loss, {"nll": loss.detach()})


@final
class ScheduledSampling(Loss):
    """Likelihood of the data's tokens after prefixes in which some tokens are the generator's own (Bengio et al. 2015,
    arXiv:1506.03099).

    Each token of a prefix is the data's with a chance that falls from 1 towards ``min_share``, and is ½ after
    ``half_steps`` steps: ``linear`` 1 − i/2h, ``exponential`` 2^(−i/h), ``inverse_sigmoid`` 1/(1 + e^(10(i/h − 1))). No
    gradient flows through the choice. Below 1 it is another question than the data's: its optimum is not P (Huszár
    2015, arXiv:1511.05101).
    """

    claim = Claim("KL(P‖G)", "some tokens of the prefixes are the generator's own", per_token=True, improper=True)

    def __init__(
        self,
        schedule: Literal["linear", "exponential", "inverse_sigmoid"] = "linear",
        half_steps: Annotated[int, Ge(1)] = 1000,
        min_share: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    ):
        super().__init__()
        self.schedule, self.half_steps, self.min_share = schedule, half_steps, min_share
        self.register_buffer("played", torch.zeros((), dtype=torch.long))

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        generator.need_likelihood("objective=scheduled_sampling", "model/objective=elbo where it has a bound")

    def chance(self, step: int) -> float:
        """The chance that a token of a prefix is the data's."""
        share = step / self.half_steps
        falling = {
            "linear": 1 - share / 2,
            "exponential": 2.0**-share,
            "inverse_sigmoid": 1 / (1 + math.exp(min(10 * (share - 1), 700.0))),
        }
        return max(falling[self.schedule], self.min_share)

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        chance = self.chance(int(self.played))
        self.played += 1
        tokens = batch.mask.sum(dtype=torch.float)
        keep = game.noise.uniform(*batch.tokens.shape) < chance
        noise = game.noise.uniform(*batch.tokens.shape)
        training = game.generator.training
        silence_dropout(game.generator)  # of what it writes; what it learns from it sees as likelihood does
        given = mixed(game.generator, batch.tokens, keep, noise, game.policy)
        game.generator.train(training)
        logp = game.generator.logp(batch, game.policy, given)
        loss = nll(logp, batch.mask) * tokens / all_mean(tokens)
        return Outcome(loss, {"nll": loss.detach(), "data_share": loss.new_tensor(chance)})


@final
class AnyOrder(Loss):
    r"""Likelihood under a fresh order of writing for every sentence (Uria et al. 2014, arXiv:1310.1757; Shih et al.
    2022, arXiv:2205.13554).

    .. math:: -E_\pi \sum_t \log G(x_{\pi(t)} | x_{\pi(<t)}) \ge -\log E_\pi G_\pi(x)

    All orders share one network, which is then asked for any of them: for the generator's own, whose likelihood stays
    exact, and for one that begins with what is given (:func:`textgan_lit.model.infilling.infill`).
    """

    claim = Claim("KL(P‖G)", "a mean over all orders of writing, of which the generator's own is one")

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        if not generator.any_order:
            able = fitting(lambda kind: "any_order" in inspect.signature(kind).parameters)
            raise UserError(
                f"objective=any_order writes every sentence in a fresh order, and {type(generator).__name__} is not "
                f"told which. Use model/generator={able} with model.generator.any_order=true."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        order = game.noise.uniform(*batch.tokens.shape).argsort(1)
        loss = nll(game.generator.logp(batch, game.policy, order=order), batch.mask)
        return Outcome(loss, {"nll_any_order": loss.detach()})


@final
class ELBO(Loss):
    r"""The evidence lower bound of a generator that has a latent (Kingma & Welling 2014, arXiv:1312.6114).

    .. math:: \log G(x) \ge E_{q(z|x)} \log G(x | z) - \beta \sum_j \max(\lambda, E_P \mathrm{KL}_j)

    with β = 1 and λ = 0: the bound itself. β rises from 0 to 1 over ``anneal_steps`` steps (Bowman et al. 2016,
    arXiv:1511.06349, section 3.1); λ, ``free_bits``, are nats that a coordinate may cost without being charged for
    them, its KL being the mean over the global batch (Kingma et al. 2016, arXiv:1606.04934, appendix C.8). Both are
    there to keep a decoder that could do without the latent from doing so.
    """

    claim = Claim(
        divergence="KL(P‖G)",
        bias="a bound's gradient, looser by KL(q‖posterior); annealing and free bits move its optimum, too",
        per_token=True,
    )

    def __init__(self, anneal_steps: Annotated[int, Ge(0)] = 500, free_bits: Annotated[float, Ge(0)] = 0.0):
        super().__init__()
        self.anneal_steps, self.free_bits = anneal_steps, free_bits
        self.register_buffer("played", torch.zeros((), dtype=torch.long))

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        need_bound(generator, "objective=elbo", "model/objective=likelihood")

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        weight = min(int(self.played) / self.anneal_steps, 1.0) if self.anneal_steps else 1.0
        self.played += 1
        logp, kl = game.generator.elbo(batch, game.policy, game.noise)
        tokens = all_mean(batch.mask.sum(dtype=torch.float))
        charged = kl.mean(0).where(all_mean(kl.detach().mean(0)) > self.free_bits, self.free_bits).sum() * len(kl)
        loss = (weight * charged - logp.sum()) / tokens
        cost = kl.detach().sum()
        logs = {"nll_bound": (cost - logp.detach().sum()) / tokens, "kl": cost / len(kl)}
        return Outcome(loss, logs | {"kl_weight": loss.new_tensor(weight)})
