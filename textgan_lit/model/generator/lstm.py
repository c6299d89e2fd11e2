"""The recurrent generator of SeqGAN and most of the field."""

from __future__ import annotations

from typing import Annotated, final

from annotated_types import Interval
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.functional.linear import linear
from textgan_lit.functional.relaxation import embed
from textgan_lit.model.generator.base import Generator, Order, State
from textgan_lit.model.generator.places import Places
from textgan_lit.types import Layers, Size, Token, Tokens, Vocab


@final
class LSTM(Generator):
    """Embedding → LSTM layers → linear (Hochreiter & Schmidhuber 1997).

    Dropout sits between modules of their own and never inside ``nn.LSTM``, so that putting everything but the
    recurrent cores into eval mode silences it (cuDNN's backward pass needs the cores in train mode).

    ``order`` is the order of writing (:func:`textgan_lit.functional.order.positions`; ``order_seed`` is that of
    ``random``). With ``any_order`` the network is also told places, as :class:`Places` says; its state is then followed
    by each sentence's order Int[B T] and the steps made Int[B].
    """

    accepts_soft = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        embedding: Size = 32,
        hidden: Size = 32,
        layers: Layers = 1,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
        order: Order = "l2r",
        order_seed: int = 0,
        any_order: bool = False,
    ):
        super().__init__(vocab, max_length, order, order_seed, any_order)
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.cores = nn.ModuleList(
            nn.LSTM(embedding if layer == 0 else hidden, hidden, batch_first=True) for layer in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, vocab.size)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        self.places = Places(max_length, embedding, self.order_of_writing) if any_order else None

    def start(self, n: int, order: Int[Tensor, "#n T"] | None = None) -> State:
        zeros = self.output.weight.new_zeros(n, self.output.in_features)
        return (zeros,) * (2 * len(self.cores)) + (self.places.start(n, order) if self.places else ())

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
        memory, told, place = state[: 2 * len(self.cores)], (), None
        if self.places:
            place, told = self.places.advance(state[2 * len(self.cores) :])
            place = place.unsqueeze(1)
        hidden, memory = self.run(prev.unsqueeze(1), memory, place)
        return hidden.squeeze(1), (*memory, *told)

    def features(self, inputs: Int[Tensor, "B T"], order: Int[Tensor, "#B T"] | None = None) -> Float[Tensor, "B T H"]:
        place = self.places(order, inputs.shape[1]) if self.places else None
        return self.run(inputs, self.start(len(inputs))[: 2 * len(self.cores)], place)[0]

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return linear(features, self.output)

    def run(
        self, inputs: Tokens, state: State, place: Float[Tensor, "#B T E"] | None = None
    ) -> tuple[Float[Tensor, "B T H"], State]:
        """What is said after each input, and the state after the last; ``place`` is what it is told of places."""
        tokens = embed(self.embedding, inputs)
        hidden, after = self.dropout(tokens if place is None else tokens + place), []
        for core, h, c in zip(self.cores, state[::2], state[1::2], strict=True):
            hidden, (h, c) = core(hidden, (h.unsqueeze(0), c.unsqueeze(0)))
            hidden = self.dropout(hidden)
            after += [h.squeeze(0), c.squeeze(0)]
        return hidden, tuple(after)
