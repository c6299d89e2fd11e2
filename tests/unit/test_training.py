"""A run that is played from Python, by a process of its own."""

import logging
import os
import signal
import subprocess
import sys

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import textgan_lit
from textgan_lit.errors import UserError
from textgan_lit.run import process
from textgan_lit.run.folder import record

SMALL = ("model=mle", "data=tiny", "debug=smoke", "logger=csv")
FOREVER = (
    "model.schedule.pretrain_steps=1000000000",
    "model.schedule.patience=1000000000",
    "callbacks.evaluation.every.pretrain=50",
)
# Whoever starts the tests in the background may have SIGINT ignored, and so may their children.
NOTEBOOK = """
import signal, sys, textgan_lit
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    textgan_lit.train(*sys.argv[1:])
except KeyboardInterrupt:
    print("interrupted")
"""


def here() -> list:
    """What a run played in this process would change."""
    signals = [signal.getsignal(number) for number in process.STOP]
    levels = [logging.getLogger(name).level for name in ("", "pytorch_lightning", "lightning_fabric")]
    state = torch.get_rng_state().tolist(), torch.get_num_threads(), GlobalHydra.instance().is_initialized()
    return [signals, levels, logging.raiseExceptions, state, dict(os.environ), os.getcwd(), list(sys.argv)]


@pytest.mark.parametrize("override", ["-m", "--multirun", "hydra.mode=MULTIRUN"])
def test_a_sweep_is_no_run(override):
    with pytest.raises(UserError, match=r"train plays one run and opens it, and a sweep is many"):
        textgan_lit.train(*SMALL, override)


def test_overrides_are_texts(unchecked_shapes):
    with pytest.raises(UserError, match=r"^train\(\['seed=2'\]\): wanted the overrides of a command line, each a text"):
        textgan_lit.train(["seed=2"])


@pytest.mark.slow
def test_a_run_is_played_shown_and_opened_and_this_process_stays_as_it_was(tmp_path, monkeypatch, capsys):
    """Twice, the second time with a part of one's own, which is found where this process finds it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "my_lab.py").write_text(
        "from textgan_lit import Policy\n"
        "class Plain(Policy):\n    leaves_out = False\n    def __call__(self, logits): return logits\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "lab")
    mine, before = ("model.policy._target_=my_lab.Plain", "~model.policy.temperature"), here()
    folders = set()
    for more, policy in (((), "Categorical"), (mine, "Plain")):
        run = textgan_lit.train(*SMALL, *more)
        assert record(run.folder)["finished"]
        assert f'textgan_lit.load("{run.folder.relative_to(tmp_path)}")' in capsys.readouterr().out
        assert (type(run.policy).__name__, len(run.sample(3))) == (policy, 3)
        assert [row["steps/all"] for row in run.metrics("truth/jsd")] == [4]
        folders.add(run.folder)
    assert here() == before
    assert len(folders) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "kind", "said"),
    [
        ("model=nope", UserError, r"^model=nope: there is no such option\. Nearest: "),
        ("--info=config", UserError, r"^These overrides play no run, so there is none to open"),
        ("+callbacks.broken._target_=my_lab.Broken", RuntimeError, r"^The run ended with code 1\. What it said stands"),
    ],
)
def test_what_plays_no_run_is_said(override, kind, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_lab.py").write_text("class Broken:\n    def __init__(self): raise ZeroDivisionError('mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=said):
        textgan_lit.train(*SMALL, override)
    assert ("ZeroDivisionError: mine\n" in capsys.readouterr().out) == (kind is RuntimeError)


@pytest.mark.slow
def test_an_interruption_reaches_the_run_which_saves_its_state(tmp_path):
    command = [sys.executable, "-u", "-c", NOTEBOOK, *SMALL, *FOREVER, f"hydra.run.dir={tmp_path / 'run'}"]
    notebook = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    for line in notebook.stdout:
        if "pretrain │" in line:  # an evaluation
            break
    notebook.send_signal(signal.SIGINT)
    told, _ = notebook.communicate(timeout=60)
    assert told.endswith("interrupted\n")
    assert f"resume={tmp_path / 'run'}" in told
    assert list((tmp_path / "run" / "checkpoints").glob("step-*.ckpt"))
    assert not record(tmp_path / "run")["finished"]
