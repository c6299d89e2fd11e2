"""The things that are handed from room to room.

The letters in every shape: **B** sentences, **T** positions, **V** vocabulary (what the output layer
can emit), **H** hidden, **N** rollouts. A *step* is one optimizer step of one player; a *cycle* is one
pass through a phase's steps (k discriminator steps, then one generator step).
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from annotated_types import Interval, MinLen
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from textgan_lit import tokenizer
from textgan_lit.errors import UserError, shown
from textgan_lit.run.schema import Count, Measured, check, form

Token = Int[Tensor, " B"] | Float[Tensor, "B V"]
Tokens = Int[Tensor, "B T"] | Float[Tensor, "B T V"]  # as ids, or soft: weights of what can be emitted
UPDATES = ("pretrain", "discriminator", "generator")

# What settings may ask for: far beyond any use, but what follows from it can still be computed and refused.
MANY = 2**24  # sentences, of a batch or a split
Size = Annotated[int, Interval(ge=1, le=2**20)]  # of an embedding or a layer
Layers = Annotated[int, Interval(ge=1, le=1000)]
Length = Annotated[int, Interval(ge=1, le=2**16)]  # positions of a sentence
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]  # as NumPy takes them
Temperature = Annotated[float, Interval(ge=1e-6, le=1e6)]  # beyond, logits divided by it are no numbers any more
Threads = Annotated[int, Interval(ge=1, le=1024)]  # of torch: so many CPUs have the largest machines; all are started


@dataclass(frozen=True)
class Vocab:
    """The tokens of a world, and the symbols around them.

    Ids 0 … len(tokens)-1 are tokens. Where sentences vary in length, eos comes next and can be emitted like a token.
    bos and pad come last: they are inputs only, outside the softmax.

    ``tokenizer`` is the text of a tokenizer.json with the same tokens, which then cuts text into them and joins them
    again; where there is none, they are words, with blanks between them.
    """

    tokens: tuple[str, ...]
    has_eos: bool = False
    tokenizer: str | None = field(default=None, repr=False)

    # where it is saved: its tokens, or, as bytes, the compressed text of the tokenizer that has them
    form: ClassVar = form(tokens=Annotated[list[str], MinLen(1)] | None, has_eos=bool, tokenizer=Tensor | None)

    @property
    def size(self) -> int:
        """V: how many symbols can be emitted (the tokens, and eos where there is one)."""
        return len(self.tokens) + self.has_eos

    @property
    def eos(self) -> int | None:
        return len(self.tokens) if self.has_eos else None

    @property
    def bos(self) -> int:
        return self.size

    @property
    def pad(self) -> int:
        return self.size + 1

    @property
    def inputs(self) -> int:
        """How many rows an input embedding needs: V + bos + pad."""
        return self.size + 2

    @property
    def keeps_breaks(self) -> bool:
        """Whether sentences can hold line breaks and indentation."""
        return self.tokenizer is not None and tokenizer.keeps_breaks(self.tokenizer)

    @property
    def unknown(self) -> int | None:
        """The token <unk>, which stands for what the tokenizer does not know; None where there is none."""
        return None if self.tokenizer is None else tokenizer.unknown(self.tokenizer)

    @property
    def is_readable(self) -> bool:
        """Whether tokens say something to people: they do not where an oracle's are mere numbers (17, w17)."""
        return self.tokenizer is not None or not all(token.removeprefix("w").isdigit() for token in self.tokens)

    def text(self, tokens: list[int]) -> str:
        """The tokens of one sentence, up to eos or padding."""
        tokens = [token for token in tokens if token < len(self.tokens)]
        if self.tokenizer is not None:
            return tokenizer.decode(self.tokenizer, tokens)
        return " ".join(self.tokens[token] for token in tokens)

    def characters(self, batch: TextBatch) -> Float[Tensor, " B"] | None:
        """How many characters each sentence has as text, its end included where eos marks it; None where tokens are no
        text. ``<unk>`` counts as one: what it stood for is not known, but that it was something."""
        if self.tokenizer is None:
            return None
        rows, unknown = batch.tokens.tolist(), self.unknown
        spelt = 0 if unknown is None else len(self.tokens[unknown]) - 1  # characters of <unk> beyond the one it counts
        counts = [len(self.text(row)) - spelt * row.count(unknown) + row.count(self.eos) for row in rows]
        return torch.tensor(counts, dtype=torch.double, device=batch.tokens.device)

    def encode(self, text: str) -> list[int]:
        """The ids of a sentence's tokens, without eos.

        >>> Vocab(("a", "b")).encode("b a")
        [1, 0]

        Raises:
            UserError: at a token that the vocabulary does not have, where no tokenizer knows what stands for it.
        """
        if self.tokenizer is not None:
            return tokenizer.encode(self.tokenizer, text)
        try:
            return [self._ids[token] for token in text.split()]
        except KeyError as error:
            raise UserError(
                f"The token {shown(error.args[0])} is not among the {len(self.tokens):,} tokens of this vocabulary, "
                f"such as {', '.join(self.tokens[:3])}. Give text of the same world."
            ) from None

    def saved(self) -> dict[str, Any]:
        """The vocabulary in its ``form``: a few hundred kilobytes for fifty thousand tokens."""
        if self.tokenizer is None:
            return {"tokens": list(self.tokens), "has_eos": self.has_eos, "tokenizer": None}
        text = torch.frombuffer(bytearray(zlib.compress(self.tokenizer.encode())), dtype=torch.uint8)
        return {"tokens": None, "has_eos": self.has_eos, "tokenizer": text}

    @staticmethod
    def restored(saved: Mapping[str, Any]) -> Vocab:
        """The vocabulary of which :meth:`saved` was made, or that somebody says was saved.

        Raises:
            UserError: it is none.
        """
        check(saved, Vocab.form, "vocab")
        tokens, has_eos, text = (saved[name] for name in ("tokens", "has_eos", "tokenizer"))
        if (tokens is None) == (text is None):
            raise UserError("vocab has tokens beside a tokenizer, or neither. Give the file as it was saved.")
        if text is None:
            return Vocab(tuple(tokens), has_eos)
        spelling = _expanded(text)
        return Vocab(tokenizer.tokens(spelling, "vocab.tokenizer"), has_eos, spelling)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}


