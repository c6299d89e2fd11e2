"""Every set of benchmarks is in the table, and plays: tiny, with all that it checks, and without a look at the time."""

import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

import benchmarks
from benchmarks import growth, likelihood, lm, measure, watching
from benchmarks.__main__ import SETS, _plain, table
from benchmarks.row import Row
from tests.helpers import tiny_lm
from tests.helpers.command import run
from textgan_lit import play
from textgan_lit.callbacks.truth import TruthPanel
from textgan_lit.cli import CONF
from textgan_lit.logger import CSV, WandB
from textgan_lit.types import UPDATES

SMALL_WORLD = ("data.oracle.vocab_size=12", "data.oracle.length=6", "data.train=512", "data.valid=64", "data.test=64")
BATCHES = tuple(f"model.optim.{update}.batch_size=8" for update in UPDATES)
SMALL_DATA = ("data=tiny", "data.train=64", "data.valid=32", "data.test=32")
NO_GAME = ("model.schedule.discriminator_pretrain_steps=0", "model.schedule.adversarial_steps=0")
SMALL_RUN = ("debug=smoke", "metrics=none", "model/schedule=fixed", *SMALL_DATA, *BATCHES)
CAPTIONS = ("data=text", "data.tokenizer=char", "data.valid=64", "data.test=64", "data.max_length=20", "metrics=none")
CAPTIONS += (
    "data.format=txt",
    "model.generator.width=8",
    "model.generator.layers=1",
    "model.schedule.pretrain_tokens=2000",
    *NO_GAME,
)
TINY = {  # set → what stands in its module, small
    "sampling": {"SENTENCES": 64, "VOCABULARY": 30, "LENGTH": 5, "HIDDEN": 4},
    "step": {"BATCH": 4, "ROLLOUTS": 2, "VOCABULARY": 12, "SHORT": 5, "LIBRARY": {5: 1, 7: 1}, "LEAST": {5: (1, 1)}},
    "likelihood": {"SENTENCES": 64, "BATCH": 16, "LENGTH": 5, "VOCABULARY": 30, "MANY": 50, "BATCHES": (8,)},
    "captions": {"FILE": str(CONF.parent / "CHANGELOG.md"), "OVERRIDES": CAPTIONS},
    "cache": {"VOCABULARY": 30, "WIDTH": 8, "BATCH": 4, "LENGTHS": (3, 6), "USUAL": 6},
    "rounds": {"VOCABULARY": 30, "LENGTH": 5, "BATCH": 4, "ROUNDS": (1, 2)},
    "lm": {"SENTENCES": 4, "TOKENS": 6, "LONG": 8, "RANK": 2, "TIMES": 1, "BEGINNING": "<s>ab"}
    | {"LINES": ["abcd", "dcba"] * 32, "SHORT": (*lm.SHORT, "check_size=8", "debug=smoke")},
    "ngram": {"SENTENCES": 40, "VOCABULARY": 12, "ASKED": 2},
    "truth": {"SENTENCES": 64},
    "loop": {"GAMES": (("tiny", ("model.schedule.k=1",), 4, 1, 1.15),)},
    "watching": {"PLAYED": {"tiny": SMALL_RUN}},
    "sweeping": {"MANY": 2, "OVERRIDES": ("-m", "sweep=optuna", *SMALL_RUN, "logger=csv", "model.schedule.k=1,2")},
    "long_run": {"SHORT": 2, "LONG": 4},
}


