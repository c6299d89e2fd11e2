"""The recurrent generator of SeqGAN and most of the field."""

from __future__ import annotations

from typing import Annotated, final

from annotated_types import Interval
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.functional.linear import linear
from textgan_lit.functional.relaxation import embed
from textgan_lit.generator.base import Generator, State
from textgan_lit.types import Layers, Size, Vocab, Word, Words


@final
class LSTM(Generator):
    """Embedding → LSTM layers → linear (Hochreiter & Schmidhuber 1997).

    Dropout sits between modules of their own and never inside ``nn.LSTM``, so that putting everything but the
    recurrent cores into eval mode silences it (cuDNN's backward pass needs the cores in train mode).
    """

    reads_soft = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        embedding: Size = 32,
        hidden: Size = 32,
        layers: Layers = 1,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    ):
        super().__init__(vocab, max_length)
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.cores = nn.ModuleList(
            nn.LSTM(embedding if layer == 0 else hidden, hidden, batch_first=True) for layer in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, vocab.size)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def start(self, n: int) -> State:
        zeros = self.output.weight.new_zeros(n, self.output.in_features)
        return (zeros,) * (2 * len(self.cores))

    def advance(self, prev: Word, state: State) -> tuple[Float[Tensor, "B H"], State]:
        hidden, state = self.read(prev.unsqueeze(1), state)
        return hidden.squeeze(1), state

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self.read(inputs, self.start(len(inputs)))[0]

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return linear(features, self.output)

    def read(self, inputs: Words, state: State) -> tuple[Float[Tensor, "B T H"], State]:
        """What is said after each input, and the state after the last."""
        hidden, after = self.dropout(embed(self.embedding, inputs)), []
        for core, h, c in zip(self.cores, state[::2], state[1::2], strict=True):
            hidden, (h, c) = core(hidden, (h.unsqueeze(0), c.unsqueeze(0)))
            hidden = self.dropout(hidden)
            after += [h.squeeze(0), c.squeeze(0)]
        return hidden, tuple(after)
