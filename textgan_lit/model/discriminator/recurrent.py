"""A recurrent discriminator that judges every prefix, in the manner of ScratchGAN's.

Left out on purpose (d'Autume et al. 2019, arXiv:1905.09922, and the authors' code):
1. the position signal, the second layer and layer normalisation inside the recurrent cell
2. token embeddings trained elsewhere
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, final

from annotated_types import Interval
from jaxtyping import Bool, Float
from torch import Tensor, nn

from textgan_lit.functional.relaxation import embed
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.types import Size, Tokens, Vocab


@final
class Recurrent(Discriminator):
    """Embedding → GRU → one logit a position, which judges the tokens up to and including it; 0 on padding.

    Dropout sits in modules of its own, so that the recurrent core can stay in train mode while the rest is in
    eval mode (cuDNN's backward pass needs the core in train mode).
    """

    scores: ClassVar[Literal["sentence", "token"]] = "token"
    accepts_soft: ClassVar[bool] = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        embedding: Size = 32,
        hidden: Size = 64,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    ):
        super().__init__(vocab, max_length)
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.core = nn.GRU(embedding, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, 1)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B T"]:
        hidden, _ = self.core(self.dropout(embed(self.embedding, tokens)))
        return self.output(self.dropout(hidden)).squeeze(2).masked_fill(~mask, 0.0)
