"""studies/rounds.py lists G: what it lists is as frequent as what G writes, and its JSD is a JSD."""

import math

import pytest
import torch

from studies.rounds import LENGTH, VOCAB, autoregression, every_sentence, jsd, over_latents, over_orders
from tests.helpers.playing import built
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise

WORLD = ("data=mixture", f"data.oracle.vocab_size={VOCAB}", "data.oracle.successors=2", f"data.oracle.length={LENGTH}")
LISTS = [("one_shot", over_latents), ("masked_diffusion", over_orders), ("mle", autoregression)]


@pytest.mark.parametrize(("model", "listed"), LISTS)
@torch.no_grad()
def test_a_list_of_sentences_is_what_is_written(model, listed, unchecked_shapes):
    generator = built(f"model={model}", *WORLD).system.eval().generator
    generator.steps = 2  # of masked diffusion
    (generator.output.weight if model != "mle" else next(generator.parameters())).mul_(4)  # far from uniform
    g = listed(generator, every_sentence()).double().exp()
    written = generator.sample(Noise(1, "rounds").uniform(20_000, generator.uniforms), Categorical()).tokens
    places = (written * VOCAB ** torch.arange(LENGTH - 1, -1, -1)).sum(1)
    share = places.bincount(minlength=VOCAB**LENGTH) / len(places)
    assert g.sum().item() == pytest.approx(1, abs=1e-4)
    error = (g / len(places)).sqrt()  # a share's own noise is .8 of it on average
    assert (share - g).abs().sum() < 1.5 * error.sum()


def test_the_divergence_is_nothing_of_equals_and_log_2_of_strangers():
    one, other = torch.tensor([0.0, -1e4]).double(), torch.tensor([-1e4, 0.0]).double()
    half = torch.tensor([0.5, 0.5]).double().log()
    assert jsd(half, half) == pytest.approx(0, abs=1e-9)
    assert jsd(one, other) == pytest.approx(math.log(2))
    assert jsd(one, half) == pytest.approx(0.5 * math.log(4 / 3) + 0.25 * math.log(2 / 3) + 0.25 * math.log(2))
