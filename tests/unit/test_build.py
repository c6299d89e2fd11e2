"""What a configuration can get wrong, whoever wrote it. How it is said at the command line: test_cli.py."""

import copy

import pytest
import torch

from tests.helpers.playing import TINY, config
from textgan_lit.build import experiment, parts
from textgan_lit.errors import UserError
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.types import Vocab

WORLD = {"vocab": Vocab(("a", "b", "c")), "max_length": 3}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.1}
WRONG_KINDS = {
    "model.generator": ({"_target_": "textgan_lit.model.discriminator.conv.Conv"}, "wanted a Generator"),
    "model.discriminator": ({"_target_": "textgan_lit.model.generator.lstm.LSTM"}, "wanted a Discriminator"),
    "model.reward": (ADAM, "wanted a Reward"),
    "model.schedule": ({"_target_": "textgan_lit.model.schedule.Fixed"}, "wanted a Schedule"),
    "model.schedule.rule": (ADAM, r"model\.schedule\.rule\._target_=torch\.optim\..*wanted a Rule"),
    "model.estimator": ({"_target_": "textgan_lit.model.reward.Score"}, "wanted a Loss"),
    "model.regulariser": (
        {"x": {"_target_": "textgan_lit.model.reward.Score"}},
        r"regulariser\.x.*wanted a Regulariser",
    ),
    "model.optim.generator": ({"_target_": "textgan_lit.model.policy.Greedy", "batch_size": 8}, "wanted a Optimizer"),
    "data": ({"_target_": "textgan_lit.data.tiny.Tiny"}, "wanted a LightningDataModule"),
    "data.oracle": ({"_target_": "textgan_lit.model.generator.lstm.LSTM"}, r"data\.oracle.*wanted a Oracle"),
    "data.train": (ADAM, r"data\.train\._target_=.*wanted a int"),
}
WRONG_SETTINGS = {
    "model.generator": (None, "a game cannot do without. Choose one: model/generator="),
    "model.optim": (None, "model.optim=None: wanted settings"),
    "model.optim.generator": (3, "model.optim.generator=3: wanted settings"),
    "model.optim.discriminator": ("adam", "model.optim.discriminator=adam: wanted settings"),
    "model.regulariser": ([1], r"model.regulariser=\[1\]: wanted settings"),
    "model.generator.vocab": ({"tokens": ["a"]}, "the program itself gives Markov its vocab. Leave it out"),
    "model.policy.temperature": (float("inf"), "temperature=inf: wanted a finite number"),
    "data": (None, "data=None: wanted settings"),
    "data.test": (2**24, "at most 1,073,741,824 positions"),
    "seed": (None, "seed=None: wanted"),
    "model.generator._target_": ("", r"_target_='': no such class .* Name one"),
    "model.policy._target_": ("..os.system", r"_target_=\.\.os\.system: no such class .* Name one"),
    "model.objective.of": (1, "Likelihood has no such setting"),
}


@pytest.mark.parametrize("place", [*WRONG_KINDS, *WRONG_SETTINGS])
def test_what_stands_at_the_wrong_place_is_said(place):
    for cases in (WRONG_KINDS, WRONG_SETTINGS):
        if place not in cases:
            continue
        value, said = cases[place]
        plain = copy.deepcopy(config(*TINY, *(["data=dyck", "data.oracle.length=100"] if place == "data.test" else [])))
        *path, last = place.split(".")
        node = plain
        for name in path:
            node = node[name]
        node[last] = value
        with pytest.raises(UserError, match=said):
            experiment.system(plain, experiment.data(plain))


@pytest.mark.parametrize("wrapper", ["spectral.Spectral", "density_aware.DensityAware", "ranker.Ranker"])
def test_a_critic_that_is_none_is_refused_before_it_is_built(wrapper):
    wrapped = {"_target_": f"textgan_lit.model.discriminator.{wrapper}", "critic": ADAM}
    with pytest.raises(UserError, match=r"critic\._target_=torch\.optim.*wanted a Discriminator"):
        parts.part(wrapped, "model.discriminator", **WORLD)


@pytest.mark.parametrize("player", ["generator.lstm.LSTM", "discriminator.recurrent.Recurrent"])
def test_a_player_that_no_memory_holds_is_refused_before_any_is_taken(player):
    with pytest.raises(UserError, match=r"model\.x: \w+ of these sizes takes [\d,]+ GB, and this machine has"):
        parts.part({"_target_": f"textgan_lit.model.{player}", "hidden": 2**20}, "model.x", **WORLD)
    with pytest.raises(UserError, match="wanted less than or equal to"):
        parts.part({"_target_": f"textgan_lit.model.{player}", "hidden": 2**62}, "model.x", **WORLD)


def test_looking_at_the_size_draws_no_random_number():
    torch.manual_seed(3)
    built = parts.part({"_target_": "textgan_lit.model.generator.lstm.LSTM"}, "model.generator", **WORLD)
    torch.manual_seed(3)
    for weight, other in zip(built.parameters(), LSTM(**WORLD).parameters(), strict=True):
        assert weight.equal(other)
