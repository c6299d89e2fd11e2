"""The one way in which sentences are written: noise in, sentences out (inverse-transform sampling)."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.functional.order import read
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.policy import Policy
from textgan_lit.types import Rollout, TextBatch

BLOCKED_FROM = 400  # from this many words on, the cumulative sum is taken over blocks first
BELOW = 1 - 2**-23  # times a float32: less than it, by one or two of its smallest steps
SENTENCES = 1024  # written side by side: enough for a network to be quick, and bounded states


def draw(logits: Float[Tensor, "B V"], uniform: Float[Tensor, " B"]) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
    """One word a row by inverse CDF, and its log-probability.

    The cumulative sum is float32: its edges, like the uniform numbers, have 24 bits. A word whose probability rounds
    to 0 is never drawn, for no uniform in [0, 1). Cost: one softmax and one pass over V; no random number per
    vocabulary item (which is what makes ``torch.multinomial`` slow at large V).

    >>> draw(torch.tensor([[0.0, 0.0]]).log_softmax(-1), torch.tensor([0.49]))
    (tensor([0]), tensor([-0.6931]))
    """
    weight = logits.float().softmax(-1)  # one call: on CPU it takes half the time of a subtraction and an exp
    word = _invert(weight, uniform.float().unsqueeze(-1))
    return word.squeeze(-1), weight.gather(-1, word).log().squeeze(-1)


def _invert(weight: Float[Tensor, "B V"], uniform: Float[Tensor, "B 1"]) -> Int[Tensor, "B 1"]:
    """The first index whose cumulative weight exceeds uniform × total.

    For large V the block is found first, among about √V sums, then the word inside its block.
    """
    size = weight.shape[-1]
    if size < BLOCKED_FROM:
        cdf = weight.cumsum(-1)
        return _first_above(cdf, uniform * cdf[:, -1:])
    width = _block_width(size)
    padded = weight if size % width == 0 else torch.nn.functional.pad(weight, (0, -size % width))
    padded = padded.unflatten(-1, (-1, width))
    sums = padded.sum(-1)
    blocks = sums.cumsum(-1)
    target = uniform * blocks[:, -1:]
    block = _first_above(blocks, target)
    rest = target - (blocks - sums).gather(-1, block)
    inside = padded.gather(1, block.unsqueeze(-1).expand(-1, 1, width)).squeeze(1)
    return _first_above(inside.cumsum(-1), rest).add_(block, alpha=width).clamp_max_(size - 1)


@functools.cache
def _block_width(size: int) -> int:
    """About √V, and a divisor of V where there is one nearby: then nothing needs padding."""
    root = round(size**0.5)
    near = [width for width in range(root // 2, 2 * root) if size % width == 0]
    return min(near, key=lambda width: abs(width - root), default=root)


def _first_above(cdf: Float[Tensor, "B W"], target: Float[Tensor, "B 1"]) -> Int[Tensor, "B 1"]:
    # Rounding can lift the target to the very top, or below 0; just below the top there is always a word of weight > 0.
    above = torch.searchsorted(cdf, target.clamp_min(0.0).minimum(cdf[:, -1:] * BELOW), right=True)
    return above.clamp_max_(cdf.shape[-1] - 1)  # where all are NaN there is none: who reads the log-probability sees it


class Pen(NamedTuple):
    """Where writing stands: the last word, the generator's state, and which sentences are still open."""

    prev: Int[Tensor, " B"]
    state: State
    open: Bool[Tensor, " B"]

    def rows(self, index: Tensor | slice) -> Pen:
        return Pen(self.prev[index], tuple(leaf[index] for leaf in self.state), self.open[index])

    @staticmethod
    def join(pens: list[Pen]) -> Pen:
        return Pen(
            torch.cat([pen.prev for pen in pens]),
            tuple(torch.cat(leaves) for leaves in zip(*(pen.state for pen in pens), strict=True)),
            torch.cat([pen.open for pen in pens]),
        )


