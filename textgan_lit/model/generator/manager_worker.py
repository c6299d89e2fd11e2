"""LeakGAN's generator: a manager that sees what the discriminator sees sets goals, and a worker writes towards them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from textgan_lit.errors import UserError
from textgan_lit.functional.linear import linear
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.types import Size, Vocab


@final
class ManagerWorker(Generator):
    r"""What D sees of the tokens so far → manager → goal; tokens so far and the last goals → worker → next token (Guo
    et al. 2018, arXiv:1709.08624, section 3).

    .. math::
        g_t = \frac{M(f_0 \dots f_t)}{\lVert M(f_0 \dots f_t) \rVert}, \qquad
        w_t = \Psi \sum_{i=0}^{c-1} g_{t-i}, \qquad
        \log G(\cdot \mid x_{\le t}) \propto O(x_{\le t})\, w_t

    f_t are features of the first t tokens, Float[F], as D reads them; M and the worker are LSTMs. Ψ takes F numbers to
    ``goal``, and O is a matrix of V by ``goal`` numbers, linear in the worker's state. c is the ``horizon``.

    ``leaked_discriminator`` makes a discriminator like the model's own: the generator keeps one, takes over D's weights
    in :meth:`sync_with`, and never trains it. So between two of these the likelihood is exact and nobody updates it but
    G.

    The state holds the worker's h and c, Float[B hidden]; the manager's; the last c goals, projected, Float[B c goal];
    then the leaked discriminator's.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        leaked_discriminator: Callable[[], nn.Module | None],
        embedding: Size = 32,
        hidden: Size = 32,
        goal: Size = 16,
        horizon: Annotated[int, Interval(ge=1, le=1000)] = 4,
    ):
        super().__init__(vocab, max_length)
        own = leaked_discriminator()
        if own is None:
            raise UserError(
                "generator=manager_worker reads what leaks of a discriminator, and this model has none that shows what "
                "it sees of a sentence's beginning. Use model/discriminator=conv, conv_seqgan or multi_view, or "
                "model/generator=lstm."
            )
        self.leaked_discriminator = own.requires_grad_(False).eval()
        self.horizon, size = horizon, own.leaked
        self.manager = nn.LSTM(size, hidden, batch_first=True)
        self.aim = nn.Linear(hidden, size)
        self.project = nn.Linear(size, goal, bias=False)
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.worker = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(goal * (hidden + 1), vocab.size, bias=False)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        nn.init.normal_(self.project.weight, 0.0, goal**-0.5)  # which keeps lengths, more or less

    def train(self, mode: bool = True) -> ManagerWorker:
        super().train(mode)
        self.leaked_discriminator.eval()
        return self

    def sync_with(self, discriminator: nn.Module) -> None:
        self.leaked_discriminator.load_state_dict(discriminator.state_dict())

    def start(self, n: int) -> State:
        zeros = self.aim.weight.new_zeros(n, self.aim.in_features)
        recent = zeros.new_zeros(n, self.horizon, self.project.out_features)
        return (zeros, zeros, zeros, zeros, recent, *self.leaked_discriminator.start(n))

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        hidden, cell, manager_hidden, manager_cell, recent, *read = state
        with torch.no_grad():
            seen, read = self.leaked_discriminator.step(prev, tuple(read))
        goals, managers = self._manage(seen.unsqueeze(1), (manager_hidden, manager_cell))
        recent = torch.cat([recent[:, 1:], self.project(goals)], 1)
        said, workers = _run(self.worker, self.embedding(prev).unsqueeze(1), (hidden, cell))
        return _pair(said.squeeze(1), recent.sum(1)), (*workers, *managers, recent, *read)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self.work(inputs, self.goals(self.seen(inputs)))

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return linear(features, self.output)

    @torch.no_grad()
    def seen(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T F"]:
        """What leaks: the discriminator's features of the tokens up to each input; bos is none."""
        return self.leaked_discriminator.prefixes(inputs)

    def goals(self, seen: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        """Where the manager wants the features to go from each input on, a direction: length 1."""
        zeros = seen.new_zeros(len(seen), self.aim.in_features)
        return self._manage(seen, (zeros, zeros))[0]

    def work(self, inputs: Int[Tensor, "B T"], goals: Float[Tensor, "B T F"]) -> Float[Tensor, "B T H"]:
        """``features`` after these ``inputs``, under these goals."""
        zeros = goals.new_zeros(len(inputs), self.aim.in_features)
        said, _ = _run(self.worker, self.embedding(inputs), (zeros, zeros))
        recent = pad(self.project(goals), (0, 0, self.horizon - 1, 0)).unfold(1, self.horizon, 1)
        return _pair(said, recent.sum(3))

    def _manage(self, seen: Float[Tensor, "B T F"], state: State) -> tuple[Float[Tensor, "B T F"], State]:
        hidden, state = _run(self.manager, seen, state)
        return normalize(self.aim(hidden), dim=2), state


def _run(core: nn.LSTM, inputs: Float[Tensor, "B T I"], state: State) -> tuple[Float[Tensor, "B T H"], State]:
    hidden, after = core(inputs, tuple(leaf.unsqueeze(0) for leaf in state))
    return hidden, tuple(leaf.squeeze(0) for leaf in after)


def _pair(said: Float[Tensor, "*rows H"], goal: Float[Tensor, "*rows K"]) -> Float[Tensor, "*rows P"]:
    """All products of a goal's numbers with the worker's and 1: O w is linear in them, and no O is ever held."""
    said = torch.cat([said, torch.ones_like(said[..., :1])], -1)
    return (goal.unsqueeze(-1) * said.unsqueeze(-2)).flatten(-2)
