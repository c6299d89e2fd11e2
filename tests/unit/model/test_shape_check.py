"""What a user's own part answers is looked at where it is used, before any step is made."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from tests.helpers.command import smoke
from tests.helpers.playing import TINY, built
from textgan_lit.callbacks.recovery import Recovery
from textgan_lit.errors import UserError
from textgan_lit.model.baseline import Baseline
from textgan_lit.model.credit import Credit
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.objective import Loss
from textgan_lit.model.penalty import Penalty
from textgan_lit.model.regulariser import Regularised, Regulariser
from textgan_lit.model.reward import Reward
from textgan_lit.run.checkpoint import kept, read
from textgan_lit.types import Outcome

WRONG = {  # what is made of the right answer, and how it is called
    "scalar": (lambda right: right.mean(), r"shape \(\)"),
    "short": (lambda right: right[:1], r"shape \(1,[ \d]*\)"),
    "column": (lambda right: right.unsqueeze(-1), r"shape \(.*, 1\)"),
    "list": (lambda right: right.tolist(), r"a list, \[.*"),
    "integers": (lambda right: right.long(), r"shape \(.*\) of int64"),
    "nothing": (lambda right: None, "None"),
}
PLACES = {  # overrides → where a reward is asked
    "terminal": ("model=minimax",),
    "monte carlo": ("model=minimax", "model/credit=monte_carlo", "model.credit.rollouts=2"),
    "reward to go": ("model=scratchgan",),
    "feudal": ("model=leakgan",),
    "taylor": ("model=taylorgan",),
    "relaxed": ("model=gsgan",),
    "exact": ("model=cot",),
    "data side": ("model=jsdgan",),
    "regularised": ("model=minimax", "model/regulariser=[entropy]"),
}


class Pays(Reward):
    def __init__(self, how: str = "short"):
        self.how = how

    def __call__(self, score):
        return WRONG[self.how][0](score.sigmoid())


class Nowhere(Reward):
    def __call__(self, score):
        return score * torch.nan


class Credits(Credit):
    def __init__(self, how):
        self.how = how

    def __call__(self, reward, game, rollout):
        return WRONG[self.how][0](rollout.logp)


class Measures(Baseline):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, value, mask):
        return WRONG[self.how][0](value)


class Scores(Discriminator):
    def __init__(self, how, generator):
        super().__init__(generator.vocab, generator.max_length)
        self.how = how

    def forward(self, tokens, mask, density=None):
        return WRONG[self.how][0](mask.float().mean(1))


class Punishes(Penalty):
    def __call__(self, game, real, fake):
        return torch.zeros(2)


class Regularises(Regulariser):
    def forward(self, game, batch, written):
        return [0.0]


class Loses(Loss):
    given = torch.zeros(3)

    def forward(self, game, batch):
        return self.given


def step(run, name="generator"):
    system = run.system
    batch = run.data.sentences("valid").first(8)
    return system.updates[name].loss.outcome(system.game("step"), batch)


def refused(run, name, said, update="generator"):
    with pytest.raises(
        UserError, match=rf"^tests\.unit\.model\.test_shape_check\.{name} gave {said}, wanted "
    ) as error:
        step(run, update)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", PLACES)
def test_a_reward_of_the_wrong_shape_is_refused_by_whoever_asks_it(place):
    run = built(*TINY, *PLACES[place])
    objective = run.system.updates["generator"].loss
    step(run)  # the model's own is taken
    getattr(objective, "objective", objective).reward = Pays()
    refused(run, "Pays", r"shape \(1[,)].*")


@pytest.fixture(scope="module")
def game():
    return built(*TINY, "model=minimax", "model/penalty=r1")


@contextmanager
def swapped(place, name, part):
    before = getattr(place, name)
    setattr(place, name, part)
    try:
        yield
    finally:
        setattr(place, name, before)


@pytest.mark.parametrize("how", WRONG)
def test_whatever_is_wrong_with_an_answer_is_said(how, game):
    system, said = game.system, WRONG[how][1]
    objective = system.updates["generator"].loss
    for name, part in (("reward", Pays(how)), ("credit", Credits(how)), ("baseline", Measures(how))):
        with swapped(objective, name, part):
            refused(game, type(part).__name__, said)
    with swapped(system, "discriminator", Scores(how, system.generator)):
        refused(game, "Scores", said, "discriminator")


def test_losses_that_are_no_numbers_are_refused(game):
    updates, own, objective = game.system.updates, game.system.updates["generator"], Loses()
    with swapped(updates["discriminator"].loss, "penalty", Punishes()):
        refused(game, "Punishes", r"shape \(2,\)", "discriminator")
    for given in (torch.zeros(3), Outcome(torch.zeros(3), {})):
        objective.given = given
        with swapped(game.system, "updates", updates | {"generator": replace(own, loss=objective)}):
            refused(game, "Loses", r"shape \(3,\)")
    more = Regularised(own.loss, {"mine": Regularises(0.1)})
    with swapped(game.system, "updates", updates | {"generator": replace(own, loss=more)}):
        refused(game, "Regularises", r"a list, \[0\.0\]")


def test_a_reward_that_is_no_number_is_named_with_those_that_hand_it_on():
    steps = ("model.schedule.pretrain_steps=0", "model.schedule.discriminator_pretrain_steps=0")
    run = built(*TINY, *steps, f"model.reward._target_={__name__}.Nowhere", callbacks=(Recovery(),))
    before = [weight.clone() for weight in run.system.generator.parameters()]
    with pytest.raises(UserError, match=r"the reward is nan \(reward Nowhere, credit Terminal, baseline BatchMean\)"):
        run.fit()
    assert all(map(torch.equal, before, run.system.generator.parameters()))


def test_a_run_ends_in_one_line_before_the_step(monkeypatch, tmp_path):
    overrides = (
        *TINY,
        "model.schedule.pretrain_steps=0",
        "model.schedule.k=1",
        f"model.reward._target_={__name__}.Pays",
    )
    with pytest.raises(SystemExit) as stopped:
        smoke(monkeypatch, tmp_path / "run", *overrides)
    assert stopped.value.code == (
        f"textgan_lit: {__name__}.Pays gave shape (1,), wanted shape (8,): a reward for each score."
    )
    assert read(kept(tmp_path / "run" / "checkpoints")[0])["textgan_lit"]["steps"]["generator"] == 0
