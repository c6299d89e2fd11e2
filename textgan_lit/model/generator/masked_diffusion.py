"""Tokens in random order, several at a time: discrete diffusion whose noise is a mask."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.functional.likelihood import token_logp
from textgan_lit.functional.linear import linear
from textgan_lit.model.generator.latent import Elbo, Latent, Proposals
from textgan_lit.model.generator.transformer import Block, share_width
from textgan_lit.model.policy import Policy
from textgan_lit.noise import Noise
from textgan_lit.types import Layers, Samples, Size, TextBatch, Vocab

QUICKER = 8.0  # times the rate at which the table of lengths learns


@final
class MaskedDiffusion(Latent):
    r"""A transformer fills a masked sentence in ``steps`` rounds, each a random equal share of its tokens: those of a
    round are independent given all before it.

    .. math:: \log G(x) = \log E_\sigma \prod_i G(x_i | x_j : s_j < s_i) \ge E_\sigma \sum_i \log G(x_i | \ldots)

    The latent is the order σ, one uniform number a position; position i is written in round s_i. That bound is the ELBO
    of masked (absorbing) diffusion (Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524), with
    shares of fixed size in place of a coin for every token; with one token a round (``steps`` null, or as many as
    tokens) it is that of any-order autoregression. Where sentences may end, how many tokens there are is drawn first,
    from a distribution of its own, and eos follows them.
    """

    autoregressive: ClassVar[bool] = False

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        steps: Size | None = None,
        width: Size = 64,
        layers: Layers = 2,
        heads: Size = 4,
        proposals: Proposals = 16,
    ):
        super().__init__(vocab, max_length, max_length, proposals)
        share_width("masked_diffusion", width, heads)
        self.width = width
        self.steps = min(steps or max_length, max_length)
        self.embedding = nn.Embedding(vocab.inputs, width)  # bos stands for what is masked
        self.positions = nn.Embedding(max_length, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout=0.0) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocab.size)
        is_eos = torch.arange(vocab.size) == (-1 if vocab.eos is None else vocab.eos)
        self.register_buffer("ends", is_eos, persistent=False)
        self.lengths = nn.Parameter(torch.zeros(max_length + 1)) if vocab.has_eos else None
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        nn.init.normal_(self.positions.weight, 0.0, 0.1)

    @property
    def uniforms(self) -> int:
        return 2 * self.max_length + self.vocab.has_eos  # the order, the tokens, and how many tokens

    def _sample(self, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Samples:
        """Several tokens at a time, each by the uniform number of its place."""
        order, uniform, last = noise.split([self.max_length, self.max_length, self.vocab.has_eos], 1)
        tokens, mask = self._masked(last, len(noise), policy)
        content, logp = mask & (tokens == self.vocab.bos), torch.zeros_like(uniform)
        rounds = self.rounds(order, content)
        most = -(-self.max_length // self.steps)  # tokens of a round
        for now in range(self.steps):
            due, place = (rounds == now).int().topk(most, 1)
            seen = self.features(tokens.masked_fill(~content, self.vocab.pad))
            here = seen.gather(1, place.unsqueeze(2).expand(-1, -1, self.width))
            drawn = self.draw(here.flatten(0, 1), policy, uniform.gather(1, place).flatten())
            token, chance = (part.view_as(place) for part in drawn)
            tokens = tokens.scatter(1, place, token.where(due.bool(), tokens.gather(1, place)))
            logp = logp.scatter(1, place, chance.where(due.bool(), logp.gather(1, place)))
        return Samples(tokens, mask, logp + self.of_length(TextBatch(tokens, mask), content, policy), order)

    def _masked(
        self, uniform: Float[Tensor, "B ends"], n: int, policy: Policy
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
        """Sentences of so many masked tokens, and eos after them where it fits; and where they are."""
        place = torch.arange(self.max_length, device=uniform.device)
        tokens = torch.full((n, self.max_length), self.vocab.bos, device=uniform.device)
        if self.lengths is None:
            return tokens, torch.ones_like(tokens, dtype=torch.bool)
        chances = policy(self.length_logits()).expand(n, -1)
        length = draw(chances, uniform.squeeze(1))[0].unsqueeze(1)
        tokens = tokens.masked_fill(place == length, self.vocab.eos).masked_fill(place > length, self.vocab.pad)
        return tokens, place <= length

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        """Of every position, from a sentence in which bos stands for what is masked and pad for what is not there."""
        read = inputs != self.vocab.pad
        read[:, 0] = True  # also where there are no tokens at all
        hidden = self.embedding(inputs) + self.positions.weight[: inputs.shape[1]]
        for block in self.blocks:
            hidden = block.mix(hidden, *block.project(hidden), read[:, None, None])
        return self.norm(hidden)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        """Logits of tokens alone: where sentences end is not for them to say."""
        logits = linear(features, self.output)
        return logits if self.vocab.eos is None else logits.masked_fill(self.ends, float("-inf"))

    def rounds(self, order: Float[Tensor, "B T"], is_content: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """In which round each token is written; for what is no token, one that never comes."""
        count = is_content.sum(1, keepdim=True).clamp_min(1)
        rank = order.masked_fill(~is_content, 2.0).argsort(dim=1, stable=True).argsort(dim=1)
        return (rank * count.clamp_max(self.steps) // count).masked_fill(~is_content, self.steps)

    def logp(
        self,
        batch: TextBatch,
        policy: Policy,
        given: Int[Tensor, "B T"] | None = None,
        latent: Float[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B T"]:
        """log G of each token given those of earlier rounds; how many tokens there are is a part of the last one."""
        (order,) = self.given(latent)
        content = self.content(batch)
        rounds = self.rounds(order[:, : content.shape[1]], content)
        features = torch.zeros(())
        for now in range(self.steps):
            seen = batch.tokens.where(rounds < now, self.vocab.bos).masked_fill(~content, self.vocab.pad)
            here = (rounds == now).unsqueeze(2)
            features = torch.where(here, self.features(seen), features.to(order))
        return self._scored(features, batch, content, policy) + self.of_length(batch, content, policy)

    def propose(self, batch: TextBatch, uniform: Float[Tensor, "B L"]) -> tuple[Tensor, Float[Tensor, " B"]]:
        return uniform, uniform.new_zeros(len(uniform))

    def elbo(self, batch: TextBatch, policy: Policy, noise: Noise) -> Elbo:
        """From one round of each sentence, drawn at random: given what is written, the tokens of that round are any of
        those still masked, so all of these are scored, each for its share."""
        content = self.content(batch)
        uniform = noise.uniform(len(content), self.max_length + 1)
        order, lot = uniform[:, : content.shape[1]], uniform[:, -1:]
        count = content.sum(1, keepdim=True).clamp_min(1)
        rounds = count.clamp_max(self.steps)
        now = (lot * rounds).long().minimum(rounds - 1)
        masked = content & (self.rounds(order, content) >= now)
        before, after = (-(-step * count // rounds) for step in (now, now + 1))  # tokens written before it, and after
        share = rounds * (after - before) / (count - before)
        seen = batch.tokens.masked_fill(masked, self.vocab.bos).masked_fill(~content, self.vocab.pad)
        logp = self._scored(self.features(seen), batch, masked, policy) * share
        return Elbo(logp + self.of_length(batch, content, policy), uniform[:, :0])

    def length_logits(self) -> Float[Tensor, " lengths"]:
        """Those of having 0, 1, … tokens. A table moves by the rate at every step, and networks have small ones."""
        return QUICKER * self.lengths.float()

    def content(self, batch: TextBatch) -> Bool[Tensor, "B T"]:
        return batch.mask if self.vocab.eos is None else batch.mask & (batch.tokens != self.vocab.eos)

    def _scored(
        self, features: Float[Tensor, "B T H"], batch: TextBatch, which: Bool[Tensor, "B T"], policy: Policy
    ) -> Float[Tensor, "B T"]:
        """log-probability of the tokens that ``which`` says; 0 for the others."""
        rows = (some.flatten(0, 1).split(self.rows_at_once()) for some in (features, batch.tokens, which))
        parts = [token_logp(policy(self.head(some).float()), *known) for some, *known in zip(*rows, strict=True)]
        return torch.cat(parts).view(which.shape)

    def of_length(self, batch: TextBatch, content: Bool[Tensor, "B T"], policy: Policy) -> Float[Tensor, "B T"]:
        """log-probability of having so many tokens, where a sentence ends."""
        found = torch.zeros_like(content, dtype=torch.float)
        if self.lengths is None:
            return found
        said = policy(self.length_logits()).log_softmax(-1)[content.sum(1, keepdim=True)]
        return found.scatter(1, batch.mask.sum(1, keepdim=True) - 1, said)