@pytest.fixture
def tiny(monkeypatch):
    """Worlds, batches and products small; what a set would start as a process runs in this one."""
    monkeypatch.setattr(measure, "ALWAYS", (*measure.ALWAYS, *SMALL_WORLD, *BATCHES))
    monkeypatch.setattr(measure, "PROJECTION", (8, 4, 8))
    ends = []  # of a process, which this one does not reach
    monkeypatch.setattr(watching, "atexit", SimpleNamespace(register=ends.append))
    monkeypatch.setattr(measure, "played", lambda *overrides: (run(monkeypatch, *overrides), [end() for end in ends]))
    monkeypatch.setattr(likelihood, "grown", lambda *asked: 1 + likelihood._grow(*asked))  # a tiny one grows by nothing
    monkeypatch.setenv("WANDB_DATA_DIR", os.environ["WANDB_DATA_DIR"])  # put back afterwards
    for owner, name in ((WandB, "_begin"), (WandB, "finalize"), (play, "finish"), (TruthPanel, "_show")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # as are those that a clock takes the place of
    for logger in (CSV, WandB):
        monkeypatch.setattr(logger, "log_metrics", logger.log_metrics)
    return monkeypatch


LONG = {"sweeping", "step", "watching", "lm"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in SETS]
)
def test_every_set_plays_and_what_it_checks_holds(name, tiny, tmp_path, unchecked_shapes):
    if name == "lm":
        pytest.importorskip("transformers", reason="pretrained models need the extra lm")
        pytest.importorskip("peft", reason="adapters need the extra lm")
        tiny.setattr(lm, "FOLDER", str(tiny_lm.save(tmp_path / "lm")))
        tiny.setattr(lm, "played", lambda *overrides: run(tiny, *overrides) or 1.0)
    for constant, value in TINY[name].items():
        assert hasattr(SETS[name], constant)
        tiny.setattr(SETS[name], constant, value)
    rows = list(SETS[name].rows())
    assert len({row.name for row in rows}) == len(rows) > 0
    assert all(math.isfinite(row.ours) for row in rows)


def test_what_has_no_rows_without_a_model_or_trl_is_said(monkeypatch, capsys):
    monkeypatch.setattr(lm, "FOLDER", None)
    assert list(lm.rows()) == []
    assert "SMOLLM2 names no folder" in capsys.readouterr().out
    monkeypatch.setattr(lm, "FOLDER", "lm")
    monkeypatch.setattr(lm.hugging_face, "need", lambda: None)
    monkeypatch.setattr(lm, "find_spec", lambda name: None)
    for part in ("sampling", "unequal", "game", "truth"):
        monkeypatch.setattr(lm, part, lambda *given: [])
    list(lm.rows())
    assert "pip install trl" in capsys.readouterr().out


@pytest.mark.slow
def test_the_picture_of_growth_draws(tiny, tmp_path):
    tiny.setattr(growth, "PICTURE", tmp_path / "growth.png")
    tiny.setattr(growth, "USUAL", {"L": 4, "V": 12, "N": 1, "B": 4})
    values = {"L": (4, 6), "V": (12, 14), "N": (1, 2), "B": (4, 8)}
    tiny.setattr(growth, "AXES", {axis: (values[axis], grows) for axis, (_, grows) in growth.AXES.items()})
    growth.main()
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_memory_is_that_of_a_fresh_process():
    assert 0 < likelihood.grown(8, "chunked") < 1


def test_no_set_is_forgotten():
    rooms = {path.stem for path in Path(benchmarks.__file__).parent.glob("*.py")}
    assert set(SETS) == rooms - {"__init__", "__main__", "row", "measure", "growth"}


def test_what_was_not_measured_is_left_empty():
    row = Row("work", 1.0, float("nan"), 0.5, 2.0, "≥ 1", True)
    assert _plain(row._asdict())["reference"] is None
    assert list(table([row]).columns[2].cells) == [""]
    assert list(table([row]).columns[1].cells) == ["1 s"]
    assert list(table([row]).columns[6].cells) == ["yes"]


def test_what_watching_costs_is_told_apart_for_every_default_callback():
    hooked = (part for part in OmegaConf.load(CONF / "callbacks" / "default.yaml").values())
    names = {get_class(part["_target_"]).__name__ for part in hooked}
    told = [part for kind in watching.KINDS.values() for part in kind]
    assert names - {"Closing", "AcrossFiles"} <= set(told)  # which have nothing to do before the last step
    assert len(told) == len(set(told))


def test_the_shares_of_a_run_are_of_its_own_seconds_and_only_logging_has_a_limit():
    parts = {"SampleTable": 0.3, "rows": 0.3, "TruthPanel": 1.5, "Checkpoints": 0.1}
    once = {"beginning": 0.2, "closing": 0.4, "end": 0.0, "service": 0.5}
    rows = {row.name: row for row in watching.shares("x", {"fit": 10.0, "parts": parts, **once})}
    kinds = [rows[f"{kind}, over a run: x"] for kind in watching.KINDS]
    assert [row.ratio for row in kinds] == pytest.approx([0.06, 0.15, 0.01])
    assert [row.met for row in kinds] == [False, None, None]
    assert rows["… SampleTable"].ratio == pytest.approx(0.03)
    assert rows["… once, the closing table"].ratio == pytest.approx(0.04)
