"""Several processes play the game that one plays, and end together, whatever happens to one of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import textgan_lit
from tests.helpers import wandb_file
from tests.helpers.command import evaluations, rows, run, smoke
from tests.helpers.lives import left, same
from tests.helpers.sharing import share
from textgan_lit.run.checkpoint import newest

CHECKOUT = Path(__file__).parents[2]
GAME = (
    *("debug=smoke", "data=tiny", "data.train=512", "data.oracle.variable=true", "data.valid=64", "data.test=64"),
    *("model.discriminator.dropout=0", "model/credit=monte_carlo", "model.credit.rollouts=2", "model/schedule=fixed"),
    *(f"model.optim.{update}.batch_size=32" for update in ("pretrain", "discriminator", "generator")),
    *("check_size=32", "callbacks.steps.every=10", "+callbacks.death._target_=tests.helpers.dying.Death"),
)
TIMES = ("system/seconds", "system/cpu_seconds")
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node=1", "--nnodes=2", "--master-addr=127.0.0.1")


def start(*command: str, **environment: object) -> subprocess.Popen:
    """A command in the checkout, in a session of its own: what Ctrl+C reaches there is not this process."""
    more = {name: str(value) for name, value in environment.items()}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(*processes: subprocess.Popen) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each."""
    try:
        said = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()  # nothing, where it has ended
    return [(process.returncode, *overrides) for process, overrides in zip(processes, said, strict=True)]


def alive(folder: Path) -> list[str]:
    """The processes that play in a folder, after a moment in which the last of them may go."""
    for _ in range(40):
        shown = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        found = [line for line in shown.splitlines() if str(folder) in line]
        if not found:
            break
        time.sleep(0.25)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def close(alone: list[dict[str, float]], shared: list[dict[str, float]]) -> None:
    """The same updates at the same steps, with the same numbers to float tolerance."""
    assert [row.keys() for row in shared] == [row.keys() for row in alone]
    for one, many in zip(alone, shared, strict=True):
        for key in one.keys() - set(TIMES):
            assert many[key] == pytest.approx(one[key], rel=2e-4, abs=2e-5, nan_ok=True), (key, one["steps/all"])


