"""Jobs that other processes play: beside each other by joblib or Ray, and as a batch system would by submitit."""

import importlib.util
import json
import signal
import time

import pytest

from tests.helpers.command import run
from tests.helpers.lives import begin, left, play, same
from tests.helpers.sweeps import SPACE, WORLD, overrides, trials
from textgan_lit.run import files
from textgan_lit.run import folder as folders

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
RAY = ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false")
no_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is an extra of its own, .[ray]")
LAUNCHERS = [
    pytest.param(JOBLIB, id="joblib"),
    pytest.param(("hydra/launcher=submitit_local",), id="submitit"),
    pytest.param(RAY, id="ray", marks=no_ray),
]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_grid_is_what_it_is_in_one_process(tmp_path, launcher):
    one, many = tmp_path / "one", tmp_path / "many"
    for folder, more in ((one, ()), (many, launcher)):
        done = play(folder, "-m", *WORLD, "seed=1,2", f"hydra.sweep.dir={folder}", *more)
        assert done.returncode == 0, done.stderr
    for job in "01":
        same(left(many / job), left(one / job))


@pytest.mark.slow
def test_trials_side_by_side_as_many_as_the_launcher_has_places_for(tmp_path):
    done = play(tmp_path, *overrides(tmp_path, *SPACE, *JOBLIB, "hydra.sweeper.n_trials=3"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Joblib.Parallel(n_jobs=2") == 2  # two trials, then the third
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE"] * 3


@pytest.mark.slow
def test_a_job_that_fails_in_another_process_is_recorded_and_the_others_are_played(tmp_path):
    done = play(
        tmp_path, *overrides(tmp_path, "model.optim.generator.batch_size=0,16", *JOBLIB, "hydra.sweeper.n_trials=3")
    )
    assert done.returncode == 1
    for trial in trials(tmp_path):
        notes = json.loads((tmp_path / str(trial.number) / "run.json").read_text())
        bad = trial.params["model.optim.generator.batch_size"] == "0"
        assert (trial.state.name, "batch_size=0: wanted" in notes.get("failed", "")) == (
            ("FAIL", True) if bad else ("COMPLETE", False)
        )


def logged(folder):
    return sum(table.stat().st_size for table in folder.rglob("metrics.csv"))


@pytest.mark.slow
def test_a_sweep_whose_command_is_killed_goes_on_at_once_and_nobody_else_plays_its_jobs(unchecked_shapes, tmp_path):
    one, many = tmp_path / "one", tmp_path / "many"
    long = ("model.schedule.adversarial_steps=60", "callbacks.evaluation.every.generator=20", "seed=1,2")
    assert play(one, "-m", *WORLD, *long, f"hydra.sweep.dir={one}").returncode == 0
    command = (*WORLD, *long, *JOBLIB, f"hydra.sweep.dir={many}", "resume=true")
    killed = begin(many, "-m", *command)
    while logged(many) < 4000 and killed.poll() is None:
        time.sleep(0.2)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    done = play(many, "-m", *command)
    assert done.returncode == 0, done.stderr
    for job in "01":
        same(left(many / job), left(one / job))


@pytest.mark.slow
def test_a_job_that_another_process_plays_is_refused_after_a_while_and_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "DYING", 0.2)
    (tmp_path / "0").mkdir()
    refused = pytest.raises(SystemExit, match=r"hydra\.sweep\.subdir=.*/0 is being played by another process")
    with files.lock(tmp_path / "0" / ".lock"), refused:
        run(monkeypatch, *overrides(tmp_path, *SPACE, "hydra.sweeper.n_trials=1"))
    assert not (tmp_path / "0" / "run.json").exists()
    run(monkeypatch, *overrides(tmp_path, *SPACE, "hydra.sweeper.n_trials=1"))
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE"]
