"""A world that only ever says "a b c" and then eos: whatever works at all learns it, without a likelihood pretraining.

The null controls, in as many generator steps, do not: so it was the discriminator that taught.
"""

from functools import cache

import pytest
import pytorch_lightning as pl
import torch

from tests.helpers.one_sentence import BUDGET, GAMES, LIKELIHOODS, MODELS, has, probability, small
from tests.helpers.playing import built
from textgan_lit.data.tiny import every_sentence

LONGEST = 600  # generator steps


pytestmark = pytest.mark.usefixtures("unchecked_shapes")


class Enough(pl.Callback):
    """Stops as soon as the sentence is known."""

    def on_train_batch_end(self, trainer, system, outputs, *_):
        if outputs["update"] == "discriminator" or (system.generator.likelihood != "exact" and system.clock.total % 5):
            return  # samples take longer than a likelihood
        if probability(system, trainer.datamodule) > 0.9:
            trainer.should_stop = True


def played(model, steps, *overrides):
    run = built(*small(model), f"model.schedule.adversarial_steps={steps}", *overrides, callbacks=(Enough(),)).fit()
    return run.system.clock.steps["generator"], probability(run.system, run.data)


@cache
def game(model):
    """How many generator steps it took, and what came of it."""
    return played(model, LONGEST)


# Real sentences teach, however their weights are dealt; what follows goals is paid where no baseline takes it away.
# Self-play has nothing to pay a constant for, and who is told P itself nothing that could be dealt to others.
CONTROLS = {"jsdgan": ("constant",), "leakgan": ("shuffled",), "dgsan": ("shuffled",), "gkd": ()}
NULLS = [(model, control) for model in GAMES for control in CONTROLS.get(model, ("shuffled", "constant"))]
WORDS = {"shuffled": ["model/control=shuffled"], "constant": ["model/control=constant", "model/baseline=none"]}


# Several rounds; and games of the score function beside minimax's, which is the quick one of its kind.
LONG = {"didi", "leakgan", "coldgan", "grpo", "rankgan", "maligan", "airl", "textgail", "scratchgan", "vae_gan"}
LONG |= {"minimax", "seqgan"}  # beside reinforce
LONG |= {"gsgan", "relgan", "wgan_gp", "taylorgan"}  # beside one_shot


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
    steps, known = played(model, budget, *WORDS[control])
    assert steps == budget
    assert known < 0.2


@pytest.mark.parametrize("model", LIKELIHOODS)
def test_likelihood_learns_it(model):
    assert played(model, 0, "model.schedule.pretrain_steps=250")[1] > 0.9


def test_a_discriminator_alone_picks_it_out_of_what_an_untaught_generator_says():
    run = built("model=residual_ebm", *BUDGET, "model.schedule.discriminator_pretrain_steps=200").fit()
    everything, game = every_sentence(run.data.vocab, run.data.max_length), run.system.eval().game("evidence")
    with torch.no_grad():
        logp = game.generator.logp(everything, game.policy).sum(1)
        weighed = (logp + game.sentence_logit(everything)).softmax(0)
    said = run.data.sentences("valid").tokens[0]
    only = (everything.tokens == said).all(1)
    assert logp.exp()[only] < 0.1
    assert weighed[only] > 0.9


def test_no_model_was_forgotten():
    assert {model for model in MODELS if has(model, "estimator")} == set(GAMES)
    assert {model for model, _ in NULLS} == {*GAMES} - {"gkd"}
    assert [model for model in GAMES if not has(model, "reward")] == ["dgsan", "gkd"]
