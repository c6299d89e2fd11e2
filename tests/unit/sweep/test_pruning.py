"""What a trial tells its sweep, and where a run is no trial."""

import pytest
import pytorch_lightning as pl
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from textgan_lit.sweep import pruning


@pytest.mark.parametrize("mode", [None, RunMode.RUN, RunMode.MULTIRUN])  # the last by another sweeper
def test_the_file_of_a_run_that_no_sweep_plays_is_nobodys(mode, monkeypatch, tmp_path):
    """Whoever sent the folder could name a class in it, and a database."""
    evil = {"pruner": {"_target_": "os.mkdir", "path": str(tmp_path / "harm")}}
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(evil | {"storage": "sqlite:///x", "study": "x", "number": 0}))
    played = pruning.Pruning(str(tmp_path))
    monkeypatch.setattr(
        HydraConfig.instance(),
        "cfg",
        mode
        and OmegaConf.create(
            {
                "hydra": {
                    "mode": mode,
                    "sweeper": {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"},
                }
            }
        ),
    )
    played.setup(pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False), pl.LightningModule(), "fit")
    assert played.trial is None
    assert not (tmp_path / "harm").exists()
