"""A generator step of SeqGAN: sample 64 sentences, 16 rollouts from every prefix, score, step. V = 5000, hidden 32.

The library's TextCNN has one matrix in its highway layer for both the gate and what is gated; the paper, and this
project, have two. The first rows are the project's own, compared with a library that multiplies less; then come the
same steps with ours tied in the same way, so that the same network is compared, and one in mixed precision
(``trainer.precision=bf16-mixed``: highway and projection in bf16).

The reference is the published nested loop: for every rollout and every prefix a sentence from its first token on, drawn
by ``torch.multinomial``, without the step that follows. One of the 16 rollouts is timed, times 16. That both give the
same values for the same noise is checked with an inverse CDF in place of ``multinomial``. The floor is the fp32
arithmetic of two matrix products alone, at the best rate that torch reaches: logits of every token of every rollout,
and the highway layer of every rollout.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.testing import assert_close

from benchmarks.measure import NONE, SMALL, Beside, Steps, best_gflops, composed
from benchmarks.row import Row
from benchmarks.sampling import inverse, multinomial
from textgan_lit.functional.linear import linear
from textgan_lit.model.credit import MonteCarlo
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.game import Game
from textgan_lit.model.reward import Probability
from textgan_lit.noise import Noise
from textgan_lit.system import TextGAN

BATCH, ROLLOUTS, VOCABULARY, HIDDEN = 64, 16, 5000, 32
LIBRARY = {20: 48.9, 40: 208.0}  # seconds
SHORT = 20  # of the two: for what is measured once
LEAST = {20: (8, 10), 40: (12, 15)}  # times the library's; and by sharing what the prefix's windows have in common


def rows() -> Iterator[Row]:
    for length, (least, _) in LEAST.items():
        system, step = game(length)
        check(system.game("check"))
        yield row(f"SeqGAN's generator step, L = {length}", system, step, length, least)
    for length, (_, least) in LEAST.items():
        system, step = game(length)
        tie(system.discriminator)
        yield row(f"… with the library's TextCNN, L = {length}", system, step, length, least, matrices=1)
    system, step = game(SHORT)
    half = torch.autocast("cpu", torch.bfloat16)(step)
    yield row(f"… in mixed precision, L = {SHORT}", system, half, SHORT, None)._replace(floor=NONE)
    system, step = game(SHORT, "model/discriminator=recurrent", "model/credit=reward_to_go")
    ours = Beside(step, times=31)
    floor = (
        4 * 2e-9 * BATCH * SHORT * HIDDEN * VOCABULARY / best_gflops(1024, HIDDEN, VOCABULARY)
    )  # to sample; forward, back twice
    name, ratio = f"… with a discriminator of prefixes (reward_to_go), L = {SHORT}", ours.against(LIBRARY[SHORT])
    target = "≥ 300 × the library's rollouts", ratio >= 300
    yield Row(name, ours.seconds, NONE, floor, ratio, *target, gflops=ours.gflops)


def row(
    name: str, system: TextGAN, step: Callable[[], None], length: int, least: float | None, matrices: int = 2
) -> Row:
    ours = Beside(step)
    tokens, rollouts = BATCH * ROLLOUTS * length * (length - 1) / 2, BATCH * ROLLOUTS * (length - 1)
    width = system.discriminator.gate.in_features
    floor = 2e-9 * tokens * HIDDEN * VOCABULARY / best_gflops(1024, HIDDEN, VOCABULARY)
    floor += 2e-9 * matrices * rollouts * width**2 / best_gflops(1024, width, width)
    sentences = system.game("naive").sample(BATCH).tokens
    since = time.process_time()
    nested(system.game("naive"), lambda weight, *_: multinomial(weight), sentences)
    reference, ratio = ROLLOUTS * (time.process_time() - since), ours.against(LIBRARY[length])
    target = ("", None) if least is None else (f"≥ {least} × the library's", ratio >= least)
    return Row(name, ours.seconds, reference, floor, ratio, *target, gflops=ours.gflops)


def game(length: int, *overrides: str) -> tuple[TextGAN, Steps]:
    system, data, _ = composed("model=seqgan", "data=oracle_lstm", f"data.oracle.length={length}", *SMALL, *overrides)
    return system, Steps(system, data, "generator")


def tie(discriminator: Conv) -> None:
    """One matrix for the gate and what it gates, multiplied once; it scores as two equal ones do."""
    assert hasattr(discriminator, "_pass")
    discriminator.eval().highway = discriminator.gate
    tokens = torch.randint(discriminator.vocab.size, (BATCH, discriminator.max_length))
    score = functools.partial(discriminator, tokens, torch.ones_like(tokens, dtype=torch.bool))
    wanted = score()

    def highway(features: Tensor) -> Tensor:
        both = linear(features, discriminator.gate)
        gate = both.sigmoid()
        return gate * both.relu() + (1 - gate) * features

    discriminator._pass = highway
    assert_close(score(), wanted)


def check(game: Game) -> None:
    """The nested loops and ours give the same values for the same noise."""
    rollout = game.sample(BATCH)
    length = game.generator.max_length
    game.discriminator.eval()
    ours = MonteCarlo(1)(Probability(), replace(game, noise=Noise(0, "check")), rollout)[:, :-1]
    noise = Noise(0, "check").uniform(BATCH, length * (length - 1) // 2, 1).squeeze(2)

    def choose(weight: Tensor, t: int, given: int) -> Tensor:
        return inverse(weight, noise[:, t * (t - 1) // 2 + given - 1])

    wanted = nested(game, choose, rollout.tokens)
    same = torch.isclose(ours, wanted, rtol=0, atol=1e-5).float().mean()
    assert same > 0.99, same  # but where a uniform number falls on the edge of a token


@torch.no_grad()
def nested(game: Game, choose: Callable[[Tensor, int, int], Tensor], sentences: Tensor) -> Tensor:
    """One rollout of every prefix, as published: D's probability of each, Float[B T-1]."""
    generator, discriminator = game.generator, game.discriminator.eval()
    length, rewards = sentences.shape[1], []
    for given in range(1, length):
        written, state = sentences.clone(), generator.start(len(sentences))
        token = torch.full((len(sentences),), generator.vocab.bos)
        for t in range(length):
            features, state = generator.advance(token, state)
            if t >= given:
                written[:, t] = choose(generator.head(features).softmax(-1), t, given)
            token = written[:, t]
        rewards.append(discriminator(written, torch.ones_like(written, dtype=torch.bool)).sigmoid())
    return torch.stack(rewards, 1)