# --- the same numbers -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A run on two processes, started from the command line as a person would."""
    folder = tmp_path_factory.mktemp("two") / "run"
    ((code, shown, errors),) = ended(start("train.py", *GAME, f"hydra.run.dir={folder}", "trainer=ddp_cpu"))
    assert code == 0, errors
    return folder, shown


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(together, monkeypatch, tmp_path):
    close(smoke(monkeypatch, tmp_path / "run", *GAME), rows(together[0]))
    curves = [[row["curve/prefix_jsd"] for row in evaluations(folder)] for folder in (tmp_path / "run", together[0])]
    torch.testing.assert_close(*map(torch.tensor, curves), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_two_processes_leave_one_folder_and_one_voice(together):
    folder, shown = together
    assert shown.count("On the test sentences") == 1
    assert {path.name for path in folder.iterdir()} >= {".hydra", "checkpoints", "metrics.csv", "evaluations.jsonl"}
    assert len(textgan_lit.load(folder, trust="tests").sample(3)) == 3
    (path,) = wandb_file.files(folder)
    told = [row["steps/all"] for row in wandb_file.history(wandb_file.ended(path)) if "steps/all" in row]
    assert told == [row["steps/all"] for row in rows(folder)]


@pytest.mark.slow
def test_two_processes_share_one_prepared_text(monkeypatch, tmp_path):
    (tmp_path / "my.txt").write_text("\n".join(f"{a} {b} {c}" for a in "abcdef" for b in "ghijkl" for c in "mnop"))
    overrides = ("debug=smoke", "logger=csv", "model=mle", "data=text", f"data.path={tmp_path}/my.txt", "data.bucket=2")
    overrides += ("data.valid=32", "data.test=32", "check_size=32", "model.optim.pretrain.batch_size=32")
    run(monkeypatch, *overrides, f"data.cache={tmp_path}/one", f"hydra.run.dir={tmp_path}/alone")
    two = (f"data.cache={tmp_path}/two", f"hydra.run.dir={tmp_path}/shared", "trainer=ddp_cpu")
    ((code, shown, errors),) = ended(start("train.py", *overrides, *two))
    assert code == 0, errors
    assert shown.count("80 train, 32 valid, 32 test sentences") == 1
    assert len(list((tmp_path / "two").glob("*/facts.json"))) == 1
    close(rows(tmp_path / "alone"), rows(tmp_path / "shared"))


@pytest.mark.slow
def test_two_processes_choose_between_two_generators_as_one_does(monkeypatch, tmp_path):
    (tmp_path / "my.txt").write_text("\n".join(f"{a} {b} {c}" for a in "abcdef" for b in "ghijkl" for c in "mnop"))
    overrides = ("debug=smoke", "logger=csv", "data=text", "data.tokenizer=whitespace", "metrics=none", "data.test=32")
    overrides += ("model=reinforce", "model/schedule=fixed", "model.discriminator.dropout=0")
    overrides += ("+metrics.closing.fresh_critic._target_=textgan_lit.metrics.fresh_critic.FreshCritic",)
    overrides += (f"data.path={tmp_path}/my.txt", f"data.cache={tmp_path}/cache", "data.train=null", "data.valid=32")
    overrides += tuple(f"model.optim.{update}.batch_size=32" for update in ("pretrain", "discriminator", "generator"))
    run(monkeypatch, *overrides, f"hydra.run.dir={tmp_path}/alone")
    two = (f"hydra.run.dir={tmp_path}/shared", "trainer=ddp_cpu")
    ((code, _, errors),) = ended(start("train.py", *overrides, *two))
    assert code == 0, errors
    states = (newest(tmp_path / name / "checkpoints", print).state for name in ("alone", "shared"))
    alone, shared = (state["textgan_lit"]["choice"] for state in states)
    assert alone["sentences"] == 32
    assert alone["kept"] == shared["kept"]
    for key in ("difference", "se"):
        assert shared[key] == pytest.approx(alone[key], rel=1e-3, abs=1e-4)


ONE_LENGTH = "data.oracle.variable=false"  # orders other than left to right
SHARED = {  # games that differ in what passes between processes and between the players
    2: [
        *("model=seqgan", "model=gsgan", "model=cot", "model=airl", "model=wgan_gp", "model=scheduled_sampling"),
        *(
            "model=gkd",
            "model=vae_gan",
            "model=masked_diffusion",
            "model=relgan",
            "model=leakgan",
            "model/generator=mixture",
        ),
        f"model/generator=transformer model.generator.order=random {ONE_LENGTH}",
        f"model=mle model.generator.any_order=true model/objective=any_order {ONE_LENGTH}",
    ],
    4: ["model=seqgan", "model=wgan_gp"],
}


@pytest.mark.slow
@pytest.mark.parametrize("processes", SHARED)
def test_a_step_of_any_kind_is_shared(processes, unchecked_shapes, tmp_path):
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": processes}
    playing = [
        start("-m", "tests.helpers.sharing", str(tmp_path / "many"), *SHARED[processes], LOCAL_RANK=rank, **meeting)
        for rank in range(processes)
    ]
    for number, tokens in enumerate(SHARED[processes]):
        share(tmp_path / "one" / str(number), tokens, 1)
    for code, _, errors in ended(*playing):
        assert code == 0, errors
    for number in range(len(SHARED[processes])):
        alone, shared = (rows(tmp_path / many / str(number)) for many in ("one", "many"))
        close(alone, shared)
        assert sum("truth/jsd" in row or "truth/nll_test_bound" in row for row in alone) >= 1
        held = [torch.load(tmp_path / "many" / str(number) / f"{rank}.pt") for rank in range(processes)]
        for rank in range(1, processes):  # one checkpoint is for all: numbers in mid-row, and what no optimizer updates
            same(held[0], held[rank], SHARED[processes][number])


# --- one of them fails ------------------------------------------------------------------------------------------------

REQUEUE = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n'
OTHER_FAILED = "textgan_lit: Another process of this run failed"


def slurm(folder: Path, rank: int) -> dict[str, object]:
    """The environment that srun gives to one of two tasks of an array's job."""
    command = folder / "bin" / "scontrol"
    command.parent.mkdir(exist_ok=True)
    command.write_text(REQUEUE)
    command.chmod(0o755)
    job = {"JOB_ID": 17, "ARRAY_JOB_ID": 12, "ARRAY_TASK_ID": 3, "JOB_NAME": "gan", "NODELIST": "127.0.0.1"}
    tasks = {"NTASKS": 2, "NTASKS_PER_NODE": 2, "NNODES": 1, "NODEID": 0, "PROCID": rank, "LOCALID": rank}
    path = f"{command.parent}:{os.environ['PATH']}"
    return {"PATH": path, "MASTER_PORT": 29400} | {f"SLURM_{name}": value for name, value in {**job, **tasks}.items()}


@pytest.mark.slow
def test_whichever_process_ends_all_do_and_the_run_goes_on(together, tmp_path):
    """One run in six lives: its processes killed, failing, interrupted, put back by SLURM, and on two nodes."""
    folder = tmp_path / "run"
    overrides = ("train.py", *GAME, "resume=true", f"hydra.run.dir={folder}", "trainer=ddp_cpu")
    for death, rank, wanted, said in (
        ("SIGKILL at 5 end", 1, 1, OTHER_FAILED),
        ("SIGKILL at 6 end", 0, -signal.SIGKILL, ""),
        ("ERROR at 9 end", 0, 1, "ArithmeticError: one process failed"),
        ("CTRL+C at 9 end", 0, 128 + signal.SIGINT, ""),
    ):
        begun = time.monotonic()
        ((code, shown, errors),) = ended(start(*overrides, "logger=csv", DEATH=death, DEATH_RANK=rank))
        assert code == wanted, (death, errors)
        assert said in errors, death
        assert errors.count("textgan_lit:") <= 1, death
        assert "Error executing" not in errors or "ERROR" in death
        assert ("SIGINT: stopped after step 9." in shown) == ("CTRL" in death)
        assert not alive(folder)
        assert time.monotonic() - begun < 120, death  # of which a busy machine takes most to begin
    tasks = [slurm(tmp_path, rank) for rank in range(2)]
    for code, shown, errors in ended(
        *(start(*overrides, "logger=csv", DEATH="SIGUSR1 at 10 end", DEATH_RANK=-1, **task) for task in tasks)
    ):
        assert code == 128 + signal.SIGUSR1, errors
        assert "no resume=true" not in shown
    assert (tmp_path / "bin" / "asked").read_text() == "requeue 12_3\n"
    nodes = [*TORCHRUN, f"--master-port={free_port()}"]
    overrides = (*overrides, "trainer.devices=1", "trainer.num_nodes=2", "logger=offline")
    (code, shown, errors), other = ended(*(start(*nodes, f"--node-rank={rank}", *overrides) for rank in range(2)))
    assert (code, other[:2]) == (0, (0, "")), errors
    assert shown.count("On the test sentences") == shown.count("Going on after step 10.") == 1
    assert len(list(folder.glob("wandb/offline-run-*"))) == 1
    same(left(folder), left(together[0]))


@pytest.mark.slow
def test_a_job_of_a_sweep_that_fails_holds_up_none_of_the_others(tmp_path):
    overrides = (*GAME, "trainer.max_steps=9,3", f"hydra.sweep.dir={tmp_path}", "trainer=ddp_cpu", "logger=csv")
    ((code, shown, errors),) = ended(start("train.py", "-m", *overrides, DEATH="ERROR at 5 end", DEATH_RANK=1))
    assert (code, errors.count("textgan_lit:")) == (1, 1), errors
    assert errors.splitlines()[-1].startswith(f"{OTHER_FAILED}, so the run in {tmp_path / '0'} had to stop.")
    assert shown.count(": true JSD") == 1
    assert rows(tmp_path / "1")[-1]["steps/all"] == 3
    assert not alive(tmp_path)


@pytest.mark.slow
def test_a_signal_that_comes_again_ends_a_run_that_hangs(tmp_path):
    folder = tmp_path / "run"
    hanging = start("train.py", *GAME, "logger=csv", f"hydra.run.dir={folder}", DEATH="HANG at 5 start")
    while hanging.poll() is None and not (folder / "metrics.csv").exists():
        time.sleep(0.2)
    time.sleep(3)
    for pause in (0.5, 3, 0):  # what comes at once is the same signal by another way
        assert hanging.poll() is None
        hanging.send_signal(signal.SIGTERM)
        time.sleep(pause)
    ((code, _, errors),) = ended(hanging)
    assert code == 128 + signal.SIGTERM, errors


# --- what is refused or said ------------------------------------------------------------------------------------------


def test_processes_from_outside_need_one_folder_and_have_to_be_as_many_as_the_trainer_takes(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"Give them one: hydra\.run\.dir="):
        run(monkeypatch, *GAME, "trainer.num_nodes=2")
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=r"Give them one: hydra\.run\.dir="):
        run(monkeypatch, *GAME)
    with pytest.raises(SystemExit, match=r"2 processes were started from outside .* make 1\. Give the processes"):
        run(monkeypatch, *GAME, f"hydra.run.dir={tmp_path / 'run'}")
