"""Sentences of which a part is given, and the noise on the way from one sentence to another."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.functional.inverse_cdf import BELOW
from textgan_lit.functional.order import read
from textgan_lit.model.generator.base import Generator, Pen
from textgan_lit.model.policy import Policy
from textgan_lit.types import Rollout


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
    pen, words = generator.begin(len(tokens)), []
    steps = generator.written(tokens).unbind(1)
    for given, kept, uniform in zip(steps, keep.unbind(1), noise.unbind(1), strict=True):
        own, _, after = generator.write(pen, policy, uniform)
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
    pen, uniforms = generator.begin(len(noise), order=order), iter(noise.unbind(1))
    words, logps = [], []
    for given, missing in zip(tokens[order[0]].tolist(), gap[order[0]].tolist(), strict=True):
        if missing:
            word, logp, pen = generator.write(pen, policy, next(uniforms))
        else:
            word, logp = torch.full_like(pen.prev, given), torch.zeros_like(noise[:, 0])
            pen = generator.follow(pen, word)
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
