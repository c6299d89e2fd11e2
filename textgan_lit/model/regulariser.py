"""What is added to the generator's loss beside what its game says: `model/regulariser=[likelihood,entropy]`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, final

import torch
from annotated_types import Gt
from jaxtyping import Float
from torch import Tensor, nn

from textgan_lit.functional.likelihood import relative
from textgan_lit.functional.policy_gradient import sampled_kl
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.latent import need_bound
from textgan_lit.model.objective import Loss
from textgan_lit.model.shape_check import checked
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, Samples, TextBatch, Written

LEAST = -1e4  # nats, of tokens that a policy leaves out


class Regulariser(nn.Module, ABC):
    """game, real sentences, what G wrote → a loss, nats a token, a mean over all ranks' tokens; it counts ``weight``
    times.

    ``written`` is what the step's objective wrote and learnt from, or, where it wrote nothing, what was drawn for all
    regularisers together; None where no regulariser ``needs_samples``. Where several steps share one set of samples
    (``num_iterations``), G has moved since it wrote them, by at most so many steps.
    """

    reads_real: ClassVar[bool] = False  # whether it learns from real sentences
    needs_samples: ClassVar[bool] = False  # whether it asks for what G wrote

    def __init__(self, weight: float):
        super().__init__()
        self.weight = weight

    def check(self, generator: Generator) -> None:
        """Refuses a generator that it cannot work with."""
        return

    @abstractmethod
    def forward(self, game: Game, batch: TextBatch, written: Written | None) -> Float[Tensor, ""]: ...


@final
class Likelihood(Regulariser):
    """NLL of real sentences: demonstrations mixed in."""

    reads_real = True

    def __init__(self, weight: Annotated[float, Gt(0)] = 0.1):
        super().__init__(weight)

    def check(self, generator: Generator) -> None:
        generator.need_likelihood("regulariser=likelihood", "model/regulariser=[entropy]")

    def forward(self, game: Game, batch: TextBatch, written: Written | None) -> Float[Tensor, ""]:
        logp = game.generator.logp(batch, game.policy)
        return -logp.sum() / all_mean(batch.mask.sum(dtype=torch.float))


@final
class ELBO(Regulariser):
    """−ELBO of real sentences, where likelihood is a bound: it keeps the encoder beside the decoder that the game
    updates (VAE-GAN: Larsen et al. 2016, arXiv:1512.09300)."""

    reads_real = True

    def __init__(self, weight: Annotated[float, Gt(0)] = 0.1):
        super().__init__(weight)

    def check(self, generator: Generator) -> None:
        need_bound(generator, "regulariser=elbo", "model/regulariser=[likelihood]")

    def forward(self, game: Game, batch: TextBatch, written: Written | None) -> Float[Tensor, ""]:
        logp, kl = game.generator.elbo(batch, game.policy, game.noise)
        return (kl.sum() - logp.sum()) / all_mean(batch.mask.sum(dtype=torch.float))


@final
class Entropy(Regulariser):
    """−H of the next token, after prefixes that G writes, summed over the vocabulary (Williams & Peng 1991).

    Which prefixes are written is held fixed: a bonus on each choice, not the gradient of the sentence's entropy.
    """

    needs_samples = True

    def __init__(self, weight: Annotated[float, Gt(0)] = 0.01):
        super().__init__(weight)

    def check(self, generator: Generator) -> None:
        generator.need_prefixes("regulariser=entropy", "model/regulariser=[]")

    def forward(self, game: Game, batch: TextBatch, written: Written) -> Float[Tensor, ""]:
        features = game.generator.features_of(written.samples.batch, written.samples.latent)
        mask = game.generator.to_generation_order(written.samples.mask)
        entropy = lambda logits: relative(game.policy(logits), logits.new_zeros(1, 1))  # noqa: E731
        found = game.generator.by_rows(entropy, features, mask)
        return _per_token(game.generator.to_reading_order(found), written.samples)


@final
class ReferenceKL(Regulariser):
    """KL(G‖G₀) of the next token, after prefixes that G writes; G₀ is the generator as it was at its first step.

    The KL penalty of reinforcement learning on language models (Ziegler et al. 2019, arXiv:1909.08593, section 2).
    Which prefixes are written is held fixed.

    ``exact`` is summed over the vocabulary, ``k3`` estimated from the tokens that were drawn alone: with the same
    expectation and the same expected gradient (:func:`textgan_lit.functional.policy_gradient.sampled_kl`), and no pass
    through G but the objective's.
    """

    needs_samples = True

    def __init__(
        self,
        generator: Generator,
        weight: Annotated[float, Gt(0)] = 0.1,
        estimator: Literal["exact", "k3"] = "exact",
    ):
        super().__init__(weight)
        self.estimator = estimator
        self.reference = generator.frozen()
        self.register_buffer("met", torch.tensor(False))

    def train(self, mode: bool = True) -> ReferenceKL:
        return super().train(False)  # the reference never drops anything out

    def check(self, generator: Generator) -> None:
        generator.need_prefixes("regulariser=reference_kl", "model/regulariser=[]")

    def forward(self, game: Game, batch: TextBatch, written: Written) -> Float[Tensor, ""]:
        if not self.met:
            self.reference.load_state_dict(game.generator.state_dict())
            self.met.fill_(True)
        found = self._exact(game, written.samples) if self.estimator == "exact" else self._k3(game, written)
        return _per_token(found, written.samples)

    def _exact(self, game: Game, samples: Samples) -> Float[Tensor, "B T"]:
        features = game.generator.features_of(samples.batch, samples.latent)
        with torch.no_grad(), self.reference.decoding():
            of_reference = self.reference.features_of(samples.batch, samples.latent)

        def of_rows(logits: Tensor, of_reference: Tensor) -> Tensor:
            before = game.policy(self.reference.head(of_reference).float()).log_softmax(-1)
            return relative(game.policy(logits), before.clamp_min(LEAST))

        mask = game.generator.to_generation_order(samples.mask)
        return game.generator.to_reading_order(game.generator.by_rows(of_rows, features, mask, of_reference))

    def _k3(self, game: Game, written: Written) -> Float[Tensor, "B T"]:
        samples, now = written
        if now is None:
            now = game.generator.logp(samples.batch, game.policy, latent=samples.latent)
        with torch.no_grad(), self.reference.decoding():
            before = self.reference.logp(samples.batch, game.policy, latent=samples.latent).clamp_min(LEAST)
        return sampled_kl(now.clamp_min(LEAST), samples.logp, before)


def _per_token(found: Float[Tensor, "B T"], samples: Samples) -> Float[Tensor, ""]:
    return (found * samples.mask).sum() / all_mean(samples.mask.sum(dtype=torch.float))


@final
class Regularised(Loss):
    """An objective, and what is added to its loss."""

    def __init__(self, objective: Loss, regularisers: dict[str, Regulariser]):
        super().__init__()
        self.objective, self.regularisers = objective, nn.ModuleDict(regularisers)
        self.null, self.num_iterations = objective.null, objective.num_iterations
        self.reads_real = objective.reads_real or any(some.reads_real for some in regularisers.values())

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        self.objective.check(generator, discriminator)
        for regulariser in self.regularisers.values():
            regulariser.check(generator)

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        loss, logs, written = self.objective(game, batch)
        if written is None and any(some.needs_samples for some in self.regularisers.values()):
            written = Written(game.sample(len(batch.tokens)))
        for name, regulariser in self.regularisers.items():
            more = checked(regulariser, regulariser(game, batch, written), (), "one number")
            loss, logs = loss + regulariser.weight * more, logs | {f"regulariser_{name}": more.detach()}
        return Outcome(loss, logs)
