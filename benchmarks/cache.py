"""A transformer writes with a key-value cache: 64 tokens a sentence, width 64, 2 layers, V = 5000, 64 sentences.

The reference reads the whole prefix anew for every token (teacher forcing, logits of the last position only) and draws
with the same noise: the sentences are checked to be the same. The floor is one pass of teacher forcing over the
finished sentences and the projection of every token. The further rows give the cost a sentence at 32, 64 and 128
tokens, over half as many: 2 where it is linear, 4 where it is quadratic; attention to all tokens before adds a little
to 2.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.measure import NONE, seconds
from benchmarks.row import Row
from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab

VOCABULARY, WIDTH, BATCH = 5000, 64, 64
LENGTHS = 16, 32, 64, 128
USUAL = 64  # tokens, where the reference is timed, too


def rows() -> Iterator[Row]:
    ours = {}
    for length in LENGTHS:
        generator, noise = player(length)
        ours[length] = seconds(lambda g=generator, n=noise: g.sample(n, Categorical()), times=9)
    generator, noise = player(USUAL)
    same = (generator.sample(noise, Categorical()).tokens == uncached(generator, noise)).all(1).float().mean()
    assert same > 0.9, same  # but where a uniform number falls on the edge of a token
    reference = seconds(lambda: uncached(generator, noise))
    tokens = generator.sample(noise, Categorical()).tokens
    floor = seconds(lambda: forced(generator, tokens))
    ratio = reference / ours[USUAL]
    yield Row(
        f"a transformer's {BATCH} sentences of {USUAL} tokens", ours[USUAL], reference, floor, ratio, "≥ 5", ratio >= 5
    )
    for length in LENGTHS[1:]:
        ratio = ours[length] / ours[length // 2]
        name = f"… of {length} tokens, over half as long"
        yield Row(name, ours[length], NONE, NONE, ratio, "< 3: linear in L", ratio < 3)


def player(length: int) -> tuple[Transformer, Tensor]:
    torch.manual_seed(0)
    generator = Transformer(Vocab(tuple(map(str, range(VOCABULARY)))), length, WIDTH).eval()
    return generator, Noise(0, "cache").uniform(BATCH, length)


@torch.no_grad()
def uncached(generator: Transformer, noise: Tensor) -> Tensor:
    tokens = torch.full((len(noise), 1), generator.vocab.bos)
    for uniform in noise.unbind(1):
        token, _ = draw(generator.head(generator.features(tokens)[:, -1]), uniform)
        tokens = torch.cat([tokens, token.unsqueeze(1)], 1)
    return tokens[:, 1:]


@torch.no_grad()
def forced(generator: Transformer, tokens: Tensor) -> None:
    for features in generator.features(tokens).flatten(0, 1).split(generator.rows_at_once()):
        generator.head(features)
