"""A generator of which nothing is known but its sentences: it plays, and what needs log G(x) is absent or refused."""

import pytest
import torch

from tests.helpers.playing import TINY, built, config
from textgan_lit.build import experiment
from textgan_lit.errors import UserError
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.truth.models import Models, measure


class Secret(LSTM):
    """It would know; nobody may ask."""

    likelihood = "none"


WORDS = (
    *TINY,
    "model/generator=lstm",
    "model.generator._target_=tests.system.test_no_likelihood.Secret",
    "trust=[tests]",
)
WORDS += ("model.schedule.pretrain_steps=0",)


def test_it_plays_by_slopes_and_is_judged_by_its_sentences_alone():
    run = built(*WORDS, "model=gsgan", "model.objective=null").fit()
    assert run.system.clock.steps["generator"] > 0
    models = Models(run.data.oracle, run.system.generator, Categorical())
    found = measure(models, run.data.sentences("valid"), torch.rand(50, run.system.generator.uniforms)).compute()
    assert {key.removesuffix("_se") for key in found} == {"truth/nll_oracle"}  # −E_G log P


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=gsgan",),
        ("model=airl", "model.objective=null"),
        ("model=minimax", "model.objective=null", "model/discriminator=oracle"),
    ],
)
def test_what_needs_its_likelihood_is_refused(overrides):
    settings = config(*WORDS, *overrides)
    with pytest.raises(UserError, match=r"log G\(x\), which Secret does not know"):
        experiment.system(settings, experiment.data(settings))
