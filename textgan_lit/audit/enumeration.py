"""All sentences of a small world: their probabilities, exact gradients of sums over them, the best discriminator."""

from __future__ import annotations

import copy
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from textgan_lit.data.oracle import Oracle
from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.enumeration import divergence
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.system import TextGAN
from textgan_lit.types import TextBatch


class Enumeration:
    """All sentences, with their probabilities under P and G, and exact gradients of what can be summed over them."""

    def __init__(self, oracle: Oracle, system: TextGAN):
        self.oracle, self.generator, self.policy = oracle, system.generator, system.policy
        if self.policy.leaves_out or self.generator.likelihood != "exact":
            raise UserError(
                f"The audit compares with log G(x), which {type(self.policy).__name__} and "
                f"{type(self.generator).__name__} do not give for every sentence. Use model/policy=categorical and a "
                "generator that knows its likelihood."
            )
        self.sentences = every_sentence(oracle.vocab, oracle.max_length)
        self.weights = [weight for weight in self.generator.parameters() if weight.requires_grad]
        with torch.no_grad():
            self.p = oracle.logp(self.sentences, Categorical()).double().sum(1).exp()

    def gradient(self, loss: Float[Tensor, ""]) -> Float[Tensor, " P"]:
        """With respect to all of the generator's weights."""
        parts = torch.autograd.grad(loss, self.weights, allow_unused=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    def logp(self) -> Float[Tensor, "N T"]:
        return self.generator.logp(self.sentences, self.policy).double()

    def chance(self) -> Float[Tensor, " N"]:
        """Of every sentence under G."""
        return self.logp().detach().sum(1).exp()

    def of_divergence(self, name: str) -> Float[Tensor, " P"]:
        return self.gradient(divergence(name, self.p, self.logp().sum(1).exp()))

    def of_worth(self, worth: Float[Tensor, "N T"]) -> Float[Tensor, " P"]:
        """Of −E_G Σ_t worth_t log G(x_t | x<t), the worth held fixed: the policy gradient theorem."""
        logp = self.logp()
        g = logp.detach().sum(1, keepdim=True).exp()
        return self.gradient(-(g * worth.double() * self.sentences.mask * logp).sum())

    def length(self) -> float:
        return (self.p @ self.sentences.mask.double().sum(1)).item()


@final
class Table(Discriminator):
    """log P/G of every sentence, or of every prefix, as numbers that stay as they are: D* of one moment.

    Soft tokens are taken multilinearly: Σ_x Π_t soft_t(x_t) s(x), the score expected of independent tokens. After its
    last token a sentence is followed by eos.
    """

    accepts_soft = True

    def __init__(self, oracle: Oracle, generator: Generator, policy: Policy, scores: str):
        super().__init__(oracle.vocab, oracle.max_length)
        self.scores = scores
        vocab, length = oracle.vocab, oracle.max_length
        lists = [torch.arange(vocab.size)] * length
        tokens = torch.cartesian_prod(*lists).view(-1, length)
        ended = torch.zeros_like(tokens) if vocab.eos is None else (tokens == vocab.eos).long()
        mask = ended.cumsum(1) - ended == 0
        batch = TextBatch(tokens.masked_fill(~mask, vocab.pad), mask)
        with torch.no_grad():
            table = (oracle.logp(batch, Categorical()) - generator.logp(batch, policy)).cumsum(1)
        self.register_buffer("table", table if scores == "token" else table[:, -1:])
        self.register_buffer("place", vocab.size ** torch.arange(length - 1, -1, -1))

    def forward(
        self,
        tokens: Int[Tensor, "B T"] | Float[Tensor, "B T V"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B *T"]:
        last = self.vocab.size - 1
        if tokens.is_floating_point():
            end = one_hot(torch.tensor(last, device=tokens.device), self.vocab.size).to(tokens)
            share = torch.ones_like(tokens[:, 0, :1])
            for token in tokens.where(mask.unsqueeze(2), end).unbind(1):
                share = (share.unsqueeze(2) * token.unsqueeze(1)).flatten(1)
            found = share @ self.table
        else:
            found = self.table[(tokens.masked_fill(~mask, last) * self.place).sum(1)]
        return found * mask if self.scores == "token" else found.squeeze(1)


def mixture(enumeration: Enumeration) -> Tiny:
    """M = (P + G)/2 as a language model: what a discriminator that learns M should become."""
    tokens, mask = enumeration.sentences
    g = enumeration.chance()
    model = Tiny(len(enumeration.oracle.vocab.tokens), tokens.shape[1], enumeration.oracle.vocab.has_eos)
    chance = torch.zeros_like(model.table, dtype=torch.double)
    (row,) = model.start(len(tokens))
    before = torch.full_like(row, model.vocab.bos)
    for token, inside in zip(tokens.unbind(1), mask.unbind(1), strict=True):
        _, (row,) = model.advance(before, (row,))
        chance.index_put_((row[inside], token[inside]), ((enumeration.p + g) / 2)[inside], accumulate=True)
        before = token
    model.table = (chance / chance.sum(1, keepdim=True)).log().float()
    return model


def at_best(enumeration: Enumeration, discriminator: Discriminator, scores: str) -> Discriminator:
    """D*: a table of log P/G; where D is made of a language model of the mixture, that mixture itself."""
    if not isinstance(getattr(discriminator, "model", None), Generator):
        return Table(enumeration.oracle, enumeration.generator, enumeration.policy, scores)
    best = copy.deepcopy(discriminator)
    best.model = mixture(enumeration)
    return best
