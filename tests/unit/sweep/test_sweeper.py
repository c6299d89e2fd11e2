"""Sweeps that are really played: of the smallest world, in seconds."""

import json
import signal

import pytest
import yaml
from optuna.trial import TrialState

import textgan_lit
from tests.helpers.command import run
from tests.helpers.lives import left, play, same
from tests.helpers.sweeps import SPACE, WORLD, overrides, study, trials
from textgan_lit.sweep.study import JOURNAL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_shapes")]


def test_the_same_command_goes_on_where_it_was_killed(tmp_path):
    """The first life ends in the middle of the second trial. In the end every trial is the run that nobody killed."""
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    asked = (*SPACE, "+callbacks.death._target_=tests.helpers.dying.Death", "hydra.sweeper.n_trials=3")
    for n in (1, 2):
        assert play(whole, *overrides(whole, *asked, f"hydra.sweeper.n_trials={n}")).returncode == 0
    first = play(folder, *overrides(folder, *asked, "hydra.sweeper.n_trials=1"))
    assert first.returncode == 0, first.stderr
    before = (folder / "0" / "closing.json").stat().st_mtime_ns
    killed = play(folder, *overrides(folder, *asked), death="SIGKILL at 4 start")
    assert killed.returncode == -signal.SIGKILL
    assert [trial.state for trial in trials(folder)] == [TrialState.COMPLETE, TrialState.RUNNING]
    (folder / f"{JOURNAL}.lock").touch()  # as a kill in mid-write leaves it
    folder = folder.rename(tmp_path / "moved")
    again = play(folder, *overrides(folder, *asked))
    assert again.returncode == 0, again.stderr
    assert "Going on after step" in again.stdout
    assert (folder / "0" / "closing.json").stat().st_mtime_ns == before
    assert [trial.state for trial in trials(folder)] == [TrialState.COMPLETE] * 3
    assert [trial.number for trial in trials(folder)] == [0, 1, 2]
    for trial in "01":
        same(left(folder / trial), left(whole / trial))
    assert len(textgan_lit.load(folder / "1", trust="tests").sample(2)) == 2
    found = yaml.safe_load((folder / "optimization_results.yaml").read_text())["best"][0]
    assert found["values"][0] == min(trial.value for trial in trials(folder))


def test_a_failed_trial_is_recorded_and_the_sweep_goes_on(monkeypatch, tmp_path):
    asked = ("model.optim.generator.batch_size=0,16", "hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=4")
    with pytest.raises(SystemExit, match=r"of 4 trials failed; run\.json says why"):
        run(monkeypatch, *overrides(tmp_path, *asked))
    found = trials(tmp_path)
    bad = [trial.params["model.optim.generator.batch_size"] == "0" for trial in found]
    assert 0 < sum(bad) < 4
    assert [trial.state == TrialState.FAIL for trial in found] == bad
    for trial, failed in zip(found, bad, strict=True):
        notes = json.loads((tmp_path / str(trial.number) / "run.json").read_text())
        assert ("batch_size=0: wanted" in notes.get("failed", "")) == failed


def test_two_objectives_from_the_closing_table(monkeypatch, tmp_path):
    keys = "hydra.sweeper.objectives=[truth/jsd,truth/kl_pg]"
    run(
        monkeypatch,
        *overrides(tmp_path, SPACE[0], keys, "hydra.sweeper.n_trials=1", "hydra/sweeper/sampler=quasi_random"),
    )
    row = json.loads((tmp_path / "0" / "closing.json").read_text())["game"]
    assert trials(tmp_path)[0].values == [row["truth/jsd"], row["truth/kl_pg"]]


