"""A transformer that reads the whole sentence in both directions and gives one score."""

from __future__ import annotations

from typing import Annotated, final

from annotated_types import Interval
from jaxtyping import Bool, Float
from torch import Tensor, nn

from textgan_lit.errors import UserError
from textgan_lit.functional.relaxation import embed
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.types import Layers, Size, Tokens, Vocab


@final
class Transformer(Discriminator):
    """Tokens and learned positions → pre-norm encoder layers → mean over the sentence → one logit.

    Attention and mean leave padding out, so it never changes a score. Source: Vaswani et al. 2017,
    arXiv:1706.03762.
    """

    accepts_soft = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        width: Size = 64,
        layers: Layers = 2,
        heads: Size = 4,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    ):
        super().__init__(vocab, max_length)
        if width % heads:
            raise UserError(
                f"discriminator=transformer has width={width} and heads={heads}, but every head takes an equal share "
                f"of the width. Give a width that {heads} divides, for example {heads * max(1, round(width / heads))}."
            )
        self.embedding = nn.Embedding(vocab.inputs, width)
        self.positions = nn.Embedding(max_length, width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, 1)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        nn.init.normal_(self.positions.weight, 0.0, 0.1)

    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        hidden = self.dropout(embed(self.embedding, tokens) + self.positions.weight[: tokens.shape[1]])
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=~mask)
        inside = mask.unsqueeze(2)
        mean = (self.norm(hidden) * inside).sum(1) / inside.sum(1).clamp_min(1)
        return self.output(self.dropout(mean)).squeeze(1)
