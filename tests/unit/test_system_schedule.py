"""A schedule in real runs: what it is told, what it says, and where it has no say."""

import pytest

from tests.helpers.playing import TINY, built, config
from tests.helpers.tiny_game import FIXED, Cut, differ, trained, weights
from textgan_lit.build import experiment
from textgan_lit.callbacks.steps import Steps
from textgan_lit.errors import UserError
from textgan_lit.model.schedule import Fixed
from textgan_lit.system import TextGAN


def test_the_guard_ends_a_game_that_teaches_nothing():
    """A discriminator that has learnt nothing (its rate is almost 0) never gets its generator a step."""
    overrides = ("model.optim.discriminator.lr=1e-12", "model.schedule.rule.patience=2")
    run = built(*TINY, "model=minimax", *overrides).fit()
    assert run.system.clock.steps == {"pretrain": 4, "discriminator": 3 + 3 * 2, "generator": 0}
    assert "D cannot tell real from generated" in run.system.schedule.ended
    assert run.trainer.should_stop


# Settings that put generator steps off in so small a game.
RULES = {
    "plateau": ("model.schedule.rule.patience=1", "model.schedule.rule.max_steps=6"),
    "staleness": ("model.schedule.rule.patience=2", "model.schedule.rule.min_improvement=0"),
    "band": ("model.schedule.rule.low=0.9", "model.schedule.rule.high=0.95", "model.schedule.rule.max_steps=6"),
    "regret": ("model.schedule.rule.limit=0.001", "model.schedule.rule.max_steps=4"),
}


def told(run):
    return [{key: row[key] for key in row if key.startswith("schedule/")} for row in run.rows if "schedule/k" in row]


def test_k_and_why_stand_beside_every_generator_step():
    run = built(*TINY, *FIXED, callbacks=(Steps(every=1),)).fit()
    assert told(run) == [{"schedule/k": 2, "schedule/why/fixed": 1}] * 3
    rows = [row for row in run.rows if "schedule/k" in row]
    assert all("generator/reward" in row for row in rows)
    assert [row["steps/generator"] for row in rows] == [1, 2, 3]


def test_k_is_a_mean_and_overrides_are_counted():
    overrides = ("model.schedule.check_every=2", "model/schedule=regret", *RULES["regret"])
    run = built(*TINY, *overrides, "model.schedule.adversarial_steps=4", callbacks=(Steps(every=3),)).fit()
    # step 1 of its own, as every update's first; read at 1 and 3, which wait for 4 steps (looks at 0, 2, 4)
    assert told(run) == [
        {"schedule/k": 4, "schedule/why/far": 2, "schedule/why/most": 1},
        {"schedule/k": (2 + 4 + 2) / 3, "schedule/why/unread": 2, "schedule/why/far": 2, "schedule/why/most": 1},
    ]


def test_a_game_that_is_ended_says_what_was_answered_last():
    overrides = ("model.optim.discriminator.lr=1e-12", "model.schedule.rule.patience=2")
    run = built(*TINY, "model=minimax", *overrides, callbacks=(Steps(every=1),)).fit()
    assert run.rows[-1]["schedule/why/unclear"] == 3
    assert "schedule/k" not in run.rows[-1]


def test_steps_in_a_row_are_told_once():
    run = built(
        *TINY,
        *FIXED,
        "model.estimator.num_iterations=2",
        "model.schedule.adversarial_steps=6",
        callbacks=(Steps(every=1),),
    ).fit()
    assert [("schedule/k" in row) for row in run.rows if "generator/reward" in row] == [True, False] * 3


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_compares_looks_at_the_same_sentences_and_never_twice(rule, monkeypatch):
    looks, game = [], TextGAN.game

    def spy(self, *purpose):
        if purpose[0] == "reading":
            looks.append((purpose[1:], *self.clock.steps.values()))
        return game(self, *purpose)

    monkeypatch.setattr(TextGAN, "game", spy)
    run = built(*TINY, f"model/schedule={rule}", *RULES[rule]).fit()
    first = (4, 3, 0) if run.system.schedule.rule.after_g_too else (4, 5, 0)
    assert looks[0] == ((), *first)
    assert {number for number, *_ in looks} == {()}
    assert len(set(looks)) == len(looks) > 3


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("after", [8, 11])
def test_a_run_under_any_rule_is_taken_up_in_mid_cycle(rule, after, tmp_path):
    overrides = (*TINY, f"model/schedule={rule}", *RULES[rule])
    whole = built(*overrides, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*overrides, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert whole.system.clock.total > 12
    assert trained(resumed) == trained(whole, after)
    assert resumed.system.schedule.state_dict() == whole.system.schedule.state_dict()
    assert not differ(weights(resumed.system), weights(whole.system))


def test_the_regret_is_told_where_a_rule_needs_it():
    run = built(*TINY, "model/schedule=regret", *RULES["regret"], callbacks=(Steps(every=1),)).fit()
    read = [row for row in run.rows if "game/bound" in row]
    assert all(row["game/regret"] > 0 for row in read)
    run = built(*TINY, *FIXED, callbacks=(Steps(every=1),)).fit()
    assert not any("game/regret" in row for row in run.rows)


def test_a_regret_needs_a_distribution_that_is_known():
    settings = config(*TINY, "model/schedule=regret")
    data = experiment.data(settings)
    data.oracle = None
    with pytest.raises(UserError, match=r"Regret compares D with the best possible D.*Use data=mixture.*or a rule"):
        experiment.system(settings, data)


@pytest.mark.parametrize("rule", ["guard", *RULES])
def test_a_null_control_plays_without_a_rule(rule):
    overrides = ("model/control=shuffled", "model.optim.discriminator.lr=1e-12", f"model/schedule={rule}")
    run = built(*TINY, "model=minimax", *overrides).fit()
    assert isinstance(run.system.schedule.rule, Fixed)
    assert run.system.null_control
    assert run.system.clock.steps["generator"] == 3
