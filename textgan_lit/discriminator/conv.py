"""The convolutional discriminator of SeqGAN: TextCNN with a highway layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, final

import torch
from annotated_types import Ge, Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textgan_lit.discriminator.base import Discriminator
from textgan_lit.errors import UserError
from textgan_lit.types import Vocab


@final
class Conv(Discriminator):
    """Filters of several widths, max over time, a highway layer, one logit (Kim 2014; Yu et al. 2017, appendix).

    ``filters`` lists (width, how many). Widths that no sentence can hold are left out, as in SeqGAN's own code.
    Windows that touch padding are ignored, so padding never changes a score.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        filters: Sequence[tuple[int, int]] = ((1, 32), (2, 64), (3, 64)),
        embedding: Annotated[int, Ge(1)] = 32,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    ):
        super().__init__(vocab, max_length)
        fitting = [(width, number) for width, number in filters if width <= max_length]
        if not fitting or min(width for width, _ in fitting) < 1:
            raise UserError(
                f"discriminator=conv has no usable filter: widths {[width for width, _ in filters]} for sentences of "
                f"{max_length} words. Give at least one width from 1 to {max_length}."
            )
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, number, width) for width, number in fitting)
        size = sum(number for _, number in fitting)
        self.highway = nn.Linear(size, size)
        self.gate = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, 1)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def forward(
        self,
        words: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        embedded = self.embedding(words).transpose(1, 2)
        features = torch.cat([self._pool(convolution, embedded, mask) for convolution in self.convolutions], 1)
        gate = self.gate(features).sigmoid()
        features = gate * self.highway(features).relu() + (1 - gate) * features
        return self.output(self.dropout(features)).squeeze(1)

    def _pool(self, convolution: nn.Conv1d, embedded: Tensor, mask: Tensor) -> Tensor:
        """Max over the windows that lie inside the sentence; 0 where none does."""
        response = convolution(embedded)
        if self.vocab.eos is None:  # every sentence fills every position
            return response.amax(2).relu()
        inside = mask[:, convolution.kernel_size[0] - 1 :].unsqueeze(1)
        return (response * inside).amax(2).relu()