def test_a_trial_that_stands_badly_is_pruned(monkeypatch, tmp_path):
    pruner = ("+hydra.sweeper.pruner._target_=optuna.pruners.ThresholdPruner", "+hydra.sweeper.pruner.upper=0.15")
    late = "+hydra.sweeper.pruner.n_warmup_steps=30"
    learns = ("model.schedule.pretrain_steps=100", "model.optim.pretrain.lr=1e-9,0.1")
    asked = (*learns, "hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=3", *pruner, late)
    run(monkeypatch, *overrides(tmp_path, *asked))
    for trial in trials(tmp_path):
        assert (trial.state == TrialState.PRUNED) == (trial.params["model.optim.pretrain.lr"] == "1e-09")
        assert trial.intermediate_values
        notes = json.loads((tmp_path / str(trial.number) / "run.json").read_text())
        assert ("worse than other trials" in notes.get("pruned", "")) == (trial.state == TrialState.PRUNED)
        assert "failed" not in notes
    assert len({trial.state for trial in trials(tmp_path)}) == 2


def test_a_sweep_looks_for_what_likelihood_does_not_have_at_any_temperature(monkeypatch, tmp_path):
    wide = "callbacks.closing.temperatures=[2.0,1.0,0.5,0.2]"
    run(monkeypatch, *WORLD, "model=mle", "model.schedule.pretrain_steps=50", wide, f"hydra.run.dir={tmp_path / 'mle'}")
    gap = (wide, "hydra.sweeper.objectives=[likelihood_gap]", f"hydra.sweeper.against={tmp_path / 'mle'}")
    run(
        monkeypatch,
        *overrides(tmp_path / "sweep", SPACE[0], "model.schedule.pretrain_steps=5", *gap, "hydra.sweeper.n_trials=1"),
    )
    (found,) = trials(tmp_path / "sweep")
    assert found.state == TrialState.COMPLETE
    assert found.value > 0.01  # of one that has learnt less


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("nothing.there=1,2",), "nothing.there: there is no such key"),
        ((SPACE[0], "overwrite=true"), "Give another hydra.sweep.dir"),
        ((SPACE[0], "hydra.sweeper.objectives=[truth/nll_oracle]"), "a sweep would find that"),
        ((SPACE[0], "hydra.sweeper.objectives=[likelihood_gap]"), "go together"),
        ((SPACE[0], "hydra.sweeper.n_trials=0"), "n_trials=0"),
        ((SPACE[0], "hydra.sweeper.storage=/nowhere/at/all"), "cannot be opened"),
        ((SPACE[0], "hydra.sweeper.trials=3"), "trials"),
    ],
)
def test_what_cannot_be_played_is_refused_before_any_trial(monkeypatch, tmp_path, more, said):
    with pytest.raises(SystemExit, match=said):
        run(monkeypatch, *overrides(tmp_path / "sweep", *more))
    assert not (tmp_path / "sweep" / "0").exists()


def test_another_question_needs_another_folder(monkeypatch, tmp_path):
    run(monkeypatch, *overrides(tmp_path, SPACE[0], "hydra.sweeper.n_trials=1"))
    with pytest.raises(SystemExit, match=r"another sweep: its search space had model\.schedule\.k.*\('1', '2'\)"):
        run(monkeypatch, *overrides(tmp_path, "model.schedule.k=1,3", "hydra.sweeper.n_trials=2"))


def test_a_sweep_of_another_version_is_refused_in_one_line(monkeypatch, tmp_path):
    run(monkeypatch, *overrides(tmp_path, SPACE[0], "hydra.sweeper.n_trials=1"))
    begun = study(tmp_path)
    question = begun.user_attrs["question"]
    begun.set_user_attr("question", {"words": question.pop("overrides"), **question})  # as version 0.1 called them
    with pytest.raises(SystemExit, match=r"holds the trials of a sweep that another version began\. Give another"):
        run(monkeypatch, *overrides(tmp_path, SPACE[0], "hydra.sweeper.n_trials=2"))


def test_a_grid_notes_why_a_job_failed_and_goes_on(monkeypatch, tmp_path):
    grid = ("-m", *WORLD, "model.optim.generator.batch_size=0,16", f"hydra.sweep.dir={tmp_path}")
    with pytest.raises(SystemExit, match="batch_size=0"):
        run(monkeypatch, *grid)
    first, second = (json.loads((tmp_path / name / "run.json").read_text()) for name in "01")
    assert "batch_size=0: wanted" in first["failed"]
    assert second["finished"]
