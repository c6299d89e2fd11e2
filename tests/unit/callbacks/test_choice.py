"""A run on text leaves the better of two generators, and says which."""

import json

import pytest
import torch

import textgan_lit
from tests.helpers.command import smoke
from textgan_lit.callbacks import choice
from textgan_lit.run.checkpoint import newest, read

TEXT = ("data=text", "model=reinforce", "model/schedule=fixed", "data.tokenizer=word", "data.valid=64", "data.test=64")
CHEAP = ("metrics=none", "+metrics.closing.fresh_critic._target_=textgan_lit.metrics.fresh_critic.FreshCritic")


@pytest.fixture
def played(monkeypatch, tmp_path, capsys):
    """A short game on a file: its folder, its last state and what it said, the critic having found so much."""

    def play(difference, *overrides):
        lines = (f"the {a} {b} {c}" for a in "abcd" for b in "efgh" for c in "ijklm" for _ in range(5))
        (tmp_path / "my.txt").write_text("\n".join(lines))
        monkeypatch.setattr(choice, "compared", lambda *_: (torch.tensor(difference), torch.tensor(0.01)))
        monkeypatch.setattr(choice.FreshCritic, "logits", lambda self, real, fake: fake.tokens.double())
        monkeypatch.setattr(choice.FreshCritic, "measure", lambda *_: {})
        given = (f"data.path={tmp_path / 'my.txt'}", f"data.cache={tmp_path}", "data.train=null")
        smoke(monkeypatch, tmp_path / "run", *TEXT, *CHEAP, *given, "model.optim.generator.lr=0.1", *overrides)
        return (
            tmp_path / "run",
            newest(tmp_path / "run" / "checkpoints", print).state,
            " ".join(capsys.readouterr().out.split()),
        )

    return play


@pytest.mark.parametrize(("difference", "kept"), [(-0.03, "game"), (-0.015, "likelihood"), (0.03, "likelihood")])
def test_the_game_is_kept_where_it_is_better_by_two_standard_errors(played, difference, kept):
    folder, state, said = played(difference)
    assert state["textgan_lit"]["choice"] == {
        "kept": kept,
        "difference": pytest.approx(difference),
        "se": pytest.approx(0.01),
        "sentences": 64,
    }
    assert json.loads((folder / "closing.json").read_text())["choice"] == state["textgan_lit"]["choice"]
    now = state["state_dict"]
    game = {name.removeprefix("generator."): now[name] for name in now if name.startswith("generator.")}
    wanted = game if kept == "game" else state["textgan_lit"]["pretraining"]
    for checkpoint in ("last", "best"):
        weights = textgan_lit.load(folder, checkpoint).generator.state_dict()
        assert all(weights[name].equal(wanted[name]) for name in weights)
    assert any(not game[name].equal(value) for name, value in state["textgan_lit"]["pretraining"].items())
    assert f"Kept: {kept}'s generator. On 64 held-out sentences" in said
    assert f"nats {'more' if difference > 0 else 'less'} of JSD" in said


def test_the_samples_that_are_shown_are_those_of_the_generator_that_is_kept(played):
    folder, state, _ = played(0.03)
    shown = [row["text"] for row in json.loads((folder / "samples.jsonl").read_text().splitlines()[-1])["samples"]]
    assert state["callbacks"]["SampleTable"]["latest"] != shown  # the game's, at its last evaluation


def test_a_run_that_was_cut_short_and_goes_on_has_chosen_nothing_yet(played, tmp_path):
    _, state, _ = played(0.03, "trainer.max_steps=12")
    assert state["textgan_lit"]["choice"]["kept"] == "likelihood"
    between = tmp_path / "between.ckpt"
    cut = ("+callbacks.cut._target_=tests.helpers.tiny_game.Cut", "+callbacks.cut.after=13")
    _, state, _ = played(-0.03, "resume=true", *cut, f"+callbacks.cut.path={between}")
    assert read(between)["textgan_lit"]["choice"] is None
    assert state["textgan_lit"]["choice"]["kept"] == "game"


def test_too_few_sentences_to_tell_leave_likelihoods(played):
    folder, state, said = played(-0.03, "data.valid=8")
    assert state["textgan_lit"]["choice"] == {"kept": "likelihood", "difference": None, "se": None, "sentences": 8}
    best = state["textgan_lit"]["pretraining"]
    assert all(value.equal(best[name]) for name, value in textgan_lit.load(folder).generator.state_dict().items())
    assert "Kept: likelihood's generator. 8 held-out sentences are too few" in said
    last = json.loads((folder / "samples.jsonl").read_text().splitlines()[-1])["samples"]
    assert state["callbacks"]["SampleTable"]["latest"] != [row["text"] for row in last]  # the game's


def test_without_a_game_nothing_is_chosen(played, tmp_path):
    _, state, said = played(0.03, "model.schedule.adversarial_steps=0")
    assert state["textgan_lit"]["choice"] is None
    assert "Kept:" not in said
    assert "choice" not in json.loads((tmp_path / "run" / "closing.json").read_text())
