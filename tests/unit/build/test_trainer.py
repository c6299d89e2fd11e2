"""What may be set of Lightning's Trainer, and what is answered to everything else."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from tests.helpers.command import smoke
from textgan_lit.build import experiment
from textgan_lit.build.foreign_keys import INSTEAD
from textgan_lit.build.trainer import FIXED, Settings, make
from textgan_lit.errors import UserError

LIGHTNINGS = {name for name in inspect.signature(pl.Trainer.__init__).parameters if name != "self"}
OURS = {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", sorted(LIGHTNINGS - OURS))
def test_what_lightning_takes_and_a_run_does_not_is_refused_with_the_key_that_does_its_work(name):
    with pytest.raises(UserError, match=rf"^trainer\.{name}: there is no such key\. \S") as refused:
        experiment.trainer({"trainer": {name: 1}}, (), Path())
    assert "\n" not in str(refused.value)


def test_the_table_names_nothing_that_may_be_set():
    named = {key.removeprefix("trainer.") for key in INSTEAD if key.startswith("trainer.")}
    assert not named & OURS
    assert OURS - {"timeout"} <= LIGHTNINGS
    assert FIXED.keys() <= named


@pytest.mark.parametrize("override", [{"profiler": "xla"}, {"accelerator": "tpu"}, {"accelerator": "abacus"}])
def test_what_this_machine_has_not_is_one_line(override):
    with pytest.raises(UserError, match=r"wanted 'simple', 'advanced' or 'pytorch'|Look at the trainer group"):
        experiment.trainer({"trainer": override}, (), Path())


def test_a_checkpoint_callback_of_lightnings_is_no_key_more():
    made = make(Settings(), [ModelCheckpoint()], [])
    assert len(made.checkpoint_callbacks) == 1
    assert not make(Settings(), [], []).checkpoint_callbacks


def test_a_profile_is_printed(monkeypatch, tmp_path, capsys):
    smoke(monkeypatch, tmp_path / "run", "data=tiny", "trainer.profiler=simple", "trainer.max_steps=2")
    assert "run_training_batch" in capsys.readouterr().out
