"""10,000 sentences of 20 tokens from an LSTM of 32 hidden units at V = 5000.

The reference is what most code does: softmax and ``torch.multinomial``, 64 sentences at a time; it is timed on 640
sentences and scaled up. The floor is the projection from hidden states to logits alone, by the quickest product that
torch has (oneDNN's); two more rows give this floor as a share of ours, and the same projection by ``torch.mm``. What is
drawn is checked against a cumulative sum in float64 over the same uniform numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.measure import Beside, best_gflops, seconds
from benchmarks.row import Row
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab

SENTENCES, LENGTH, VOCABULARY, HIDDEN = 10_000, 20, 5000, 32
LIBRARY = 26.2  # seconds for the same


def rows() -> Iterator[Row]:
    torch.manual_seed(0)
    generator = LSTM(Vocab(tuple(map(str, range(VOCABULARY)))), LENGTH, HIDDEN, HIDDEN)
    noise = Noise(0, "sampling").uniform(SENTENCES, LENGTH)
    check(generator, noise[:500])
    ours = Beside(lambda: generator.sample(noise, Categorical()), times=5)
    reference = seconds(lambda: [naive(generator, 64, multinomial) for _ in range(10)], times=1) * SENTENCES / 640
    work = 2e-9 * SENTENCES * LENGTH * HIDDEN * VOCABULARY
    floor = work / best_gflops(1024, HIDDEN, VOCABULARY)
    name = "sampling 10,000 sentences, V = 5000, L = 20"
    ratio, share = ours.against(LIBRARY), work / ours.gflops / ours.seconds
    taken = ours.seconds, reference, floor
    yield Row(name, *taken, ratio, "≥ 12 × the library's", ratio >= 12, gflops=ours.gflops)
    yield Row("… its projection alone by torch.mm, as a share", *taken, share, "≥ 0.5", share >= 0.5)
    yield Row("… its projection alone by oneDNN, as a share", *taken, floor / ours.seconds, "", None)


def check(generator: LSTM, noise: Tensor) -> None:
    columns = iter(noise.unbind(1))
    wanted = naive(generator, len(noise), lambda weight: inverse(weight, next(columns)))
    same = (generator.sample(noise, Categorical()).tokens == wanted).all(1).float().mean()
    assert same > 0.99, same  # but where a uniform number falls on the edge of a token


@torch.no_grad()
def naive(generator: LSTM, n: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
    state, token, tokens = generator.start(n), torch.full((n,), generator.vocab.bos), []
    for _ in range(LENGTH):
        features, state = generator.advance(token, state)
        token = choose(generator.head(features).softmax(-1))
        tokens.append(token)
    return torch.stack(tokens, 1)


def multinomial(weight: Tensor) -> Tensor:
    return torch.multinomial(weight, 1).squeeze(1)


def inverse(weight: Tensor, uniform: Tensor) -> Tensor:
    return torch.searchsorted(weight.double().cumsum(1), uniform.double().unsqueeze(1), right=True).squeeze(1)
