"""Several processes from one Hydra job: each child plays exactly the job that started it.

Lightning's own launcher repeats the command line, which under ``--multirun`` starts the whole sweep again in
every child. Here a child is given the job's composed configuration and its output folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


class JobLauncher(_SubprocessScriptLauncher):
    """Starts ranks 1 … n-1 of this node and waits for them when the work is done."""

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        self.procs = []
        cluster = self.cluster_environment
        os.environ.update(
            MASTER_ADDR=cluster.main_address,
            MASTER_PORT=str(cluster.main_port),
            NODE_RANK=str(cluster.node_rank()),
            LOCAL_RANK=str(cluster.local_rank()),
            WORLD_SIZE=str(self.num_processes * self.num_nodes),
        )
        for local_rank in range(1, self.num_processes):
            environment = {**os.environ, "LOCAL_RANK": str(local_rank), "HYDRA_FULL_ERROR": "0"}
            self.procs.append(subprocess.Popen(child_command(), env=environment, cwd=get_original_cwd()))


def child_command() -> list[str]:
    """This job, to be played by another process: same composed configuration, same output folder."""
    hydra = HydraConfig.get()
    folder = hydra.runtime.output_dir
    return [
        *(sys.executable, "-m", "textgan_lit.cli"),
        *("--config-path", os.path.join(folder, hydra.output_subdir), "--config-name", "config"),
        *(f"hydra.run.dir='{folder}'", "hydra.output_subdir=null", "hydra/job_logging=disabled"),
    ]


class JobDDP(DDPStrategy):
    """DDP for a game: a turn leaves the other player's parameters unused."""

    def __init__(self, **kwargs: Any):
        super().__init__(find_unused_parameters=True, **kwargs)

    def _configure_launcher(self) -> None:
        if self.cluster_environment.creates_processes_externally:
            return
        self._launcher = JobLauncher(self.cluster_environment, self.num_processes, self.num_nodes)


def dismiss(strategy: Any) -> None:
    """Ends a job's processes, so that the next job of a multirun can have its own."""
    if not isinstance(strategy, JobDDP):
        return
    if dist.is_initialized():
        dist.destroy_process_group()
    launcher = strategy.launcher
    for process in getattr(launcher, "procs", []):
        process.wait(60)
    if launcher is not None:
        for name in RENDEZVOUS:
            os.environ.pop(name, None)
