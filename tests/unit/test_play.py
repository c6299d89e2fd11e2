"""A run from the command line to its objective."""

import math
from types import SimpleNamespace

import pytest
import torch
import yaml

import textgan_lit
from tests.helpers.command import evaluations, rows, run, smoke
from textgan_lit.build import experiment
from textgan_lit.errors import UserError
from textgan_lit.play import objective, play


def test_a_run_leaves_what_it_says(monkeypatch, tmp_path, capsys):
    log = smoke(monkeypatch, tmp_path / "run", "model/schedule=fixed")
    shown = capsys.readouterr().out
    assert "On the test sentences" in shown
    assert "Self-check, bound ≤ truth + 2 SE" in shown
    assert "game, 3 G steps" in shown
    assert "Samples:" in shown
    last = log[-1]
    assert (last["steps/pretrain"], last["steps/discriminator"], last["steps/generator"]) == (4, 9, 3)
    assert last["steps/all"] == 16
    panel = evaluations(tmp_path / "run")
    assert [row["steps/generator"] for row in panel] == [0, 0, 2, 3]
    assert all(0 < row["truth/jsd"] < math.log(2) + 2 * row["truth/jsd_se"] for row in panel)
    curve = panel[-1]["curve/prefix_jsd"]
    assert len(curve) == 8
    assert curve == sorted(curve)


def test_a_finished_run_opens_in_a_notebook(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "model.generator.order=2")
    opened = textgan_lit.load(tmp_path / "run")
    assert opened.config["model"]["generator"]["order"] == 2
    assert opened.sample(5) == textgan_lit.load(tmp_path / "run").sample(5)
    assert all(len(text.split()) == 8 for text in opened.sample(5))
    tokens = torch.zeros(2, 8, dtype=torch.long)
    assert opened.discriminator(tokens, torch.ones_like(tokens, dtype=torch.bool)).shape == (2,)
    with pytest.raises(textgan_lit.errors.UserError, match="elsewhere: there is no such folder"):
        textgan_lit.load(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(textgan_lit.errors.UserError, match="holds no checkpoint"):
        textgan_lit.load(tmp_path / "empty")


def test_a_control_is_one_override_and_plays_without_the_guard(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "model/control=shuffled")
    assert "A null control: what is paid must not teach." in capsys.readouterr().out
    config = yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())
    assert config["model"]["control"]["_target_"] == "textgan_lit.model.control.Shuffled"
    assert config["model"]["reward"]["_target_"] == "textgan_lit.model.reward.Minimax"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=mle", "+model.optim.generator.batch_size=64"], "this model plays no generator steps, only pretrain"),
        (
            ["model=dgsan", "model.optim.discriminator.lr=0.1"],
            "plays no discriminator steps, only pretrain",
        ),
        (["model=dgsan", "model/optimizer@model.optim.discriminator=sgd"], "plays no discriminator steps"),
        (["+trainer.timeout=5"], "one process waits for no other"),
    ],
)
def test_an_override_of_what_is_not_played_is_refused(overrides, said, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=rf"{overrides[-1].replace('+', '.')} would be ignored: .*{said}"):
        smoke(monkeypatch, tmp_path / "run", *overrides)
    assert not (tmp_path / "run" / "run.json").exists()


def test_max_steps_cuts_a_run_short_and_still_judges_it(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "trainer.max_steps=6")
    assert rows(tmp_path / "run")[-1]["steps/all"] == 6
    assert "On the test sentences" in capsys.readouterr().out


def test_a_multirun_plays_every_combination(monkeypatch, tmp_path):
    overrides = ["debug=smoke", "logger=csv", f"hydra.sweep.dir={tmp_path}", "model.schedule.adversarial_steps=1"]
    run(monkeypatch, "-m", *overrides, "model/control=none,constant")
    for number in (0, 1):
        assert rows(tmp_path / str(number))[-1]["steps/generator"] == 1


def test_a_sweep_without_a_known_truth_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(experiment, "data", lambda *_: SimpleNamespace(oracle=None))
    with pytest.raises(
        UserError, match=r"A sweep needs data with a known truth .*, or a fresh critic: .* Use metrics=text"
    ):
        play({"threads": 1, "seed": 1}, tmp_path, sweep=True)


def test_the_objective_is_the_truth_or_else_the_fresh_critics_bound():
    fresh = {"test/truth/nll_test": 3.0, "test/quality/fresh_bound_9_se": 0.1, "test/quality/fresh_bound_9": 0.4}
    assert objective(fresh) == 0.4
    assert objective(fresh | {"test/truth/jsd": 0.5}) == 0.5
    assert objective({"test/truth/nll_test": 3.0}) is None


def test_a_sweep_that_measures_a_fresh_critic_is_not_refused(monkeypatch, tmp_path):
    def reached(*_):
        raise LookupError

    monkeypatch.setattr(experiment, "data", lambda *_: SimpleNamespace(oracle=None))
    monkeypatch.setattr(experiment, "system", reached)
    chosen = {"closing": {"critic": {"_target_": "textgan_lit.metrics.fresh_critic.FreshCritic"}}}
    with pytest.raises(LookupError):
        play({"threads": 1, "seed": 1, "metrics": chosen}, tmp_path, sweep=True)
