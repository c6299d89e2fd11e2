"""A world that says 0 1 … 19 and nothing else, which two of Texygen's GANs could not learn (its issue 31)."""

import pytest

from tests.playing import built
from tests.worlds.test_one_sentence import BUDGET, MODELS, SMALL, has, probability

WORLD = (
    "data.oracle.sentence='" + " ".join(map(str, range(20))) + "'",
    "data.oracle.words=''",
    "data.oracle.variable=false",
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_shapes")]


@pytest.mark.parametrize("model", MODELS)
def test_likelihood_learns_it_and_the_game_keeps_it(model):
    budget = [word for word in BUDGET if not word.startswith("model.moves.") or has(model, word[6:].split("=")[0])]
    small = [f"model.{key}={value}" for key, value in SMALL.items() if has(model, key)]
    played = built(
        f"model={model}", *budget, *small, *WORLD, "model.program.warm_up=300", "model.program.duel=30"
    ).fit()
    assert played.system.clock.turns["generator"] == (30 if has(model, "estimator") else 0)
    assert probability(played.system, played.data) > 0.9
