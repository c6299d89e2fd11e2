"""The convolutional discriminator of SeqGAN: TextCNN with a highway layer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated, final

import torch
from annotated_types import Interval, MaxLen
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textgan_lit.errors import UserError
from textgan_lit.functional.linear import linear
from textgan_lit.functional.relaxation import embed
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.types import Size, Tokens, Vocab


@final
class Conv(Discriminator):
    """Filters of several widths, max over time, a highway layer, one logit (Kim 2014; Yu et al. 2017, appendix).

    ``filters`` lists (width, how many). Widths that no sentence can hold are left out, as in SeqGAN's own code.
    Windows that touch padding are ignored, so padding never changes a score.

    ``views`` embeds every token that many times, each in ``embedding`` numbers; the layers read each view by itself,
    and the score is the mean of theirs (RelGAN: Nie et al. 2019).
    """

    accepts_soft = True
    shares_prefixes = True
    leaks = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        filters: Annotated[Sequence[tuple[Size, Size]], MaxLen(1000)] = ((1, 32), (2, 64), (3, 64)),
        embedding: Size = 32,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
        views: Size = 1,
    ):
        super().__init__(vocab, max_length)
        fitting = [(width, number) for width, number in filters if width <= max_length]
        if not fitting or min(width for width, _ in fitting) < 1:
            raise UserError(
                f"discriminator=conv has no usable filter: widths {[width for width, _ in filters]} for sentences of "
                f"{max_length} tokens. Give at least one width from 1 to {max_length}."
            )
        self.views = views
        self.embedding = nn.Embedding(vocab.inputs, views * embedding)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, number, width) for width, number in fitting)
        size = sum(number for _, number in fitting)
        self.highway = nn.Linear(size, size)
        self.gate = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, 1)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        return self.output(self.features(tokens, mask)).squeeze(1)

    def features(self, tokens: Tokens, mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B H"]:
        """What the logit is made of: as it is linear in them, their mean over the views gives its mean."""
        embedded = self._embed(tokens)
        mask = mask.repeat_interleave(self.views, 0)
        pooled = [self._pool(convolution, embedded, mask) for convolution in self.convolutions]
        return self._pass(torch.cat(pooled, 1)).unflatten(0, (len(tokens), self.views)).mean(1)

    @property
    def leaked(self) -> int:
        return self.output.in_features

    def prefixes(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        """``features`` of the tokens up to each."""
        before = nn.functional.pad(tokens, (self._longest - 1, 0), value=self.vocab.pad)
        return self._pass(self._respond(before).cummax(2).values).mean(1)

    def start(self, n: int) -> tuple[Int[Tensor, "n W"], Float[Tensor, "n S H"]]:
        """The last tokens, as many as the longest filter looks back, and the best response of each filter so far."""
        weight = self.output.weight
        tokens = torch.full((n, self._longest - 1), self.vocab.pad, device=weight.device)
        return tokens, weight.new_zeros(n, self.views, self.leaked)

    def step(
        self, token: Int[Tensor, " B"], state: tuple[Int[Tensor, "B W"], Float[Tensor, "B S H"]]
    ) -> tuple[Float[Tensor, "B H"], tuple[Int[Tensor, "B W"], Float[Tensor, "B S H"]]]:
        tokens, best = state
        window = torch.cat([tokens, token.unsqueeze(1)], 1)
        best = best.maximum(self._respond(window).squeeze(2))
        return self._pass(best).mean(1), (window[:, 1:], best)

    @torch.no_grad()
    def continuations(self, written: Int[Tensor, "P B N T"]) -> Float[Tensor, "P B N"]:
        """Scores of rollouts. A convolution becomes a sum of looked-up rows, one for each token of a window, and the
        windows that lie inside a prefix are looked at once for all of its continuations."""
        views = [self._scores(view, written) for view in self.embedding.weight.chunk(self.views, 1)]
        return torch.stack(views).mean(0)

    def _scores(self, view: Float[Tensor, "inputs E"], written: Int[Tensor, "P B N T"]) -> Float[Tensor, "P B N"]:
        each = [self._pool_continuations(convolution, view, written) for convolution in self.convolutions]
        scores = [self.output(self._pass(part)) for part in torch.cat(each, -1).flatten(0, 2).split(1024)]
        return torch.cat(scores).view(written.shape[:-1])

    @property
    def _longest(self) -> int:
        return max(convolution.kernel_size[0] for convolution in self.convolutions)

    def _embed(self, tokens: Tokens) -> Float[Tensor, "rows E T"]:
        """Every view of the tokens, each as a sentence of its own."""
        return embed(self.embedding, tokens).unflatten(2, (self.views, -1)).movedim(1, 3).flatten(0, 1)

    def _respond(self, tokens: Int[Tensor, "B L"]) -> Float[Tensor, "B S T H"]:
        """Every filter's response to the window that ends at each token but the first W, one less than the longest
        filter is wide; 0 where a window holds what is no token."""
        embedded, found = self._embed(tokens), []
        for convolution in self.convolutions:
            width = convolution.kernel_size[0]
            response = convolution(embedded[..., self._longest - width :]).relu()
            inside = (tokens[:, self._longest - width :] < self.vocab.size).unfold(1, width, 1).all(2)
            found.append(response.unflatten(0, (len(tokens), self.views)) * inside[:, None, None])
        return torch.cat(found, 2).transpose(2, 3)

    def _pass(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows H"]:
        """The highway layer, and dropout."""
        gate = linear(features, self.gate).sigmoid()
        features = gate * linear(features, self.highway).relu() + (1 - gate) * features
        return self.dropout(features)

    def _pool(self, convolution: nn.Conv1d, embedded: Tensor, mask: Tensor) -> Tensor:
        """Max over the windows that lie inside the sentence; 0 where none does."""
        response = convolution(embedded)
        if self.vocab.eos is None:  # every sentence fills every position
            return response.amax(2).relu()
        inside = mask[:, convolution.kernel_size[0] - 1 :].unsqueeze(1)
        return (response * inside).amax(2).relu()

    def _pool_continuations(
        self, convolution: nn.Conv1d, view: Float[Tensor, "inputs E"], written: Int[Tensor, "P B N T"]
    ) -> Float[Tensor, "P B N H"]:
        width = convolution.kernel_size[0]
        table = torch.einsum("ve,hew->vwh", view, convolution.weight).flatten(0, 1)
        respond = functools.partial(self._look_up, table, convolution.bias, width)
        before = respond(written[-1, :, 0]).cummax(1).values  # best window of each sentence so far, Float[B windows H]
        pooled = []
        for t, tokens in enumerate(written, start=1):
            rows = tokens[..., max(0, t - width + 1) :].flatten(0, 1)  # windows that hold a new token
            best = torch.cat([respond(part).amax(1) for part in rows.split(1024)]).unflatten(0, tokens.shape[:2])
            pooled.append(best.maximum(before[:, None, t - width]) if t >= width else best)
        return torch.stack(pooled).relu()

    def _look_up(self, table: Tensor, bias: Tensor, width: int, tokens: Int[Tensor, "R T"]) -> Float[Tensor, "R W H"]:
        """The convolution's response at every window; 0 where a window reaches into padding."""
        windows = tokens.unfold(1, width, 1)
        rows = windows * width + torch.arange(width, device=tokens.device)
        response = nn.functional.embedding_bag(rows.flatten(0, 1), table, mode="sum").unflatten(0, windows.shape[:2])
        return (response + bias) * (windows[..., -1:] != self.vocab.pad)
