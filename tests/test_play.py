"""A run from the command line to its objective."""

import math

import pytest
import torch
import yaml

import textgan_lit
from tests.command import evaluations, rows, run, smoke


def test_a_run_leaves_what_it_says(monkeypatch, tmp_path, capsys):
    log = smoke(monkeypatch, tmp_path / "run", "model/program=fixed")
    shown = capsys.readouterr().out
    assert "On the test sentences" in shown
    assert "Self-check, bound ≤ truth + 2 SE" in shown
    assert "game, 3 G turns" in shown
    assert "Samples:" in shown
    last = log[-1]
    assert (last["turns/likelihood"], last["turns/discriminator"], last["turns/generator"]) == (4, 9, 3)
    assert last["turns/all"] == 16
    panel = evaluations(tmp_path / "run")
    assert [row["turns/generator"] for row in panel] == [0, 0, 2, 3]
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
    with pytest.raises(textgan_lit.errors.UserError, match="no such checkpoint"):
        textgan_lit.load(tmp_path / "elsewhere")


def test_evaluation_on_or_off_leaves_training_untouched(monkeypatch, tmp_path):
    words = ["model.program.duel=4", "model.moves.likelihood.batch=64", "model.moves.generator.batch=64"]
    often = smoke(monkeypatch, tmp_path / "often", *words, "callbacks.schedule.generator=1")
    never = smoke(monkeypatch, tmp_path / "never", *words, "trainer.limit_val_batches=0")
    names = ("likelihood/nll", "discriminator/bce", "generator/reward")
    losses = [[row[name] for row in log for name in names if name in row] for log in (often, never)]
    assert len(losses[0]) > 10
    assert losses[0] == losses[1]
    assert sum("truth/jsd" in row for row in often) > sum("truth/jsd" in row for row in never) == 0


@pytest.mark.parametrize("k", [1, 2, 3, 5, 10])
def test_every_move_appears_in_the_log_whatever_k_is(k, monkeypatch, tmp_path):
    log = smoke(monkeypatch, tmp_path / "run", f"model.program.k={k}", "callbacks.turns.every=10")
    for move in ("likelihood/nll", "discriminator/bce", "generator/reward"):
        assert any(move in row for row in log), move


def test_a_control_is_one_word_and_plays_without_the_guard(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "model/reward=shuffled")
    assert "A null control" in capsys.readouterr().out
    config = yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())
    assert config["model"]["reward"]["_target_"] == "textgan_lit.reward.Shuffled"
    assert config["model"]["reward"]["of"] == "${model.control}"


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_precisions(precision, monkeypatch, tmp_path):
    log = smoke(monkeypatch, tmp_path / "run", f"trainer.precision={precision}")
    assert all(math.isfinite(value) for row in log for key, value in row.items() if key.startswith("generator/"))


def test_max_steps_cuts_a_run_short_and_still_judges_it(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "trainer.max_steps=6")
    assert rows(tmp_path / "run")[-1]["turns/all"] == 6
    assert "On the test sentences" in capsys.readouterr().out


def test_a_multirun_plays_every_combination(monkeypatch, tmp_path):
    words = ["debug=smoke", "logger=csv", f"hydra.sweep.dir={tmp_path}", "model.program.duel=1"]
    run(monkeypatch, "-m", *words, "model/reward=minimax,constant")
    for number in (0, 1):
        assert rows(tmp_path / str(number))[-1]["turns/generator"] == 1
