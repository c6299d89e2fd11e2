"""Every test runs offline, on one thread, from one seed, and with its shapes checked."""

import os
import random
import shutil
import sys
import tempfile

import jaxtyping
import numpy as np
import pytest
import torch

# The hook only reaches modules that are imported after it.
assert "textgan_lit" not in sys.modules, "textgan_lit was imported before its shapes could be checked"
jaxtyping.install_import_hook("textgan_lit", "beartype.beartype")

torch.set_num_threads(1)  # on a busy two-core machine, tiny models run far faster

AMBIENT = ("WANDB_", "HYDRA_", "PL_", "SLURM_", "TORCHELASTIC_")  # may make a test something else
PROCESS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def pytest_configure(config):
    home = tempfile.mkdtemp(prefix="textgan_lit-tests-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in list(os.environ):
        if name.startswith(AMBIENT) or name in PROCESS:
            del os.environ[name]
    os.environ.update(  # for this process and for those that tests start
        WANDB_MODE="offline",
        WANDB_SILENT="true",
        WANDB_ERROR_REPORTING="false",
        WANDB_DIR=home,
        WANDB_DATA_DIR=home,
        WANDB_CACHE_DIR=home,
        WANDB_CONFIG_DIR=home,
        MPLBACKEND="agg",
        MPLCONFIGDIR=home,
        OMP_NUM_THREADS="1",
    )
    sys.addaudithook(_stay_on_this_machine)


def _stay_on_this_machine(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if host not in ("localhost", "::1") and not host.startswith("127."):
            raise RuntimeError(f"a test tried to reach {host}: tests need no network")


@pytest.fixture(autouse=True)
def seed():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def unchecked_shapes():
    """For games of many steps: checking every shape makes a tiny step three times as long."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
