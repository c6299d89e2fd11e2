"""What it costs to know: the truth panel, alone and beside the training between two of its rows.

4,000 sentences of the data and 4,000 of the generator at V = 5000, L = 20 (two LSTMs of 32 hidden units), scored by D:
exact divergences, likelihoods, curves, the calibrated bound. The floor is the projection of every token by both models.
The second and third rows are shares: a panel of the validation sentences over the steps that the default schedule plays
between two of them (50 cycles), for SeqGAN at the published oracle's size and for the demo.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import NONE, Steps, best_gflops, composed, seconds
from benchmarks.row import Row
from textgan_lit.noise import Noise
from textgan_lit.system import TextGAN
from textgan_lit.truth.models import Models, measure

SENTENCES = 4000  # a side
CYCLES = 50  # callbacks.evaluation.every.generator


def rows() -> Iterator[Row]:
    system, data, _ = composed("model=seqgan", "data=oracle_lstm", f"data.valid={SENTENCES}", "data.test=100")
    ours = panel(system, data, SENTENCES)
    floor = 2 * 2e-9 * 8000 * 20 * 32 * 5000 / best_gflops(1024, 32, 5000)
    name = f"truth panel, {SENTENCES:,} + {SENTENCES:,} sentences, V = 5000"
    yield Row(name, ours, NONE, floor, 15 / ours, "≥ 1: below 15 s", ours < 15)
    for name, overrides in {
        "SeqGAN at the published oracle's size": ("model=seqgan", "data=oracle_lstm", "data.test=100"),
        "the demo": (),
    }.items():
        system, data, _ = composed(*overrides)
        steps = Steps(system, data, "generator"), Steps(system, data, "discriminator")
        generator, discriminator = (seconds(step) for step in steps)
        ours = panel(system, data, len(data.sentences("valid").tokens))
        share = ours / CYCLES / (generator + system.schedule.k * discriminator)
        yield Row(f"… as a share of the steps between two, {name}", ours, NONE, NONE, share, "≤ 0.05", share <= 0.05)


def panel(system: TextGAN, data, n: int) -> float:
    """Seconds for n real sentences and n samples."""
    data.setup("fit")
    real = data.sentences("valid").first(n)
    noise = Noise(0, "truth").uniform(n, data.max_length)
    system.eval()

    models = Models(data.oracle, system.generator, system.policy, system.game("truth").sentence_logit)
    return seconds(lambda: measure(models, real, noise).compute(), times=1)
