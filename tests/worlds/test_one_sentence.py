"""A world that only ever says "a b c eos": whatever works at all learns it, without a likelihood warm-up.

The null controls, in as many generator turns, do not: so it was the discriminator that taught.
"""

from functools import cache

import pytest
import pytorch_lightning as pl
import torch

from tests.playing import CONF, built, config

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
LONGEST = 600  # generator turns

# One small budget for every model, each at its own generator learning rate.
BUDGET = ("data=one_sentence", "data.train=64", "data.valid=200", "reading_size=200")
BUDGET += ("model.program.warm_up=0", "model.program.discriminator_warm_up=50", "model.program.k=1")
BUDGET += ("model.moves.likelihood.batch=64", "model.moves.discriminator.batch=64", "model.moves.generator.batch=64")
BUDGET += ("model.moves.discriminator.optimizer.lr=0.005",)
# Where a model has such a part at all, it is made small.
SMALL = {"discriminator.filters": "[[1,16],[2,16],[3,16]]", "credit.rollouts": 2}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_shapes")]


def has(model, key):
    node = config("data=one_sentence", f"model={model}")["model"]
    for name in key.split("."):
        node = (node or {}).get(name)
    return node is not None


def probability(system, data):
    """Of the one sentence, under G."""
    with torch.no_grad():
        return system.generator.logp(data.sentences("valid").first(1), system.policy).sum().exp().item()


class Enough(pl.Callback):
    """Stops as soon as the sentence is known."""

    def on_train_batch_end(self, trainer, system, outputs, *_):
        if outputs["move"] == "generator" and probability(system, trainer.datamodule) > 0.9:
            trainer.should_stop = True


def played(model, turns, *words):
    small = [f"model.{key}={value}" for key, value in SMALL.items() if has(model, key)]
    run = built(f"model={model}", *BUDGET, *small, f"model.program.duel={turns}", *words, callbacks=(Enough(),)).fit()
    return run.system.clock.turns["generator"], probability(run.system, run.data)


@cache
def game(model):
    """How many generator turns it took, and what came of it."""
    return played(model, LONGEST)


@pytest.fixture(params=MODELS)
def model(request):
    if not has(request.param, "discriminator"):
        pytest.skip("no adversary")
    return request.param


def test_the_game_learns_the_only_sentence(model):
    turns, known = game(model)
    assert known > 0.9, f"{known} after {turns} generator turns"


@pytest.mark.parametrize("control", [["shuffled"], ["constant", "model/baseline=none"]], ids=lambda words: words[0])
def test_a_null_control_does_not(model, control):
    if not has(model, "reward"):
        pytest.skip("no reward")
    reward, *others = control
    budget, _ = game(model)
    turns, known = played(model, budget, f"model/reward={reward}", *others)
    assert turns == budget
    assert known < 0.2
