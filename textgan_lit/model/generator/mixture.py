"""A mixture: several generators of one kind, and which of them is speaking is never said."""

from __future__ import annotations

import copy
from typing import Annotated, final

import torch
from annotated_types import Gt, Interval
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import token_logp
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch, Token, Vocab


@final
class Mixture(Generator):
    r"""One of ``members`` generators writes the whole sentence; its likelihood is exact, without a sum over sentences.

    .. math::
        G(x_t \mid x_{\lt t}) = \sum_k w_k(x_{\lt t}) G_k(x_t \mid x_{\lt t}), \qquad
        w_k(x_{\lt t}) \propto \pi_k \prod_{s \lt t} G_k(x_s \mid x_{\lt s})

    w is the posterior of who is speaking, and part of the state: log w Float[B K], unnormalised; the members' last
    features Float[B K H] and whether there were any, Bool[B]; then the members' own states.

    ``member`` is the first of them, the others are copies of it, each weight moved by a normal number times
    ``spread``: what is exactly alike would stay alike.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        member: Generator,
        members: Annotated[int, Interval(ge=2, le=1000)] = 2,
        spread: Annotated[float, Gt(0)] = 1.0,
    ):
        super().__init__(vocab, max_length)
        member.need_likelihood("generator=mixture", "another member")
        if member.any_order or not member.is_left_to_right:
            raise UserError(
                f"generator=mixture writes from left to right, but its member {type(member).__name__} has an order of "
                "its own. Use model.generator.member.order=l2r without any_order."
            )
        self.members = nn.ModuleList([member, *(moved(member, spread) for _ in range(members - 1))])
        self.prior_logits = nn.Parameter(torch.zeros(members))
        self.accepts_soft = member.accepts_soft

    def start(self, n: int) -> State:
        weight = self.prior_logits.log_softmax(0).repeat(n, 1)
        first = torch.full((1, 1), self.vocab.bos, device=weight.device)
        with torch.no_grad():
            width = self.members[0].features(first).shape[2]
        before = weight.new_zeros(n, len(self.members), width)
        begun = torch.zeros(n, dtype=torch.bool, device=weight.device)
        return weight, before, begun, *(leaf for member in self.members for leaf in member.start(n))

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
        weight, before, begun, *leaves = state
        weight = weight + torch.stack(self._said(prev, before), 1) * begun.unsqueeze(1)
        each, found, after = len(leaves) // len(self.members), [], []
        for k, member in enumerate(self.members):
            features, own = member.advance(prev, tuple(leaves[k * each : (k + 1) * each]))
            found.append(features)
            after += own
        before = torch.stack(found, 1)
        return torch.cat([weight, before.flatten(1)], 1), (weight, before, torch.ones_like(begun), *after)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        tokens = torch.cat([inputs[:, 1:], torch.full_like(inputs[:, :1], self.vocab.pad)], 1)
        read = TextBatch(tokens, tokens < self.vocab.size)
        found = [member.features(inputs) for member in self.members]
        pairs = zip(self.members, found, strict=True)
        said = torch.stack([member.of_written(features, read, Categorical()) for member, features in pairs], 2)
        weight = self.prior_logits.log_softmax(0) + said.cumsum(1) - said
        return torch.cat([weight, *found], 2)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        weight, *found = features.split([len(self.members), *self._widths(features)], -1)
        weights = weight.float().log_softmax(-1).split(1, -1)
        each = [
            member.head(part).float().log_softmax(-1) + own
            for member, part, own in zip(self.members, found, weights, strict=True)
        ]
        return torch.stack(each).logsumexp(0)

    def _widths(self, features: Tensor) -> list[int]:
        members = len(self.members)
        return [(features.shape[-1] - members) // members] * members

    def _said(self, token: Token, before: Float[Tensor, "B K H"]) -> list[Float[Tensor, " B"]]:
        """log G_k of the token that was written, in each member's eyes: 0 of bos and of what follows an end."""
        logits = [member.head(part).float() for member, part in zip(self.members, before.unbind(1), strict=True)]
        if token.is_floating_point():
            return [(own.log_softmax(-1) * token).sum(-1) for own in logits]
        return [token_logp(own, token, token < self.vocab.size) for own in logits]


def moved(member: Generator, spread: float) -> Generator:
    """A copy of ``member``, every weight of it moved a little."""
    other = copy.deepcopy(member)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(torch.randn_like(weight), alpha=spread)
    return other