def _expanded(packed: Tensor) -> str:
    """A text that was compressed, of a length that a tokenizer's may have."""
    expanding = zlib.decompressobj()
    try:
        text = expanding.decompress(packed.numpy().tobytes(), 4 * tokenizer.LARGEST).decode()
    except (zlib.error, ValueError, TypeError):  # which a text of other bytes is, or a tensor of none
        text = ""
    if not (text and expanding.eof):
        raise UserError("vocab.tokenizer is no compressed text, or too long a one. Give the file as it was saved.")
    return text


class TextBatch(NamedTuple):
    """Sentences. ``mask`` is True on tokens and on eos, False on padding."""

    tokens: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]

    def first(self, n: int) -> TextBatch:
        return TextBatch(self.tokens[:n], self.mask[:n])

    def padded(self, length: int, pad: int) -> TextBatch:
        """The same sentences in ``length`` positions."""
        more = (0, length - self.tokens.shape[1])
        return self if more == (0, 0) else TextBatch(F.pad(self.tokens, more, value=pad), F.pad(self.mask, more))

    def trimmed(self) -> TextBatch:
        """The same sentences in as many positions as the longest of them takes."""
        longest = int(self.mask.sum(1).max())
        return TextBatch(self.tokens[:, :longest], self.mask[:, :longest])

    def by_length(self, size: int) -> list[TextBatch]:
        """The same sentences, ``size`` of about one length at a time, each time in no more positions than they take."""
        order = self.mask.sum(1).argsort(stable=True).split(size)
        return [TextBatch(self.tokens[rows], self.mask[rows]).trimmed() for rows in order]

    def alike(self, size: int, chance: float) -> TextBatch:
        """``size`` of the sentences that are of about one length, which is for ``chance``, from 0 to 1, to say; each is
        taken as often as any other."""
        whole = len(self.tokens) // size
        return self.first(whole * size).by_length(size)[int(chance * whole)]


class Samples(NamedTuple):
    """Sentences that a generator wrote, with log G(x_t | x<t) under the policy that wrote them (0 on padding).

    ``latent`` is what each was written from beside its tokens' noise: log G is given that; L = 0 for most generators.
    """

    tokens: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    logp: Float[Tensor, "B T"]
    latent: Float[Tensor, "B L"]

    @property
    def batch(self) -> TextBatch:
        return TextBatch(self.tokens, self.mask)


class Evaluation(NamedTuple):
    """What every metric looks at: held-out sentences and as many samples, drawn once."""

    real: TextBatch
    fake: Samples


class Written(NamedTuple):
    """Sentences that a generator's step learns from, written by G as it is or, where steps share them, as it was at the
    first of those; and log G of them now, with its gradient, where that is known."""

    samples: Samples
    logp: Float[Tensor, "B T"] | None = None


class Outcome(NamedTuple):
    """What a loss gives back: its value to step on, detached scalars to log, and what G wrote for it, where others may
    learn from that, too."""

    loss: Float[Tensor, ""]
    logs: dict[str, Tensor]
    written: Written | None = None


@dataclass
class Clock:
    """How many steps each update has had, and what they consumed. ``global_step`` is the sum of the steps."""

    steps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UPDATES, 0))

    @property
    def total(self) -> int:
        return sum(self.steps.values())


STEPS = form(**dict.fromkeys(UPDATES, Count))  # of Clock.steps, where it is saved


@dataclass(frozen=True)
class HeldOutCheck:
    """What held-out sentences said about the discriminator, the same on every rank.

    ``bound`` and ``bound_se`` are in nats a sentence and belong to the calibrated discriminator
    (:func:`textgan_lit.functional.calibration.bound`); ``raw_bound`` to the discriminator as it is.
    ``regret`` is the mean KL(D*‖D), None where nobody needs it; ``steps`` is the clock at which it was taken.
    """

    bce: float
    bound: float
    bound_se: float
    raw_bound: float
    accuracy: float
    steps: dict[str, int]
    regret: float | None = None


BASES = dict[Literal["generator", "discriminator"], str]  # of a game, where it is saved: what its players stand on
CHOICE = form(  # of callbacks.choice
    kept=Literal["likelihood", "game"], difference=Measured | None, se=Measured | None, sentences=Count
)
HELD_OUT_CHECK = form(
    **dict.fromkeys(("bce", "bound", "bound_se", "raw_bound", "accuracy"), Measured),
    steps=STEPS,
    regret=Measured | None,
)
