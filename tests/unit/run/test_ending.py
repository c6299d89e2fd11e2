"""What a run and a sweep say when they are over."""

import json
import shlex

import pytest
import yaml

from tests.helpers.command import run, smoke
from textgan_lit.run import ending, folder

SIZES = ("data=tiny", "data.train=64", "data.valid=64", "data.test=64", "model.optim.pretrain.batch_size=32")


def job(sweep, number, objective, *overrides):
    place = sweep / str(number)
    (place / ".hydra").mkdir(parents=True)
    (place / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    folder.note(place, {"finished": objective is not None, "objective": objective})


def test_the_best_of_a_sweep_is_repeated_with_other_seeds(tmp_path):
    for number, (reward, seed, reached) in enumerate(
        [("minimax", 1, 0.2), ("minimax", 2, 0.5), ("ratio", 1, 0.3), ("ratio", 2, 0.3), ("log_odds", 1, None)]
    ):
        job(
            tmp_path,
            number,
            reached,
            "data=tiny",
            "logger=csv",
            f"model/reward={reward}",
            f"seed={seed}",
            "resume=true",
        )
    lines = ending.of_sweep(tmp_path, ["python", "train.py"])
    assert lines == [
        f"sweep        {ending.near(tmp_path)}",
        f"compare      textgan compare {shlex.quote(ending.near(tmp_path))}",
        "best         model/reward=ratio (0.3000, mean of 2 seeds)",  # the mean of seeds, not the luckiest of them
        "best again   python train.py -m data=tiny logger=csv model/reward=ratio seed=3,4,5",
    ]
    assert ending.of_sweep(tmp_path, ["python", "train.py"], ranked=False) == lines[:2]


def test_a_sweep_of_seeds_alone_has_no_best(tmp_path):
    job(tmp_path, 0, 0.2, "model.schedule.k=2", "seed=7")
    assert ending.of_sweep(tmp_path, ["textgan-train"])[2:] == [
        "more seeds   textgan-train -m model.schedule.k=2 seed=8,9,10"
    ]


def test_a_sweep_of_which_nothing_is_known_has_a_folder_all_the_same(tmp_path):
    job(tmp_path, 0, None, "seed=1")
    (tmp_path / "1").mkdir()
    folder.note(tmp_path / "1", {"objective": 0.1})  # whose overrides nobody has kept
    job(tmp_path, 2, 0.1)
    assert ending.of_sweep(tmp_path, ["textgan-train"])[2:] == ["more seeds   textgan-train -m seed=2,3,4"]


@pytest.mark.slow
def test_a_run_says_where_it_is_and_keeps_what_it_said(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", *SIZES, "model=mle")
    shown, place = capsys.readouterr().out, ending.near(tmp_path / "run")
    lines = shown.splitlines()
    assert lines[-4:] == [
        f"files        {', '.join(ending.FILES)}",
        f"report       textgan report {place}",
        f"sentences    textgan generate {place} -n 1000",
        f'in Python    textgan_lit.load("{place}")',
    ]
    log = (tmp_path / "run" / "train.log").read_text()
    assert log.splitlines() == [line.rstrip() for line in lines]
    assert "\x1b" not in log


@pytest.mark.slow
def test_a_job_of_a_sweep_says_a_line(monkeypatch, tmp_path, capsys):
    sweep = ("-m", "debug=smoke", "logger=csv", *SIZES, "model=mle", f"hydra.sweep.dir={tmp_path}")
    with pytest.raises(SystemExit, match="batch_size=0"):
        run(monkeypatch, *sweep, "model.optim.pretrain.batch_size=32,0", "seed=1")
    said = [line for line in capsys.readouterr().out.splitlines() if "HYDRA" not in line]
    reached = json.loads((tmp_path / "0" / "run.json").read_text())["objective"]
    assert len(said) == 2
    assert said[0].startswith(f"{ending.near(tmp_path / '0')}: true JSD {reached:.4f} ± ")
    assert said[1].startswith(f"{ending.near(tmp_path / '1')}: failed: ")
    assert "batch_size=0" in (tmp_path / "1" / "train.log").read_text()
    assert "On the test sentences" in (tmp_path / "0" / "train.log").read_text()


@pytest.mark.slow
def test_the_end_of_a_sweep_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    run(monkeypatch, "-m", "debug=smoke", "logger=csv", *SIZES, "model=mle", f"hydra.sweep.dir={tmp_path}", "seed=4,5")
    last = capsys.readouterr().out.splitlines()[-3:]
    assert last[0] == f"sweep        {ending.near(tmp_path)}"
    again = shlex.split(last[2].removeprefix("more seeds"))
    assert again[:3] == ["python", "train.py", "-m"]
    assert again[-1] == "seed=6,7,8"
    assert set(SIZES) <= set(again)
