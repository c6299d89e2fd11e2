"""What a reading says, against definitions on the same sentences."""

import pytest
from scipy.special import rel_entr
from torch.testing import assert_close

from tests.helpers.enumeration import LENGTH, fractions, probability
from textgan_lit.data.mixture import Mixture
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.game import Game
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.noise import Noise
from textgan_lit.truth.held_out_check import sentences, take
from textgan_lit.types import TextBatch

WORLDS = {  # P and G
    "fixed": lambda: (fractions(1, variable=False), fractions(2, variable=False)),
    "eos": lambda: (fractions(1, variable=True), fractions(2, variable=True)),
    "impossible tokens": lambda: tuple(
        Mixture(vocab_size=6, length=LENGTH, smoothing=0.0, seed=seed) for seed in (1, 2)
    ),
}


def held_out(oracle):
    return oracle.sample(Noise(0, "held out").uniform(300, LENGTH), Categorical()).batch


@pytest.mark.parametrize("policy", [Categorical(), TopK(1)])
@pytest.mark.parametrize("world", WORLDS)
def test_regret_is_how_much_worse_d_bets_than_the_best_d(world, policy):
    oracle, generator = WORLDS[world]()
    critic, sides = Conv(oracle.vocab, LENGTH, embedding=3).eval(), []

    def game():
        return Game(generator, critic, policy, Noise(0, "reading"))

    for part in sentences(game(), held_out(oracle), 200):  # the same noise, so the same sentences
        batch = TextBatch(*part[:2])
        p = probability(oracle.predict(batch, Categorical()).double(), batch)
        g = probability(generator.predict(batch, policy).double(), batch)
        best, mine = (p / (p + g)).numpy(), game().sentence_logit(batch).double().sigmoid().detach().numpy()
        sides.append((rel_entr(best, mine) + rel_entr(1 - best, 1 - mine)).mean())
    found = take(game(), held_out(oracle), 200, {"generator": 0}, oracle).regret
    assert_close(found, sum(sides) / 2, rtol=1e-5, atol=1e-7)
    assert found > 0.01


def test_the_best_discriminator_has_no_regret_and_without_an_oracle_there_is_none():
    oracle, generator = WORLDS["eos"]()
    game = Game(generator, Optimal(oracle.vocab, LENGTH, oracle), Categorical(), Noise(0, "reading"))
    assert take(game, held_out(oracle), 200, {}, oracle).regret < 1e-10
    assert take(game, held_out(oracle), 200, {}).regret is None