def begin(
    generator: Generator,
    n: int,
    latent: Float[Tensor, "B L"] | None = None,
    order: Int[Tensor, "#B T"] | None = None,
) -> Pen:
    """n empty sentences, each with its latent where the generator has one, in another ``order`` where that is asked."""
    state = generator.start(n, *generator.given(latent), *(() if order is None else (order,)))
    prev = torch.full((n,), generator.vocab.bos, device=state[0].device)
    return Pen(prev, state, torch.ones_like(prev, dtype=torch.bool))


def write(
    generator: Generator, pen: Pen, policy: Policy, uniform: Float[Tensor, " B"]
) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"], Pen]:
    """One more word: the word (pad where the sentence has ended), its log-probability, and the pen after it."""
    features, state = generator.advance(pen.prev, pen.state)
    rows = generator.rows_at_once()
    drawn = [
        draw(policy(generator.head(some).float()), part)  # float32, as where sentences are re-scored
        for some, part in zip(features.split(rows), uniform.split(rows), strict=True)
    ]
    word, logp = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    word = word.masked_fill(~pen.open, generator.vocab.pad)
    return word, logp.masked_fill(~pen.open, 0.0), Pen(word, state, still_open(generator, pen.open, word))


def follow(generator: Generator, pen: Pen, word: Int[Tensor, " B"]) -> Pen:
    """The pen after a word that is given, not drawn."""
    _, state = generator.advance(pen.prev, pen.state)
    return Pen(word, state, still_open(generator, pen.open, word))


