"""Sentences of which the beginning or another part is given, and the noise on the way from one to another."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.errors import UserError, shown
from textgan_lit.functional.inverse_cdf import BELOW
from textgan_lit.functional.order import to_reading_order
from textgan_lit.model.generator.base import LOOK, DecodeState, Generator
from textgan_lit.model.policy import Policy
from textgan_lit.types import Samples, TextBatch


@torch.no_grad()
def mixed(
    generator: Generator,
    tokens: Int[Tensor, "B T"],
    keep: Bool[Tensor, "B T"],
    noise: Float[Tensor, "B T"],
    policy: Policy,
) -> Int[Tensor, "B T"]:
    """Sentences of which ``keep`` is given, and every other token is the generator's own, after those written before.

    A column of ``keep`` and of ``noise`` is a step of writing.
    """
    decoding, chosen = generator.start_decoding(len(tokens)), []
    steps = generator.to_generation_order(tokens).unbind(1)
    for given, kept, uniform in zip(steps, keep.unbind(1), noise.unbind(1), strict=True):
        own, _, after = generator.decode_step(decoding, policy, uniform)
        # it goes on after eos: the data say where to end
        decoding = DecodeState(given.where(kept, own), after.state, decoding.open)
        chosen.append(decoding.prev)
    return generator.to_reading_order(torch.stack(chosen, 1))


@torch.no_grad()
def infill(
    generator: Generator,
    tokens: Int[Tensor, " T"],
    gap: Bool[Tensor, " T"],
    noise: Float[Tensor, "B gaps"],
    policy: Policy,
) -> Samples:
    """``tokens`` with a token of the generator's in every ``gap``, for one of ``any_order``; a column of noise a gap.

    What is given is read first, then the gaps are written, both in the generator's own order. ``logp`` is log G of a
    gap's token given that and the gaps before it, 0 of what is given.
    """
    own = generator.to_generation_order(torch.arange(len(tokens), device=tokens.device).unsqueeze(0)).squeeze(0)
    order = torch.cat([own[~gap[own]], own[gap[own]]]).unsqueeze(0)
    decoding, uniforms = generator.start_decoding(len(noise), order=order), iter(noise.unbind(1))
    chosen, logps = [], []
    for given, missing in zip(tokens[order[0]].tolist(), gap[order[0]].tolist(), strict=True):
        if missing:
            token, logp, decoding = generator.decode_step(decoding, policy, next(uniforms))
        else:
            token, logp = torch.full_like(decoding.prev, given), torch.zeros_like(noise[:, 0])
            decoding = generator.force_token(decoding, token)
        chosen.append(token)
        logps.append(logp)
    found, logp = (to_reading_order(torch.stack(steps, 1), order) for steps in (chosen, logps))
    return Samples(found, torch.ones_like(found, dtype=torch.bool), logp, noise[:, :0])


def beginning(generator: Generator, prompt: str) -> Int[Tensor, " S"]:
    """The ids of what sentences are to begin with.

    Raises:
        UserError: the generator does not write from left to right, or no sentence of its own begins so.
    """
    said, vocab, most = f"prompt={shown(prompt)}", generator.vocab, generator.max_length - 1
    if not generator.autoregressive or not generator.is_left_to_right or generator.latent:
        raise UserError(
            f"{said}: {type(generator).__name__} does not write from left to right, each token given those before "
            "alone. Give a run of a generator that does, such as model/generator=lstm or transformer."
        )
    tokens = vocab.encode(prompt)
    if not 0 < len(tokens) <= most:
        raise UserError(f"{said} has {len(tokens):,} tokens, wanted 1 to {most:,}, so that one is left to be written.")
    if vocab.unknown in tokens:
        raise UserError(f"{said} holds what this run's tokenizer does not know. Give words of the run's own text.")
    return torch.tensor(tokens)


@torch.no_grad()
def continued(
    generator: Generator, prompt: Int[Tensor, " S"], noise: Float[Tensor, "B T"], policy: Policy
) -> TextBatch:
    """Sentences that begin with ``prompt``, each further token drawn given all before it; a column of noise a token.

    Of a generator that writes from left to right and has no latent: one that is drawn before the tokens would have to
    be drawn given these.
    """
    with generator.decoding():
        decoding, rows = generator.start_decoding(len(noise)), len(noise)
        for token in prompt:
            decoding = generator.force_token(decoding, token.expand(rows))
        columns, masks = [token.expand(rows) for token in prompt], [decoding.open] * len(prompt)
        for step, uniform in enumerate(noise[:, len(prompt) :].unbind(1)):
            if step % LOOK == 0 and not decoding.open.any():
                break
            masks.append(decoding.open)
            token, _, decoding = generator.decode_step(decoding, policy, uniform)
            columns.append(token)
    return TextBatch(torch.stack(columns, 1), torch.stack(masks, 1)).padded(noise.shape[1], generator.vocab.pad)


def between(
    one: Float[Tensor, " uniforms"], other: Float[Tensor, " uniforms"], latent: int, steps: int
) -> Float[Tensor, "steps uniforms"]:
    """Noise on the way from ``one`` to where its ``latent`` is the other's; its tokens' noise stays.

    As normal numbers, a and b, the latent goes along cos(s) a + sin(s) b, s from 0 to π/2. These are again independent
    and normal, so what is written on the way is as good a sample as the two ends.
    """
    a, b = (torch.special.ndtri(noise[:latent].double().clamp(2**-25, 1 - 2**-25)) for noise in (one, other))
    angle = torch.linspace(0, math.pi / 2, steps, dtype=torch.double, device=one.device).unsqueeze(1)
    moved = torch.special.ndtr(angle.cos() * a + angle.sin() * b).to(one)
    return torch.cat([moved.clamp_max(BELOW), one[latent:].expand(steps, -1)], 1)
