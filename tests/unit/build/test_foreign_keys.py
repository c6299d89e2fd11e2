"""What a key of an earlier version is answered with is a key of today."""

import re

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from textgan_lit.build.foreign_keys import RENAMED, today
from textgan_lit.cli import CONF

OPTIONS = ("model/reward=shuffled", "model/reward=constant", "model.estimator.shuffled")  # each an option of today
OLD = {  # what is played → keys of before
    "model=relgan": (
        *(
            f"model.moves.{name}.{key}"
            for name in ("likelihood", "generator")
            for key in ("batch", "clip", "optimizer.lr")
        ),
        *("model.program.warm_up", "model.program.discriminator_warm_up", "model.program.duel", "model.program.k"),
        *("model.adversary", "model.estimator.turns", "model.estimator.coldest", "callbacks.turns.every"),
        *("callbacks.schedule", "callbacks.schedule.likelihood", "callbacks.schedule.discriminator"),
        *("model/reward@model.control", "data.oracle.words", "data.evaluation_batch", "reading_size"),
    ),
    "model=seqgan": tuple(f"model.estimator.{key}" for key in ("epochs", "clip", "ratio", "proposal")),
    "model=scheduled_sampling": ("model.objective.half", "model.objective.least"),
    "model=vae": ("model.objective.anneal",),
    "model/schedule=plateau": ("model.schedule.rule.most", "model.schedule.rule.least"),
    "metrics=text": ("metrics.closing.fresh_critic.most",),
}


@pytest.mark.parametrize(("choice", "key"), [(choice, key) for choice, keys in OLD.items() for key in keys])
def test_it_is_there(choice, key):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [choice])
    new = today(key)
    assert new != key
    assert OmegaConf.select(config, new.replace("/", "."), throw_on_resolution_failure=False, default="none") != "none"


@pytest.mark.parametrize("key", OPTIONS)
def test_it_is_an_option(key):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert compose("train", [today(key)]).model.control._target_


def test_every_renaming_is_tried():
    used = set()
    for key in (*(key for keys in OLD.values() for key in keys), *OPTIONS):
        for pattern, name in RENAMED:
            used |= {pattern} if re.search(pattern, key) else set()
            key = re.sub(pattern, name, key)
    assert used == {pattern for pattern, _ in RENAMED}