def still_open(generator: Generator, was_open: Bool[Tensor, " B"], word: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
    """Which sentences go on after ``word``: all of them in a world without eos."""
    eos = generator.vocab.eos
    return was_open if eos is None else was_open & (word != eos)


@torch.no_grad()
def mixed(
    generator: Generator,
    tokens: Int[Tensor, "B T"],
    keep: Bool[Tensor, "B T"],
    noise: Float[Tensor, "B T"],
    policy: Policy,
) -> Int[Tensor, "B T"]:
    """Sentences of which ``keep`` is given, and every other word is the generator's own, after those written before.

    A column of ``keep`` and of ``noise`` is a step of writing.
    """
    pen, words = begin(generator, len(tokens)), []
    steps = generator.written(tokens).unbind(1)
    for given, kept, uniform in zip(steps, keep.unbind(1), noise.unbind(1), strict=True):
        own, _, after = write(generator, pen, policy, uniform)
        pen = Pen(given.where(kept, own), after.state, pen.open)  # it goes on after eos: the data say where to end
        words.append(pen.prev)
    return generator.read(torch.stack(words, 1))


@torch.no_grad()
def infill(
    generator: Generator,
    tokens: Int[Tensor, " T"],
    gap: Bool[Tensor, " T"],
    noise: Float[Tensor, "B gaps"],
    policy: Policy,
) -> Rollout:
    """``tokens`` with a word of the generator's in every ``gap``, for one of ``any_order``; a column of noise a gap.

    What is given is read first, then the gaps are written, both in the generator's own order. ``logp`` is log G of a
    gap's word given that and the gaps before it, 0 of what is given.
    """
    own = generator.written(torch.arange(len(tokens), device=tokens.device).unsqueeze(0)).squeeze(0)
    order = torch.cat([own[~gap[own]], own[gap[own]]]).unsqueeze(0)
    pen, uniforms = begin(generator, len(noise), order=order), iter(noise.unbind(1))
    words, logps = [], []
    for given, missing in zip(tokens[order[0]].tolist(), gap[order[0]].tolist(), strict=True):
        if missing:
            word, logp, pen = write(generator, pen, policy, next(uniforms))
        else:
            word, logp = torch.full_like(pen.prev, given), torch.zeros_like(noise[:, 0])
            pen = follow(generator, pen, word)
        words.append(word)
        logps.append(logp)
    found, logp = (read(torch.stack(steps, 1), order) for steps in (words, logps))
    return Rollout(found, torch.ones_like(found, dtype=torch.bool), logp, noise[:, :0])


def between(
    one: Float[Tensor, " uniforms"], other: Float[Tensor, " uniforms"], latent: int, steps: int
) -> Float[Tensor, "steps uniforms"]:
    """Noise on the way from ``one`` to where its ``latent`` is the other's; its words' noise stays.

    As normal numbers, a and b, the latent goes along cos(s) a + sin(s) b, s from 0 to π/2. These are again independent
    and normal, so what is written on the way is as good a sample as the two ends.
    """
    a, b = (torch.special.ndtri(noise[:latent].double().clamp(2**-25, 1 - 2**-25)) for noise in (one, other))
    angle = torch.linspace(0, math.pi / 2, steps, dtype=torch.double, device=one.device).unsqueeze(1)
    moved = torch.special.ndtr(angle.cos() * a + angle.sin() * b).to(one)
    return torch.cat([moved.clamp_max(BELOW), one[latent:].expand(steps, -1)], 1)


@torch.no_grad()
def sample(generator: Generator, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Rollout:
    """One sentence a row of noise: the same noise gives the same sentence, rank or device notwithstanding.

    The first columns are for the generator's latent, if it has one; then there is one a word, in the order of writing.
    A sentence ends at eos or with the last column of noise; one cut there is an outcome of its own.
    """
    if len(noise) > SENTENCES:
        parts = [sample(generator, part, policy) for part in noise.split(SENTENCES)]
        return Rollout(*(torch.cat(leaves) for leaves in zip(*parts, strict=True)))
    if isinstance(generator, MaskedDiffusion):
        return _in_rounds(generator, noise, policy)
    latent = generator.prior(noise[:, : generator.latent])
    pen = begin(generator, len(noise), latent)
    words, logps, masks = [], [], []
    for uniform in noise[:, generator.latent :].unbind(1):
        masks.append(pen.open)
        word, logp, pen = write(generator, pen, policy, uniform)
        words.append(word)
        logps.append(logp)
    return Rollout(*(generator.read(torch.stack(steps, 1)) for steps in (words, masks, logps)), latent)


def _in_rounds(generator: MaskedDiffusion, noise: Float[Tensor, "B uniforms"], policy: Policy) -> Rollout:
    """Sentences whose words are drawn several at a time, each by the uniform number of its place."""
    order, uniform, last = noise.split([generator.max_length, generator.max_length, generator.vocab.has_eos], 1)
    tokens, mask = _masked(generator, last, len(noise), policy)
    words, logp = mask & (tokens == generator.vocab.bos), torch.zeros_like(uniform)
    rounds = generator.rounds(order, words)
    most = -(-generator.max_length // generator.steps)  # words of a round
    for now in range(generator.steps):
        due, place = (rounds == now).int().topk(most, 1)
        features = generator.features(tokens.masked_fill(~words, generator.vocab.pad)).gather(
            1, place.unsqueeze(2).expand(-1, -1, generator.width)
        )
        drawn = [
            draw(policy(generator.head(some).float()), part)
            for some, part in zip(
                features.flatten(0, 1).split(generator.rows_at_once()),
                uniform.gather(1, place).flatten().split(generator.rows_at_once()),
                strict=True,
            )
        ]
        word, chance = (torch.cat(parts).view_as(place) for parts in zip(*drawn, strict=True))
        tokens = tokens.scatter(1, place, word.where(due.bool(), tokens.gather(1, place)))
        logp = logp.scatter(1, place, chance.where(due.bool(), logp.gather(1, place)))
    return Rollout(tokens, mask, logp + generator.of_length(TextBatch(tokens, mask), words, policy), order)


def _masked(
    generator: MaskedDiffusion, uniform: Float[Tensor, "B ends"], n: int, policy: Policy
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Sentences of so many masked words, and eos after them where it fits; and where they are."""
    vocab, place = generator.vocab, torch.arange(generator.max_length, device=uniform.device)
    tokens = torch.full((n, generator.max_length), vocab.bos, device=uniform.device)
    if generator.lengths is None:
        return tokens, torch.ones_like(tokens, dtype=torch.bool)
    chances = policy(generator.length_logits()).expand(n, -1)
    words = draw(chances, uniform.squeeze(1))[0].unsqueeze(1)
    tokens = tokens.masked_fill(place == words, vocab.eos).masked_fill(place > words, vocab.pad)
    return tokens, place <= words
