"""What every generator promises."""

from __future__ import annotations

import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from textgan_lit.errors import UserError, shown
from textgan_lit.functional import order as orders
from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.functional.likelihood import inputs_of, token_logp
from textgan_lit.functional.recompute import in_parts
from textgan_lit.model.policy import Policy
from textgan_lit.types import Rollout, TextBatch, Vocab, Word

State = tuple[Tensor, ...]
Likelihood = Literal["exact", "bound", "none"]
Order = Literal["l2r", "r2l", "random", "binary_tree"] | list[int]  # what is written first: functional.order.positions

AT_ONCE = 800_000  # logits computed together: 3 MB, which a cache can hold
FEWEST_ROWS = 128  # … but never fewer rows than a matrix product needs to be quick
KEPT = 2**25  # logits kept for the backward pass; where there are more, they are computed again
SENTENCES = 1024  # written side by side: enough for a network to be quick, and bounded states
LOOK = 8  # steps of writing between two looks at which sentences have ended: a look waits for the device
WORTH = 0.8  # share of rows still open above which the others are not worth a copy of the states
FEWEST = 96  # rows: with fewer, a matrix product may round otherwise, and who has ended would change the others


class Pen(NamedTuple):
    """Where writing stands: the last word, the generator's state, and which sentences are still open."""

    prev: Int[Tensor, " B"]
    state: State
    open: Bool[Tensor, " B"]

    def rows(self, index: Tensor | slice) -> Pen:
        return Pen(self.prev[index], tuple(leaf[index] for leaf in self.state), self.open[index])

    def unfinished(self) -> Int[Tensor, " rows"] | slice:
        """The rows worth writing on: none where all sentences have ended, all where few have, else those that are
        open, and as many ended ones as there have to be."""
        open = int(self.open.sum())
        kept = max(open, min(FEWEST, len(self.open)))
        if open and kept > WORTH * len(self.open):
            return slice(None)
        return self.open.int().topk(kept).indices.sort().values if open else slice(0)

    @staticmethod
    def join(pens: list[Pen]) -> Pen:
        return Pen(
            torch.cat([pen.prev for pen in pens]),
            tuple(torch.cat(leaves) for leaves in zip(*(pen.state for pen in pens), strict=True)),
            torch.cat([pen.open for pen in pens]),
        )


