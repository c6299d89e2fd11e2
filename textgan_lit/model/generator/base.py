"""What every generator promises."""

from __future__ import annotations

import copy
import functools
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from textgan_lit.errors import UserError, shown
from textgan_lit.functional import order as orders
from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.functional.likelihood import inputs_of, token_logp
from textgan_lit.functional.ragged import by_length
from textgan_lit.functional.recompute import in_parts
from textgan_lit.model.generator.decode_state import DecodeState, State
from textgan_lit.model.policy import Policy
from textgan_lit.types import Samples, TextBatch, Token, Vocab

Likelihood = Literal["exact", "bound", "none"]
Order = Literal["l2r", "r2l", "random", "binary_tree"] | list[int]  # what is written first: functional.order.positions

AT_ONCE = 800_000  # logits computed together: 3 MB, which a cache can hold
FEWEST_ROWS = 128  # … but never fewer rows than a matrix product needs to be quick
KEPT = 2**25  # logits kept for the backward pass; where there are more, they are computed again
SENTENCES = 1024  # written side by side: enough for a network to be quick, and bounded states
LOOK = 8  # steps of writing between two looks at which sentences have ended: a look waits for the device


class Generator(nn.Module, ABC):
    """A distribution over sentences of at most ``max_length`` tokens.

    ::

        start(n)               -> state               n empty sentences; every leaf is batch first, [n …],
                                                      so that a state can be repeated for rollouts
        advance(prev, state)   -> (features, state)   prev Int[B], the token just written (bos at first), or a soft
                                                      one, Float[B V], where accepts_soft;
                                                      features [B H] of what stands there now
        features(inputs)       -> [B T H]             teacher forcing; equals advancing
        head(features)         -> Float[… V]          unnormalised logits of the next token, row by row

    ``head`` stands apart because it is what costs where V is large: it is asked for a few rows at a time, perhaps
    twice, and must give the same logits each time (no dropout). Without one, the features are the logits. ``advance``
    may reuse the memory of the state it was given, but never what that state stands for.

    Sentences are written in an order of their own, left to right unless ``order`` says otherwise: ``advance`` and
    ``features`` meet tokens as they are written, everybody else at their places. ``to_generation_order`` and
    ``to_reading_order`` lead from one to the other. A generator of ``any_order`` is told where each token stands and
    where the next one goes, and takes the order of each sentence as a further argument of ``start(n, order)`` and
    ``features(inputs, order)``.
    """

    accepts_soft: ClassVar[bool] = False  # whether advance takes soft tokens, and passes a gradient to them
    likelihood: ClassVar[Likelihood] = "exact"  # what is known of log G(x): see generator.latent for the others
    autoregressive: ClassVar[bool] = True  # else there is no start and no advance: no next token after a prefix
    # Of rows: with less, a matrix product may round otherwise, and who has ended would change the others.
    fewest_rows: ClassVar[int] = 96
    base: str | None = None  # sha256 of the pretrained weights that it stands on, which no checkpoint holds
    latent: int = 0  # uniform numbers that a sentence needs before those of its tokens

    def __init__(
        self, vocab: Vocab, max_length: int, order: Order = "l2r", order_seed: int = 0, any_order: bool = False
    ):
        super().__init__()
        self.vocab = vocab
        self.max_length = max_length
        self.any_order = any_order
        self.register_buffer("order_of_writing", _checked(order, order_seed, any_order, vocab, max_length), False)

    def fixed(self) -> Iterable[Tensor]:
        """The weights that nothing changes, neither a step nor ``sync_with`` nor a state that is loaded."""
        return ()

    def frozen(self) -> Generator:
        """A copy that stays as this one is now, to be compared with. Both share what is ``fixed``."""
        shared = {id(weight): weight for weight in self.fixed()}
        return copy.deepcopy(self, shared).requires_grad_(False).eval()

    def on(self, device: torch.device) -> Generator:
        """This one where ``device`` is the CPU, on which it was made; else a copy there, each time the same."""
        return self if device.type == "cpu" else _copy(self, device)

    def need_likelihood(self, who: str, otherwise: str) -> None:
        """Refuses, in the name of ``who`` needs log G(x) itself, a generator that has none."""
        if self.likelihood != "exact":
            known = "knows only a bound on" if self.likelihood == "bound" else "does not know"
            raise UserError(
                f"{who} needs log G(x), which {type(self).__name__} {known}. "
                f"Use model/generator={fitting(lambda kind: kind.likelihood == 'exact')}, or {otherwise}."
            )

    def need_prefixes(self, who: str, otherwise: str) -> None:
        """Refuses, in the name of ``who`` asks for the next token, a generator that has none."""
        if not self.autoregressive:
            raise UserError(
                f"{who} asks for the next token, but {type(self).__name__} does not write from left to right. "
                f"Use {otherwise}, or model/generator={fitting(lambda kind: kind.autoregressive)}."
            )

    def sync_with(self, discriminator: nn.Module) -> None:
        """Called before its first step, and before its first step after each of the discriminator's, with the
        discriminator, where there is one."""
        return

    def start(self, n: int) -> State:
        raise NotImplementedError(f"{type(self).__name__} does not say how a sentence starts.")

    def advance(self, prev: Token, state: State) -> tuple[Float[Tensor, "B H"], State]:
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
        """What a sentence depends on beside its tokens, from the first of its uniform numbers."""
        return uniform

    def decoding(self) -> AbstractContextManager[None]:
        """What many tokens are written in, or scored by one that does not learn: a generator may hold ready for as long
        what makes each of them cheaper."""
        return nullcontext()

    @torch.no_grad()
    def sample(self, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Samples:
        """One sentence a row of noise: the same noise gives the same sentence, rank or device notwithstanding.

        The first columns are for the latent, if there is one; then there is one a token, in the order of writing. A
        sentence ends at eos or with the last column of noise; one cut there is an outcome of its own. What has ended
        is let go of on the way, which changes nothing of the others and costs what is written, not all columns.
        """
        with self.decoding():
            parts = [self._sample(part, policy) for part in noise.split(SENTENCES)]
        return Samples(*(torch.cat(leaves) for leaves in zip(*parts, strict=True)))

    def _sample(self, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Samples:
        """Writes them token by token."""
        latent = self.prior(noise[:, : self.latent])
        uniform, decoding = noise[:, self.latent :], self.start_decoding(len(noise), latent)
        tokens = torch.full(uniform.shape, self.vocab.pad, device=noise.device)
        masks, logps = torch.zeros_like(tokens, dtype=torch.bool), torch.zeros_like(uniform, dtype=torch.float)
        rows = torch.arange(len(noise), device=noise.device)
        for step in range(uniform.shape[1]):
            if self.vocab.has_eos and step and step % LOOK == 0:
                kept = decoding.unfinished(self.fewest_rows)
                rows, decoding = rows[kept], decoding.rows(kept)
            if not len(rows):
                break
            masks[rows, step] = decoding.open
            tokens[rows, step], logps[rows, step], decoding = self.decode_step(decoding, policy, uniform[rows, step])
        return Samples(*map(self.to_reading_order, (tokens, masks, logps)), latent)

    def start_decoding(
        self, n: int, latent: Float[Tensor, "B L"] | None = None, order: Int[Tensor, "#B T"] | None = None
    ) -> DecodeState:
        """n empty sentences, each with its latent where there is one, in another ``order`` where that is asked."""
        state = self.start(n, *self.given(latent), *(() if order is None else (order,)))
        prev = torch.full((n,), self.vocab.bos, device=state[0].device)
        return DecodeState(prev, state, torch.ones_like(prev, dtype=torch.bool))

    def decode_step(
        self, decoding: DecodeState, policy: Policy, uniform: Float[Tensor, " B"]
    ) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"], DecodeState]:
        """The next token (pad where the sentence has ended), its log-probability, and the state after it."""
        features, state = self.advance(decoding.prev, decoding.state)
        token, logp = self.draw(features, policy, uniform)
        token, logp = token.masked_fill(~decoding.open, self.vocab.pad), logp.masked_fill(~decoding.open, 0.0)
        return token, logp, DecodeState(token, state, self.unfinished(decoding.open, token))

    def draw(
        self, features: Float[Tensor, "B H"], policy: Policy, uniform: Float[Tensor, " B"]
    ) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
        """A token after each row of ``features``, and its log-probability; in float32, as where it is scored again."""
        rows = self.rows_at_once()
        parts = zip(features.split(rows), uniform.split(rows), strict=True)
        drawn = [draw(policy(self.head(some).float()), part) for some, part in parts]
        return tuple(map(torch.cat, zip(*drawn, strict=True)))

    def force_token(self, decoding: DecodeState, token: Int[Tensor, " B"]) -> DecodeState:
        """The state after a token that is given, not drawn."""
        _, state = self.advance(decoding.prev, decoding.state)
        return DecodeState(token, state, self.unfinished(decoding.open, token))

    def unfinished(self, was_open: Bool[Tensor, " B"], token: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
        """Which sentences go on after ``token``: all of them in a world without eos."""
        eos = self.vocab.eos
        return was_open if eos is None else was_open & (token != eos)

    def logits(self, inputs: Int[Tensor, "B T"], latent: Float[Tensor, "B L"] | None = None) -> Float[Tensor, "B T V"]:
        """Unnormalised logits of the token after each input."""
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
    def is_left_to_right(self) -> bool:
        """Whether tokens are written in the order of reading."""
        return self.order_of_writing is None

    def to_generation_order(self, x: Shaped[Tensor, "B T *rest"]) -> Shaped[Tensor, "B T *rest"]:
        """What stands at each place, in the order of writing."""
        return x if self.is_left_to_right else orders.to_generation_order(x, self.order_of_writing)

    def to_reading_order(self, x: Shaped[Tensor, "B T *rest"]) -> Shaped[Tensor, "B T *rest"]:
        """What was written step by step, at its places."""
        return x if self.is_left_to_right else orders.to_reading_order(x, self.order_of_writing)

    def predict(
        self, batch: TextBatch, policy: Policy, latent: Float[Tensor, "B L"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """Logits of every token of ``batch`` given the tokens written before it (and its latent), under ``policy``."""
        return self.to_reading_order(policy(self.head(self.features_of(batch, latent)).float()))

    def features_of(
        self, batch: TextBatch, latent: Float[Tensor, "B L"] | None = None, given: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T H"]:
        """What the logits of each token of ``batch`` are made of, in the order of writing; ``given``: see ``logp``."""
        read = inputs_of(self.to_generation_order(batch.tokens if given is None else given), self.vocab.bos)
        if not (self.vocab.has_eos and self.autoregressive):
            return self.features(read, *self.given(latent))
        return by_length(self.features, batch.mask, read, *self.given(latent))

    def logp(
        self,
        batch: TextBatch,
        policy: Policy,
        given: Int[Tensor, "B T"] | None = None,
        latent: Float[Tensor, "B L"] | None = None,
        order: Int[Tensor, "#B T"] | None = None,
    ) -> Float[Tensor, "B T"]:
        """log G(x_t | tokens written before x_t) in nats, at x_t's place; 0 on padding.

        ``given`` are sentences whose tokens are read in place of x's own. Where there is a ``latent``, all of this is
        given it. ``order`` is another order of writing than the generator's own, for one of ``any_order``.
        """
        if order is not None:
            ordered = TextBatch(*(orders.to_generation_order(part, order) for part in batch))
            read = ordered.tokens if given is None else orders.to_generation_order(given, order)
            features = self.features(inputs_of(read, self.vocab.bos), order)
            return orders.to_reading_order(self.of_written(features, ordered, policy), order)
        ordered = TextBatch(*map(self.to_generation_order, batch))
        return self.to_reading_order(self.of_written(self.features_of(batch, latent, given), ordered, policy))

    def of_written(self, features: Float[Tensor, "B T H"], batch: TextBatch, policy: Policy) -> Float[Tensor, "B T"]:
        """log-probability of each token of ``batch``, in the order of writing, from what ``features`` gave for it."""
        return self.by_rows(lambda logits, *token: token_logp(policy(logits), *token), features, batch.mask, *batch)

    def by_rows(
        self,
        work: Callable[..., Tensor],
        features: Float[Tensor, "B T H"],
        mask: Bool[Tensor, "B T"],
        *others: Shaped[Tensor, "B T ..."],
    ) -> Float[Tensor, "B T"]:
        """``work(logits, *others)`` of each row of ``features``, one number each, in a few rows at a time.

        Where sentences vary in length, padding has 0 and, on the CPU, costs nothing. For the way back ``work`` should
        keep one number per logit. Up to KEPT are kept; where there would be more, they are computed again.
        """
        rows, inside = self.rows_at_once(), mask.flatten()
        flat = [some.flatten(0, 1) for some in (features, *others)]
        some_left = self.vocab.has_eos and mask.device.type == "cpu"  # elsewhere their number would be waited for
        if some_left:
            flat = [some[inside] for some in flat]

        def of_part(features: Tensor, *others: Tensor) -> Tensor:
            return work(self.head(features).float(), *others)

        many = len(flat[0]) * self.vocab.size > KEPT and type(self).head is not Generator.head
        if torch.is_grad_enabled() and many:
            found = in_parts(of_part, rows, flat[0], flat[1:], lambda: list(self.parameters()))
        else:
            found = torch.cat([of_part(*part) for part in zip(*(some.split(rows) for some in flat), strict=True)])
        if some_left:
            found = found.new_zeros(inside.shape).masked_scatter(inside, found)
        return found.view(mask.shape)


@functools.lru_cache(maxsize=1)
def _copy(generator: Generator, device: torch.device) -> Generator:
    return copy.deepcopy(generator).to(device)


def fitting(fits: Callable[[type[Generator]], bool]) -> str:
    """The generators whose declarations fit, as a refusal offers them and ``model/generator`` names them.

    One that needs a leaked discriminator, or the name of a pretrained model, is never offered: not everybody has one.

    >>> fitting(lambda kind: "any_order" in inspect.signature(kind).parameters)
    'lstm or transformer'
    """
    package, found = import_module(__package__), []
    for name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        kinds = vars(import_module(f"{package.__name__}.{name}")).values()
        own = [kind for kind in kinds if isinstance(kind, type) and kind.__module__ == f"{package.__name__}.{name}"]
        final = [kind for kind in own if issubclass(kind, Generator) and "__final__" in vars(kind)]
        alone = [kind for kind in final if not {"leaked_discriminator", "name"} & {*inspect.signature(kind).parameters}]
        found += [name for kind in alone if fits(kind)]
    return " or ".join(filter(None, [", ".join(found[:-1]), found[-1]]))


def _checked(order: Order, seed: int, any_order: bool, vocab: Vocab, length: int) -> Int[Tensor, "1 T"] | None:
    """The order of writing; None where tokens are written as they are read."""
    try:
        found = orders.positions(order, length, seed)
    except ValueError:
        raise UserError(
            f"generator.order={shown(order)}: wanted each of the {length} positions from 0 to {length - 1} once, "
            "or l2r, r2l, random or binary_tree."
        ) from None
    is_left_to_right = found == list(range(length))
    if vocab.has_eos and not (is_left_to_right and not any_order):
        raise UserError(
            f"generator.{'any_order=true' if any_order else f'order={shown(order)}'}: these sentences vary in length, "
            "and where one ends has to be known before its last tokens can be written first. Use "
            "model.generator.order=l2r and any_order=false, or data of one length, such as data=mixture or oracle_lstm."
        )
    return None if is_left_to_right else torch.tensor([found])
