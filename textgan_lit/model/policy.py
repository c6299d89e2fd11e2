"""How a token is chosen from logits.

A policy is a pure map of logits to logits; the choice itself is always :func:`textgan_lit.functional.inverse_cdf.draw`,
one uniform number a token. What a policy leaves out gets −∞, so the distribution that really writes is
softmax(policy(logits)) and its log-probability stays exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, final

import torch
from annotated_types import Gt, Interval
from jaxtyping import Float
from torch import Tensor

from textgan_lit.types import Temperature

Logits = Float[Tensor, "... V"]


class Policy(ABC):
    """Logits of the network → logits of what is written."""

    leaves_out: ClassVar[bool] = True  # whether tokens may get probability 0: then likelihood cannot be trained

    @abstractmethod
    def __call__(self, logits: Logits) -> Logits: ...


@final
class Categorical(Policy):
    """The network's own distribution, at a temperature."""

    leaves_out = False

    def __init__(self, temperature: Temperature = 1.0):
        self.temperature = temperature

    def __call__(self, logits: Logits) -> Logits:
        return logits if self.temperature == 1.0 else logits / self.temperature


@final
class Tempered(Policy):
    """Another policy's logits, at a temperature: what that policy leaves out stays out."""

    def __init__(self, of: Policy, temperature: Temperature):
        self.of, self.temperature, self.leaves_out = of, temperature, of.leaves_out

    def __call__(self, logits: Logits) -> Logits:
        return self.of(logits) if self.temperature == 1.0 else self.of(logits) / self.temperature


@final
class Greedy(Policy):
    """The likeliest token, always; the first of them where several tie."""

    def __call__(self, logits: Logits) -> Logits:
        others = torch.ones_like(logits, dtype=torch.bool).scatter(-1, logits.argmax(-1, keepdim=True), False)
        return logits.masked_fill(others, float("-inf"))


@final
class TopK(Policy):
    """The k likeliest tokens (Fan et al. 2018, arXiv:1805.04833); tokens that tie with the k-th stay in."""

    def __init__(self, k: Annotated[int, Gt(0)] = 10, temperature: Temperature = 1.0):
        self.k, self.temperature = k, temperature

    def __call__(self, logits: Logits) -> Logits:
        logits = logits / self.temperature
        least = logits.topk(min(self.k, logits.shape[-1]), dim=-1).values[..., -1:]
        return logits.masked_fill(logits < least, float("-inf"))


@final
class Nucleus(Policy):
    """The fewest tokens whose probabilities reach p (Holtzman et al. 2020, arXiv:1904.09751).

    Of tokens that tie at the edge the first stay in. p = 1 leaves nothing out.
    """

    def __init__(self, p: Annotated[float, Interval(gt=0, le=1)] = 0.9, temperature: Temperature = 1.0):
        self.p, self.temperature = p, temperature

    def __call__(self, logits: Logits) -> Logits:
        logits = logits / self.temperature
        if self.p == 1.0:  # a rounded sum may reach 1 before the last token
            return logits
        probability, order = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
        reached = probability.cumsum(-1) - probability >= self.p
        return logits.masked_fill(reached.scatter(-1, order, reached), float("-inf"))


@final
class Without(Policy):
    """Another policy's choice with one ``token`` passed over; where it would choose nothing else, the likeliest other.

    Of <unk>, which is a token of the data like any other but no text that anybody wants to read.
    """

    def __init__(self, of: Policy, token: int):
        self.of, self.token = of, token

    def __call__(self, logits: Logits) -> Logits:
        left, others = self.of(logits).clone(), logits.clone()
        left[..., self.token] = others[..., self.token] = float("-inf")
        return torch.where(left.isneginf().all(-1, keepdim=True), Greedy()(others), left)
