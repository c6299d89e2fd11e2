"""Generators whose sentences depend on noise of their own, beside that of their tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, NamedTuple

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import log_mean_exp
from textgan_lit.model.generator.base import Generator, Likelihood, fitting
from textgan_lit.model.policy import Policy
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

ROWS = 4096  # pairs of a sentence and a latent that are scored together
Proposals = Annotated[int, Interval(ge=1, le=2**16)]


def need_bound(generator: Generator, who: str, exact: str) -> None:
    """Refuses, in the name of ``who`` bounds log G(x), a generator without a latent."""
    if not isinstance(generator, Latent):
        known = "knows it" if generator.likelihood == "exact" else "has no bound"
        raise UserError(
            f"{who} bounds log G(x), but {type(generator).__name__} {known}. "
            f"Use {exact}, or model/generator={fitting(lambda kind: kind.likelihood == 'bound')}."
        )


class Elbo(NamedTuple):
    """The two sides of the bound: how well a latent drawn for x gives x back, and what it costs."""

    logp: Float[Tensor, "B T"]  # an unbiased estimate of E_q log G(x_t | x<t, z); 0 on padding
    kl: Float[Tensor, "B L"]  # KL(q(z|x) ‖ p(z)) by coordinate; L = 0 where q is the prior


class Latent(Generator, ABC):
    r"""log G(x) = log E_z G(x | z): exact given z, and bounded from below without it.

    ::

        prior(uniform)           -> z [B L]           of p(z), by inverse transform
        start(n, z)              -> state             as every generator's, given z
        features(inputs, z)      -> [B T H]
        propose(batch, uniform)  -> z, Float[B]       of a q(z | x), and log q(z | x) − log p(z) there
        elbo(batch, policy, noise) -> Elbo            log G(x) ≥ E_q log G(x | z) − KL(q ‖ p), for training
        bound(batch, policy, uniform)                 a tighter one, for judging

    p(z) holds no weights. So the score function of the pair (x, z) is ∇ log G(x | z), and Σ advantage · ∇ log G(x | z)
    has the expectation that Σ advantage · ∇ log G(x) has: whatever needs no number for log G(x) works as ever.
    """

    likelihood: ClassVar[Likelihood] = "bound"

    def __init__(self, vocab: Vocab, max_length: int, latent: int, proposals: int):
        super().__init__(vocab, max_length)
        self.latent, self.proposals = latent, proposals

    @abstractmethod
    def propose(self, batch: TextBatch, uniform: Float[Tensor, "B L"]) -> tuple[Tensor, Float[Tensor, " B"]]: ...

    @abstractmethod
    def elbo(self, batch: TextBatch, policy: Policy, noise: Noise) -> Elbo: ...

    def bound(self, batch: TextBatch, policy: Policy, uniform: Float[Tensor, "B K L"]) -> Float[Tensor, " B"]:
        r"""At most log G(x) on average over the noise, and log G(x) itself as K grows (Burda et al. 2016,
        arXiv:1509.00519, eq. 8).

        .. math:: E \log \frac1K \sum_k G(x | z_k) \frac{p(z_k)}{q(z_k | x)} \le \log G(x), \quad z_k \sim q(\cdot | x)
        """
        few = max(1, ROWS // uniform.shape[1])
        parts = zip(*(rows.split(few) for rows in (*batch, uniform)), strict=True)
        return torch.cat([self._bound(TextBatch(tokens, mask), policy, some) for tokens, mask, some in parts])

    def _bound(self, batch: TextBatch, policy: Policy, uniform: Float[Tensor, "B K L"]) -> Float[Tensor, " B"]:
        n, k = uniform.shape[:2]
        copies = TextBatch(*(rows.repeat_interleave(k, 0) for rows in batch))
        z, excess = self.propose(copies, uniform.flatten(0, 1))
        weight = self.logp(copies, policy, latent=z).double().sum(1) - excess.double()
        return log_mean_exp(weight.view(n, k)).float()
