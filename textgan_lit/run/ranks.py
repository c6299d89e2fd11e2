"""Several processes from one Hydra job: each child plays exactly the job that started it, and none outlives another.

Lightning's own launcher repeats the command line, which under ``--multirun`` starts the whole sweep again in
every child. Here a child is given the job's composed configuration and its output folder. Its own watch kills the main
process as soon as a child has ended with any code but 0, though that may only be ahead of the others on its way out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from textgan_lit.run.folder import COMPOSED, quoted

RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
# With -m it would look for modules in the working directory first, which may be somebody's run.
CHILD = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); from textgan_lit.cli import main; main()"
GRACE = 15.0  # seconds in which the others may end by themselves when one has


class RankLauncher(_SubprocessScriptLauncher):
    """Starts ranks 1 … n-1 of this node, and ends all of this node's processes when one of them fails."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.watch = Watch(self.procs)

    def launch(self, function: Callable, *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        if self.watch.ident is None:  # else they go on from the fit to the test
            self._call_children_scripts()
            self.watch.start()
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        cluster = self.cluster_environment
        os.environ.update(
            MASTER_ADDR=cluster.main_address,
            MASTER_PORT=str(cluster.main_port),
            NODE_RANK=str(cluster.node_rank()),
            LOCAL_RANK=str(cluster.local_rank()),
            WORLD_SIZE=str(self.num_processes * self.num_nodes),
        )
        for local_rank in range(1, self.num_processes):
            mine = {"LOCAL_RANK": str(local_rank), "HYDRA_FULL_ERROR": "0"}
            # In a session of its own, so that Ctrl+C reaches the main process alone, which tells the others.
            self.procs.append(
                subprocess.Popen(
                    child_command(), env={**os.environ, **mine}, cwd=get_original_cwd(), start_new_session=True
                )
            )


class Watch(threading.Thread):
    """Looks after the children of the main process, which may itself hang, waiting for one that is gone."""

    def __init__(self, children: list[subprocess.Popen]):
        super().__init__(daemon=True, name="watch")
        self.children, self.over = children, threading.Event()

    def run(self) -> None:
        while not any(child.poll() for child in self.children):
            if self.over.wait(0.5):
                return
        if not self.over.wait(GRACE):
            code = next(child.returncode for child in self.children if child.returncode)
            print(f"textgan_lit: one of the processes ended with code {code}, so all were ended.", file=sys.stderr)
            end(self.children, 0)
            os._exit(1)  # whatever the main process is waiting for


def end(children: list[subprocess.Popen], seconds: float) -> None:
    """Waits so long for processes to end by themselves, and kills those that have not."""
    latest = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(0.0, latest - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def child_command() -> list[str]:
    """This job, to be played by another process: same composed configuration, same output folder."""
    hydra = HydraConfig.get()
    folder = hydra.runtime.output_dir
    return [
        *(sys.executable, "-c", CHILD, "\n".join(sys.path)),
        *("--config-path", os.path.join(folder, COMPOSED), "--config-name", "config"),
        *(f"hydra.run.dir={quoted(folder)}", "hydra.output_subdir=null", "hydra/job_logging=disabled"),
    ]


class JobDDP(DDPStrategy):
    """DDP for a game: a step leaves the other player's parameters unused. Who waits for another process waits at most
    ``timeout`` minutes."""

    def __init__(self, timeout: float = 10.0, **kwargs: Any):
        super().__init__(find_unused_parameters=True, timeout=timedelta(minutes=timeout), **kwargs)

    def _configure_launcher(self) -> None:
        if self.cluster_environment.creates_processes_externally:
            return
        self._launcher = RankLauncher(self.cluster_environment, self.num_processes, self.num_nodes)


def started_outside(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many processes torchrun or srun has started; None where neither has."""
    if "TORCHELASTIC_RUN_ID" in environment:
        return int(environment["WORLD_SIZE"])
    return int(environment["SLURM_NTASKS"]) if SLURMEnvironment.detect() else None


def surroundings() -> list[Any]:
    """Plugins for what the run is started by: on SLURM it is our own callback that puts a job back into the queue."""
    slurm = "TORCHELASTIC_RUN_ID" not in os.environ and SLURMEnvironment.detect()
    return [SLURMEnvironment(auto_requeue=False)] if slurm else []


def dismiss(strategy: Any, failed: bool) -> None:
    """Ends a job's processes, so that the next job of a multirun can have its own."""
    if not isinstance(strategy, JobDDP):
        return
    if dist.is_initialized():
        dist.destroy_process_group()
    launcher = strategy.launcher
    if launcher is None:
        return
    end(launcher.procs, GRACE / 3 if failed else 60.0)
    launcher.watch.over.set()
    for name in RENDEZVOUS:
        os.environ.pop(name, None)