class Generator(nn.Module, ABC):
    """A distribution over sentences of at most ``max_length`` words.

    ::

        start(n)               -> state               n empty sentences; every leaf is batch first, [n …],
                                                      so that a state can be repeated for rollouts
        advance(prev, state)   -> (features, state)   prev Int[B], the word just written (bos at first), or a soft
                                                      one, Float[B V], where reads_soft;
                                                      features [B H] of what stands there now
        features(inputs)       -> [B T H]             teacher forcing; equals advancing
        head(features)         -> Float[… V]          unnormalised logits of the next word, row by row

    ``head`` stands apart because it is what costs where V is large: it is asked for a few rows at a time, perhaps
    twice, and must give the same logits each time (no dropout). Without one, the features are the logits. ``advance``
    may reuse the memory of the state it was given, but never what that state stands for.

    Sentences are written in an order of their own, left to right unless ``order`` says otherwise: ``advance`` and
    ``features`` meet words as they are written, everybody else at their places. ``written`` and ``read`` lead from
    one to the other. A generator of ``any_order`` is told where each word stands and where the next one goes, and
    takes the order of each sentence as a further argument of ``start(n, order)`` and ``features(inputs, order)``.
    """

    reads_soft: ClassVar[bool] = False  # whether advance takes soft words, and passes a gradient to them
    likelihood: ClassVar[Likelihood] = "exact"  # what is known of log G(x): see generator.latent for the others
    left_to_right: ClassVar[bool] = True  # else there is no start and no advance: no next word after a prefix
    latent: int = 0  # uniform numbers that a sentence needs before those of its words

    def __init__(
        self, vocab: Vocab, max_length: int, order: Order = "l2r", order_seed: int = 0, any_order: bool = False
    ):
        super().__init__()
        self.vocab = vocab
        self.max_length = max_length
        self.any_order = any_order
        self.register_buffer("order_of_writing", _checked(order, order_seed, any_order, vocab, max_length), False)

    def need_likelihood(self, who: str, otherwise: str) -> None:
        """Refuses, in the name of ``who`` needs log G(x) itself, a generator that has none."""
        if self.likelihood != "exact":
            known = "knows only a bound on" if self.likelihood == "bound" else "does not know"
            raise UserError(
                f"{who} needs log G(x), which {type(self).__name__} {known}. "
                f"Use model/generator={fitting(lambda kind: kind.likelihood == 'exact')}, or {otherwise}."
            )

    def need_prefixes(self, who: str, otherwise: str) -> None:
        """Refuses, in the name of ``who`` asks for the next word, a generator that has none."""
        if not self.left_to_right:
            raise UserError(
                f"{who} asks for the next word, but {type(self).__name__} does not write from left to right. "
                f"Use {otherwise}, or model/generator={fitting(lambda kind: kind.left_to_right)}."
            )

    def meet(self, discriminator: nn.Module) -> None:
        """Called before its first step, and before its first step after each of the discriminator's, with the
        discriminator, where there is one."""
        return

    def start(self, n: int) -> State:
        raise NotImplementedError(f"{type(self).__name__} does not say how a sentence starts.")

    def advance(self, prev: Word, state: State) -> tuple[Float[Tensor, "B H"], State]:
        raise NotImplementedError(f"{type(self).__name__} does not say how a sentence goes on.")

    @abstractmethod
    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]: ...

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return features

    @property
    def uniforms(self) -> int:
        """How many uniform numbers write a sentence."""
        return self.latent + self.max_length

    def prior(self, uniform: Float[Tensor, "B L"]) -> Float[Tensor, "B L"]:
        """What a sentence depends on beside its words, from the first of its uniform numbers."""
        return uniform

    @torch.no_grad()
    def sample(self, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Rollout:
        """One sentence a row of noise: the same noise gives the same sentence, rank or device notwithstanding.

        The first columns are for the latent, if there is one; then there is one a word, in the order of writing. A
        sentence ends at eos or with the last column of noise; one cut there is an outcome of its own. What has ended
        is let go of on the way, which changes nothing of the others and costs what is written, not all columns.
        """
        parts = [self._sample(part, policy) for part in noise.split(SENTENCES)]
        return Rollout(*(torch.cat(leaves) for leaves in zip(*parts, strict=True)))

    def _sample(self, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Rollout:
        """Word by word."""
        latent = self.prior(noise[:, : self.latent])
        uniform, pen = noise[:, self.latent :], self.begin(len(noise), latent)
        words = torch.full(uniform.shape, self.vocab.pad, device=noise.device)
        masks, logps = torch.zeros_like(words, dtype=torch.bool), torch.zeros_like(uniform, dtype=torch.float)
        rows = torch.arange(len(noise), device=noise.device)
        for step in range(uniform.shape[1]):
            if self.vocab.has_eos and step % LOOK == 0:
                kept = pen.unfinished()
                rows, pen = rows[kept], pen.rows(kept)
            if not len(rows):
                break
            masks[rows, step] = pen.open
            words[rows, step], logps[rows, step], pen = self.write(pen, policy, uniform[rows, step])
        return Rollout(*map(self.read, (words, masks, logps)), latent)

    def begin(
        self, n: int, latent: Float[Tensor, "B L"] | None = None, order: Int[Tensor, "#B T"] | None = None
    ) -> Pen:
        """n empty sentences, each with its latent where there is one, in another ``order`` where that is asked."""
        state = self.start(n, *self.given(latent), *(() if order is None else (order,)))
        prev = torch.full((n,), self.vocab.bos, device=state[0].device)
        return Pen(prev, state, torch.ones_like(prev, dtype=torch.bool))

    def write(
        self, pen: Pen, policy: Policy, uniform: Float[Tensor, " B"]
    ) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"], Pen]:
        """One more word: the word (pad where the sentence has ended), its log-probability, and the pen after it."""
        features, state = self.advance(pen.prev, pen.state)
        word, logp = self.draw(features, policy, uniform)
        word = word.masked_fill(~pen.open, self.vocab.pad)
        return word, logp.masked_fill(~pen.open, 0.0), Pen(word, state, self.still_open(pen.open, word))

    def draw(
        self, features: Float[Tensor, "B H"], policy: Policy, uniform: Float[Tensor, " B"]
    ) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
        """A word after each row of ``features``, and its log-probability; in float32, as where it is scored again."""
        rows = self.rows_at_once()
        parts = zip(features.split(rows), uniform.split(rows), strict=True)
        drawn = [draw(policy(self.head(some).float()), part) for some, part in parts]
        return tuple(map(torch.cat, zip(*drawn, strict=True)))

    def follow(self, pen: Pen, word: Int[Tensor, " B"]) -> Pen:
        """The pen after a word that is given, not drawn."""
        _, state = self.advance(pen.prev, pen.state)
        return Pen(word, state, self.still_open(pen.open, word))

    def still_open(self, was_open: Bool[Tensor, " B"], word: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
        """Which sentences go on after ``word``: all of them in a world without eos."""
        eos = self.vocab.eos
        return was_open if eos is None else was_open & (word != eos)

    def logits(self, inputs: Int[Tensor, "B T"], latent: Float[Tensor, "B L"] | None = None) -> Float[Tensor, "B T V"]:
        """Unnormalised logits of the word after each input."""
        return self.head(self.features(inputs, *self.given(latent)))

    def given(self, latent: Float[Tensor, "B L"] | None) -> tuple[Tensor, ...]:
        """What ``start`` and ``features`` are given besides: nothing where there is no latent."""
        if not self.latent:
            return ()
        if latent is None:
            raise ValueError(f"{type(self).__name__} knows log G(x | z) alone: pass latent, the z of every sentence.")
        return (latent,)

    def rows_at_once(self) -> int:
        """How many rows of logits to compute together."""
        return max(FEWEST_ROWS, AT_ONCE // self.vocab.size)

    @property
    def as_read(self) -> bool:
        """Whether words are written in the order of reading."""
        return self.order_of_writing is None

    def written(self, x: Shaped[Tensor, "B T *rest"]) -> Shaped[Tensor, "B T *rest"]:
        """What stands at each place, in the order of writing."""
        return x if self.as_read else orders.written(x, self.order_of_writing)

    def read(self, x: Shaped[Tensor, "B T *rest"]) -> Shaped[Tensor, "B T *rest"]:
        """What was written step by step, at its places."""
        return x if self.as_read else orders.read(x, self.order_of_writing)

    def predict(
        self, batch: TextBatch, policy: Policy, latent: Float[Tensor, "B L"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """Logits of every word of ``batch`` given the words written before it (and its latent), under ``policy``."""
        inputs = inputs_of(self.written(batch.tokens), self.vocab.bos)
        return self.read(policy(self.logits(inputs, latent).float()))

    def logp(
        self,
        batch: TextBatch,
        policy: Policy,
        given: Int[Tensor, "B T"] | None = None,
        latent: Float[Tensor, "B L"] | None = None,
        order: Int[Tensor, "#B T"] | None = None,
    ) -> Float[Tensor, "B T"]:
        """log G(x_t | words written before x_t) in nats, at x_t's place; 0 on padding.

        ``given`` are sentences whose words are read in place of x's own. Where there is a ``latent``, all of this is
        given it. ``order`` is another order of writing than the generator's own, for one of ``any_order``.

        Logits are held for a few rows at a time. For the way back one number per logit is kept up to KEPT of them;
        where there would be more, none are, and the logits are computed again.
        """
        if order is not None:
            ordered = TextBatch(*(orders.written(part, order) for part in batch))
            read = ordered.tokens if given is None else orders.written(given, order)
            features = self.features(inputs_of(read, self.vocab.bos), order)
            return orders.read(self.of_written(features, ordered, policy), order)
        ordered = TextBatch(*map(self.written, batch))
        read = ordered.tokens if given is None else self.written(given)
        features = self.features(inputs_of(read, self.vocab.bos), *self.given(latent))
        return self.read(self.of_written(features, ordered, policy))

    def of_written(self, features: Float[Tensor, "B T H"], batch: TextBatch, policy: Policy) -> Float[Tensor, "B T"]:
        """log-probability of each word of ``batch``, in the order of writing, from what ``features`` gave for it."""
        features = features.flatten(0, 1)

        def score(features: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
            return token_logp(policy(self.head(features).float()), tokens, mask)

        rows, words = self.rows_at_once(), (batch.tokens.flatten(), batch.mask.flatten())
        many = len(features) * self.vocab.size > KEPT and type(self).head is not Generator.head
        if torch.is_grad_enabled() and many:
            found = in_parts(score, rows, features, words, lambda: list(self.parameters()))
        else:
            parts = zip(*(part.split(rows) for part in (features, *words)), strict=True)
            found = torch.cat([score(*part) for part in parts])
        return found.view(batch.tokens.shape)


def fitting(fits: Callable[[type[Generator]], bool]) -> str:
    """The generators whose declarations fit, as a refusal offers them and ``model/generator`` names them.

    Whoever reads with a discriminator's eyes is never offered: not every model has such a discriminator.

    >>> fitting(lambda kind: "any_order" in inspect.signature(kind).parameters)
    'lstm or transformer'
    """
    package, found = import_module(__package__), []
    for name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        kinds = vars(import_module(f"{package.__name__}.{name}")).values()
        own = [kind for kind in kinds if isinstance(kind, type) and kind.__module__ == f"{package.__name__}.{name}"]
        final = [kind for kind in own if issubclass(kind, Generator) and "__final__" in vars(kind)]
        found += [name for kind in final if "reader" not in inspect.signature(kind).parameters and fits(kind)]
    return " or ".join(filter(None, [", ".join(found[:-1]), found[-1]]))


def _checked(order: Order, seed: int, any_order: bool, vocab: Vocab, length: int) -> Int[Tensor, "1 T"] | None:
    """The order of writing; None where words are written as they are read."""
    try:
        found = orders.positions(order, length, seed)
    except ValueError:
        raise UserError(
            f"generator.order={shown(order)}: wanted each of the {length} positions from 0 to {length - 1} once, "
            "or l2r, r2l, random or binary_tree."
        ) from None
    as_read = found == list(range(length))
    if vocab.has_eos and not (as_read and not any_order):
        raise UserError(
            f"generator.{'any_order=true' if any_order else f'order={shown(order)}'}: these sentences vary in length, "
            "and where one ends has to be known before its last words can be written first. Use "
            "model.generator.order=l2r and any_order=false, or data of one length, such as data=mixture or oracle_lstm."
        )
    return None if as_read else torch.tensor([found])
