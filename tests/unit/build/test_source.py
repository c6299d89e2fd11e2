"""A run starts from another run's players, or says in one line why not."""

import shutil

import pytest
import torch

from tests.helpers.command import run, smoke
from tests.helpers.playing import TINY, config
from textgan_lit.build import experiment, players
from textgan_lit.build.source import Source
from textgan_lit.errors import UserError
from textgan_lit.model.generator.markov import Markov
from textgan_lit.run.checkpoint import newest
from textgan_lit.types import Vocab


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        smoke(monkeypatch, folder, "model=reinforce")
    return folder


@pytest.mark.slow
def test_a_game_starts_where_another_run_ended(source):
    kept = newest(source / "checkpoints", print).state["state_dict"]
    composed = config(
        *("debug=smoke", "model=reinforce", "model/regulariser=[reference_kl]", "model.ema=0.9"),
        *(f"+model.{player}_from={source}" for player in ("generator", "discriminator")),
    )
    system = experiment.system(composed, experiment.data(composed), players.sources(composed))
    found = system.state_dict()
    assert all(found[name].equal(weight) for name, weight in kept.items() if name in found)
    for name, weight in system.generator.state_dict().items():
        assert system.pretraining.best[name].equal(weight)  # likelihood's, which the game is compared with
        assert found[f"average.generator.{name}"].equal(weight)
    assert (system.schedule.pretrain_steps, system.schedule.discriminator_pretrain_steps) == (0, 0)


@pytest.mark.slow
def test_it_is_played_and_taken_up_without_its_source(monkeypatch, tmp_path, capsys, source):
    mine = shutil.copytree(source, tmp_path / "source")
    overrides = ("model=grpo", f"model.generator_from={mine}", "trainer.max_steps=4")
    smoke(monkeypatch, tmp_path / "run", *overrides)
    assert "The generator is that of" in (said := " ".join(capsys.readouterr().out.split()))
    assert "its pretraining is not played again." in said
    assert "The discriminator is" not in said
    shutil.rmtree(mine)
    run(monkeypatch, f"resume={tmp_path / 'run'}", "trainer.max_steps=-1")
    assert "The generator is that of" not in capsys.readouterr().out
    steps = newest(tmp_path / "run" / "checkpoints", print).state["textgan_lit"]["steps"]
    assert (steps["pretrain"], steps["generator"]) == (0, 3)


@pytest.mark.slow
def test_likelihood_alone_goes_on_learning(source):
    composed = config("debug=smoke", "model=mle", f"+model.generator_from={source}")
    system = experiment.system(composed, experiment.data(composed), players.sources(composed))
    assert system.schedule.pretrain_steps == 4


def test_what_is_made_of_the_generator_is_made_of_it_as_it_was_made():
    """A run that is taken up brings no other run's weights: its players are made without them, too."""
    composed = config(*TINY, "model=airl")
    data = experiment.data(composed)
    theirs = experiment.system(composed, data).generator
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.add_(1.0)
    torch.manual_seed(0)
    system = experiment.system(composed, data, {"generator": Source(theirs, data.vocab, "", {})})
    torch.manual_seed(0)
    alone = experiment.system(composed, data)
    for made, weight in zip(system.discriminator.reference.parameters(), alone.generator.parameters(), strict=True):
        assert torch.equal(made, weight)
    assert not all(map(torch.equal, system.generator.parameters(), alone.generator.parameters()))


def test_a_player_on_other_pretrained_weights_is_refused():
    vocab = Vocab(("a", "b"))
    mine, theirs = Markov(vocab, 2), Markov(vocab, 2)
    source = Source(theirs, vocab, "model.generator_from=run", {})
    source.start(mine, vocab)
    theirs.base = "0" * 64
    with pytest.raises(UserError, match=r"from=run: that run's player stands on other pretrained weights .*=markov"):
        source.start(mine, vocab)


THEIRS = "Give that run's: model/generator=lstm."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            "model=reinforce data.oracle.vocab_size=21",
            "20 tokens, which are not the 21 of the data here. Give the data",
        ),
        ("model=reinforce model.generator.hidden=8", f"does not fit. LSTM's .*, wanted .* {THEIRS}"),
        ("model=minimax", f"does not fit. It (lacks|has) the weight .* Markov.* {THEIRS}"),
        (
            "model=reinforce model.schedule.pretrain_steps=9",
            "model.generator_from brings that pretraining. Leave it out",
        ),
        ("model=mle model.discriminator_from=RUN", "would be ignored: this model has no such player"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_played(monkeypatch, tmp_path, source, overrides, said):
    given = [override.replace("RUN", str(source)) for override in overrides.split()]
    with pytest.raises(SystemExit, match=said):
        smoke(monkeypatch, tmp_path / "run", *given, f"model.generator_from={source}")
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.slow
def test_a_source_is_opened_as_every_run_is(monkeypatch, tmp_path, source):
    forged = shutil.copytree(source, tmp_path / "source")
    for path in (forged / "checkpoints").iterdir():
        path.write_bytes(b"PK\x03\x04" + b"a pickle")
    with pytest.raises(SystemExit, match=r"which pickled its checkpoints; a pickle can hold code, so none is read"):
        smoke(monkeypatch, tmp_path / "run", "model=reinforce", f"model.generator_from={forged}")
