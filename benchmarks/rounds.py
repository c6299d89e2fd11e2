"""Writing in few rounds: masked diffusion and one-shot beside autoregression, 512 sentences of 20 tokens, V = 1000.

Untrained networks of their default settings. The reference is the transformer with its key-value cache, so a ratio
below 1 is slower than that. What a device that works on much at once would gain is not seen on one core.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.measure import NONE, seconds
from benchmarks.row import Row
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.generator.one_shot import OneShot
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab

VOCABULARY, LENGTH, BATCH = 1000, 20, 512
ROUNDS = (1, 2, 4, 8, 20)


def rows() -> Iterator[Row]:
    vocab = Vocab(tuple(map(str, range(VOCABULARY))))
    torch.manual_seed(0)
    reference = written(Transformer(vocab, LENGTH))
    players = {"the LSTM": LSTM(vocab, LENGTH), "one-shot": OneShot(vocab, LENGTH)}
    players |= {f"masked diffusion, {n} round{'s' * (n > 1)}": MaskedDiffusion(vocab, LENGTH, steps=n) for n in ROUNDS}
    for name, generator in players.items():
        ours = written(generator)
        yield Row(f"512 sentences of 20 tokens: {name}", ours, reference, NONE, reference / ours, "", None)


def written(generator: Generator) -> float:
    """Processor seconds of a batch."""
    noise = Noise(0, "rounds").uniform(BATCH, generator.uniforms)
    generator.eval()
    return seconds(lambda: generator.sample(noise, Categorical()), times=5)
