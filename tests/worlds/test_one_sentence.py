"""A world that only ever says "a b c" and then eos: whatever works at all learns it, without a likelihood pretraining.

The null controls, in as many generator steps, do not: so it was the discriminator that taught.
"""

from functools import cache

import pytest
import pytorch_lightning as pl
import torch

from tests.helpers.playing import CONF, built, config
from textgan_lit.data.tiny import every_sentence

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
LONGEST = 600  # generator steps

# One small budget for every model, each at its own generator learning rate.
BUDGET = ("data=one_sentence", "data.train=64", "data.valid=200", "reading_size=200")
BUDGET += ("model.schedule.pretrain_steps=0", "model.schedule.discriminator_pretrain_steps=50", "model.schedule.k=1")
BUDGET += (
    "model.optim.pretrain.batch_size=64",
    "model.optim.discriminator.batch_size=64",
    "model.optim.generator.batch_size=64",
)
BUDGET += ("model.optim.discriminator.lr=0.005",)
# Where a model has such a part at all, it is made small.
SMALL = {"objective.anneal": 20, "discriminator.filters": "[[1,16],[2,16],[3,16]]", "credit.rollouts": 2}
SMALL |= {"discriminator.views": 2, "generator.proposals": 2}
# Rates that are for what likelihood has taught, not for a start from nothing.
RATES = {"didi": ("model.optim.generator.lr=0.002",), "leakgan": ("model.optim.generator.lr=0.01",)}
ONE_LENGTH = {"any_order": ("data.oracle.variable=false",)}  # the end cannot be known before the words are

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def has(model, key):
    node = config("data=one_sentence", f"model={model}")["model"]
    for name in key.split("."):
        node = (node or {}).get(name)
    return node is not None


def probability(system, data):
    """Of the one sentence, under G; its share of 500 samples, where G has a bound alone."""
    said, game = data.sentences("valid").first(1), system.game("known")
    with torch.no_grad():
        if system.generator.likelihood == "exact":
            return game.likelihood(said).exp().item()
        return (game.sample(500).tokens == said.tokens).all(1).float().mean().item()


class Enough(pl.Callback):
    """Stops as soon as the sentence is known."""

    def on_train_batch_end(self, trainer, system, outputs, *_):
        if outputs["update"] == "discriminator" or (system.generator.likelihood != "exact" and system.clock.total % 5):
            return  # samples take longer than a likelihood
        if probability(system, trainer.datamodule) > 0.9:
            trainer.should_stop = True


def small(model):
    """The budget's words, but for parts that the model does not have."""
    budget = [word for word in BUDGET if not word.startswith("model.optim.") or has(model, word[6:].split("=")[0])]
    parts = (f"model.{key}={value}" for key, value in SMALL.items() if has(model, key))
    return [f"model={model}", *budget, *parts, *RATES.get(model, ()), *ONE_LENGTH.get(model, ())]


def played(model, steps, *words):
    run = built(*small(model), f"model.schedule.adversarial_steps={steps}", *words, callbacks=(Enough(),)).fit()
    return run.system.clock.steps["generator"], probability(run.system, run.data)


@cache
def game(model):
    """How many generator steps it took, and what came of it."""
    return played(model, LONGEST)


GAMES = [model for model in MODELS if has(model, "estimator")]
# Real sentences teach, however their weights are dealt; what follows goals is paid where no baseline takes it away.
CONTROLS = {"jsdgan": ("constant",), "leakgan": ("shuffled",)}
NULLS = [
    (model, control)
    for model in GAMES
    if has(model, "reward")
    for control in CONTROLS.get(model, ("shuffled", "constant"))
]
NULLS += [("dgsan", "model.estimator.shuffled=true")]
WORDS = {"shuffled": ["model/reward=shuffled"], "constant": ["model/reward=constant", "model/baseline=none"]}


# Several rounds; and games of the score function beside minimax's, which is the quick one of its kind.
LONG = {"didi", "leakgan", "coldgan", "grpo", "rankgan", "maligan", "airl", "textgail", "scratchgan", "vae_gan"}
LONG |= {"relgan", "wgan_gp", "taylorgan"}  # beside gsgan


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=[pytest.mark.slow] if model in LONG else []) for model in GAMES]
)
def test_the_game_learns_the_only_sentence(model):
    steps, known = game(model)
    assert known > 0.9, f"{known} after {steps} generator steps"


@pytest.mark.slow
@pytest.mark.parametrize(("model", "control"), NULLS)
def test_a_null_control_does_not(model, control):
    budget, _ = game(model)
    steps, known = played(model, budget, *WORDS.get(control, [control]))
    assert steps == budget
    assert known < 0.2


@pytest.mark.parametrize("model", ["mle", "any_order", "scheduled_sampling", "vae", "masked_diffusion"])
def test_likelihood_learns_it(model):
    assert played(model, 0, "model.schedule.pretrain_steps=250")[1] > 0.9


def test_a_discriminator_alone_picks_it_out_of_what_an_untaught_generator_says():
    run = built("model=residual_ebm", *BUDGET, "model.schedule.discriminator_pretrain_steps=200").fit()
    everything, game = every_sentence(run.data.vocab, run.data.max_length), run.system.eval().game("evidence")
    with torch.no_grad():
        logp = game.generator.logp(everything, game.policy).sum(1)
        weighed = (logp + game.verdict(everything)).softmax(0)
    said = run.data.sentences("valid").tokens[0]
    only = (everything.tokens == said).all(1)
    assert logp.exp()[only] < 0.1
    assert weighed[only] > 0.9


def test_no_model_was_forgotten():
    assert {*GAMES, "mle", "any_order", "scheduled_sampling", "residual_ebm", "vae", "masked_diffusion"} == set(MODELS)
