"""What a run is called: from overrides that Hydra has written, and from folders that hold none or bad ones."""

import json

import pytest

from textgan_lit.run.naming import called

CHOICES = {"model": "minimax", "data": "mixture", "model/reward": "log_odds", "debug": "smoke", "experiment": None}


def started(folder, *overrides, choices=CHOICES, number=None):
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    job = {} if number is None else {"num": number}
    hydra = {"hydra": {"runtime": {"choices": choices}, "job": job}}
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps(hydra))
    return called("minimax-mixture", folder)


@pytest.mark.parametrize(
    ("overrides", "name", "kind", "tags"),
    [
        ([], "minimax-mixture", "minimax-mixture", ()),
        (["model=minimax", "data=mixture", "name=mine", "resume=true", "logger.wandb.mode=online"], *("",) * 2, ()),
        (["model/reward=log_odds", "seed=2"], " reward=log_odds seed=2", " reward=log_odds", ("reward=log_odds",)),
        (["debug=smoke", "model.schedule.k=5"], " debug=smoke k=5", " debug=smoke k=5", ("debug=smoke",)),
        (["+a.lr=1", "b.lr=2", "~c.penalty"], " a.lr=1 b.lr=2 penalty", " a.lr=1 b.lr=2 penalty", ()),
        (["model/optimizer@model.optim.generator=sgd"], " generator=sgd", " generator=sgd", ()),
    ],
)
def test_overrides_that_tell_runs_apart_complete_the_name(overrides, name, kind, tags, tmp_path):
    found, base = started(tmp_path / "run", *overrides), "minimax-mixture"
    assert found.name == base + name.removeprefix(base)
    assert found.kind == base + kind.removeprefix(base)
    assert found.tags == ("minimax", "mixture", *tags)
    assert found.group is None


def test_jobs_of_a_sweep_have_one_group_and_seeds_one_kind(tmp_path):
    sweep = tmp_path / "multirun" / "2026-11-22" / "14-02-11"
    sweep.mkdir(parents=True)
    (sweep / "multirun.yaml").touch()
    found = [started(sweep / str(seed), "model.schedule.k=5", f"seed={seed}", number=seed) for seed in range(3)]
    assert {one.group for one in found} == {"2026-11-22/14-02-11"}
    assert {one.kind for one in found} == {"minimax-mixture k=5"}
    assert len({one.name for one in found}) == 3


def test_what_is_too_long_is_cut_and_still_another_name(tmp_path):
    found = [started(tmp_path / str(job), f"data.path={'x' * 200}", number=job) for job in range(2)]
    assert [len(one.name) for one in found] == [128, 128]
    assert found[0].name.endswith("x… #0")
    assert found[1].name.endswith("x… #1")
    long = started(tmp_path / "tag", "model/reward=" + "y" * 100)
    assert max(map(len, long.tags)) == 64


@pytest.mark.parametrize("text", ["", "{", "- 1\n- {a: b}", "hydra: {runtime: [1], job: 2}", "\x00"])
def test_a_folder_without_overrides_or_with_bad_ones_leaves_the_name_alone(text, tmp_path):
    assert called("mine", tmp_path).name == "mine"
    (tmp_path / ".hydra").mkdir()
    for file in ("overrides.yaml", "hydra.yaml"):
        (tmp_path / ".hydra" / file).write_text(text)
    assert called("mine", tmp_path) == ("mine", "mine", None, ())
