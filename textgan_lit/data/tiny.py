"""Worlds small enough to write down in full."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from annotated_types import Ge
from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import State
from textgan_lit.noise import stream
from textgan_lit.types import Length, TextBatch, Vocab

MOST_SENTENCES = 10**5


@final
class Tiny(Oracle):
    """A distribution of its own for the next token after every prefix, so nothing simpler than a table fits it.

    Each is drawn by normalising E^sharpness with E exponential: sharpness 0 is uniform, 1 the flat Dirichlet
    distribution, more is more peaked. ``variable`` adds eos to what may come next.
    """

    def __init__(
        self,
        vocab_size: Annotated[int, Ge(2)] = 4,
        length: Length = 3,
        variable: bool = False,
        sharpness: Annotated[float, Ge(0)] = 1.0,
        seed: int = 1,
    ):
        _refuse_large(vocab_size, length, "data=tiny")
        super().__init__(Vocab(tuple(f"w{token}" for token in range(vocab_size)), has_eos=variable), length)
        prefixes = sum(vocab_size**written for written in range(length))
        uniform = torch.rand(prefixes, self.vocab.size, generator=stream("tiny", seed)).clamp_min(1e-7)
        logits = sharpness * (-uniform.log()).clamp_min(1e-7).log()
        self.register_buffer("table", logits.log_softmax(-1))

    def start(self, n: int) -> State:
        return (torch.zeros(n, dtype=torch.long, device=self.table.device),)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        row = self._after(state[0], prev)
        return self.table[row], (row,)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        row, rows = self.start(len(inputs))[0], []
        for prev in inputs.unbind(1):
            row = self._after(row, prev)
            rows.append(row)
        return self.table[torch.stack(rows, 1)]

    def _after(self, row: Int[Tensor, " B"], token: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """The row of a prefix one token longer: prefixes are numbered like the nodes of a heap, the empty one 0."""
        longer = (row * len(self.vocab.tokens) + token + 1).clamp_max(len(self.table) - 1)
        return longer.where(token < len(self.vocab.tokens), row)  # bos, eos and padding lengthen nothing


@final
class OneSentence(Oracle):
    """A world that only ever says ``sentence`` (and then eos, where ``variable``).

    ``unused`` are further tokens of the vocabulary, which are never written. ``max_length`` counts eos and defaults
    to what the sentence needs. The token at each position is certain whatever was written before it.
    """

    def __init__(
        self,
        sentence: str = "a b c",
        unused: str = "d",
        variable: bool = True,
        max_length: Length | None = None,
    ):
        said = sentence.split()
        needed = len(said) + variable
        if not said:
            raise UserError(f"data=one_sentence was given {sentence!r}; write at least one token, such as 'a b c'.")
        if max_length is not None and (max_length < needed or (max_length > needed and not variable)):
            raise UserError(
                f"data=one_sentence says {sentence!r}, which takes {needed} positions"
                f"{' with eos' if variable else ''}, but max_length={max_length}. Leave data.oracle.max_length out."
            )
        vocab = Vocab(tuple(dict.fromkeys(said + unused.split())), has_eos=variable)
        super().__init__(vocab, max_length or needed)
        certain = [vocab.tokens.index(token) for token in said]
        certain += [vocab.size - 1] * (self.max_length - len(said))  # eos
        table = torch.full((self.max_length, vocab.size), -math.inf)
        self.register_buffer("table", table.scatter(1, torch.tensor(certain).unsqueeze(1), 0.0))

    def start(self, n: int) -> State:
        return (torch.zeros(n, dtype=torch.long, device=self.table.device),)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        (position,) = state
        return self.table[position.clamp_max(self.max_length - 1)], (position + 1,)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        return self.table[: inputs.shape[1]].expand(len(inputs), -1, -1)


def every_sentence(vocab: Vocab, max_length: int) -> TextBatch:
    """All sentences of a world: those that end with eos, shorter ones first, then those that fill ``max_length``.

    Within one length the last token changes fastest. Σ_x P(x) = 1 over these, for every P of that world.

    >>> every_sentence(Vocab(("a", "b"), has_eos=True), 2).tokens.tolist()
    [[2, 4], [0, 2], [1, 2], [0, 0], [0, 1], [1, 0], [1, 1]]
    """
    vocab_size = len(vocab.tokens)
    _refuse_large(vocab_size, max_length, "every_sentence")
    full = _every_prefix(vocab_size, max_length)
    parts = [full]
    if vocab.has_eos:
        ended = [_every_prefix(vocab_size, written) for written in range(max_length)]
        parts = [torch.nn.functional.pad(part, (0, 1), value=vocab.eos) for part in ended] + parts
    mask = [torch.arange(max_length).expand(len(part), -1) < part.shape[1] for part in parts]
    parts = [torch.nn.functional.pad(part, (0, max_length - part.shape[1]), value=vocab.pad) for part in parts]
    return TextBatch(torch.cat(parts), torch.cat(mask))


def _every_prefix(vocab_size: int, length: int) -> Int[Tensor, "N length"]:
    place = vocab_size ** torch.arange(length - 1, -1, -1)
    return torch.arange(vocab_size**length).unsqueeze(1) // place % vocab_size


def _refuse_large(vocab_size: int, length: int, name: str) -> None:
    # by logarithms, since vocab_size ** length may itself be too large to compute
    if length * math.log(vocab_size) > math.log(MOST_SENTENCES) + 1e-9:
        raise UserError(
            f"{name} lists every sentence, and vocab_size={vocab_size} at length={length} makes {vocab_size}^{length} "
            f"of them; at most {MOST_SENTENCES:,} are allowed. Use fewer tokens or a shorter length."
        )
