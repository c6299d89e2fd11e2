"""Two processes play the game that one plays."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import textgan_lit
from tests.command import evaluations, rows, smoke

CHECKOUT = Path(__file__).parents[1]
GAME = (
    "model.discriminator.dropout=0",
    "model/credit=monte_carlo",
    "model.credit.rollouts=2",
    "data=tiny",
    "data.train=512",
)
GAME += ("model/program=fixed", "data.oracle.variable=true", "data.valid=64", "data.test=64", "reading_size=32")
GAME += tuple(f"model.moves.{move}.batch=32" for move in ("likelihood", "discriminator", "generator"))
TIMES = ("system/seconds", "system/cpu_seconds")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A run on two processes, started from the command line as a person would."""
    folder = tmp_path_factory.mktemp("two") / "run"
    words = ["debug=smoke", "logger=csv", f"hydra.run.dir={folder}", "trainer=ddp_cpu", *GAME]
    done = subprocess.run(
        [sys.executable, "train.py", *words], cwd=CHECKOUT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_two_processes_give_the_numbers_of_one(together, monkeypatch, tmp_path):
    alone = smoke(monkeypatch, tmp_path / "run", *GAME)
    shared = rows(together[0])
    assert [row.keys() for row in shared] == [row.keys() for row in alone]  # the same moves at the same turns
    for one, two in zip(alone, shared, strict=True):
        for key in one.keys() - set(TIMES):
            assert two[key] == pytest.approx(one[key], rel=2e-4, abs=2e-5), (key, one["turns/all"])
    curves = [[row["curve/prefix_jsd"] for row in evaluations(folder)] for folder in (tmp_path / "run", together[0])]
    torch.testing.assert_close(*map(torch.tensor, curves), rtol=1e-3, atol=1e-4)


def test_two_processes_leave_one_folder_and_one_voice(together):
    folder, shown = together
    assert shown.count("On the test sentences") == 1
    assert {path.name for path in folder.iterdir()} >= {".hydra", "checkpoints", "metrics.csv", "evaluations.jsonl"}
    assert len(textgan_lit.load(folder).sample(3)) == 3
