"""What W&B really wrote to disk, read back from its own file; and runs that lose it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import pytorch_lightning as pl
import wandb

import textgan_lit
from tests.helpers.command import rows, run
from tests.helpers.wandb_file import config, ended, files, history, of_kind, records, summary
from textgan_lit import logger
from textgan_lit.callbacks.weights_and_biases import own_files
from textgan_lit.logger import WandB
from textgan_lit.run import keys

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wandb") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, "debug=smoke", f"hydra.run.dir={folder}", "model/reward=log_odds", "logger.wandb.artifacts=true")
    (file,) = files(folder)
    return folder, ended(file)


def test_the_rows_of_wandb_are_those_of_the_csv_with_their_clocks(played):
    folder, found = played
    told = [row for row in history(found) if "steps/all" in row]
    wanted = rows(folder)
    assert len(told) == len(wanted)
    for one, other in zip(told, wanted, strict=True):
        for key in other.keys() - {"step", "system/seconds", "system/cpu_seconds"}:
            assert one[key] == pytest.approx(other[key], rel=1e-5), key
    assert sum("samples/table" in key for row in history(found) for key in row) > 0


def test_every_key_has_its_clock_and_ten_have_a_summary_of_the_best_value_and_the_last(played):
    _, found = played
    axes = {metric.name: metric.step_metric for metric in of_kind(found, "metric")}
    logged = {key: [row[key] for row in history(found) if key in row] for row in history(found) for key in row}
    clocked = {key for key in logged if keys.clock(key)}
    assert {"truth/jsd", "bound/value", "game/bound", "generator/reward", "quality/bleu2_256"} <= clocked
    assert {key: axes.get(key) for key in clocked} == {key: keys.clock(key) for key in clocked}
    kept = summary(found)
    for key in logged.keys() & set(keys.SUMMARY):
        best = {"min": min, "max": max}.get(keys.best(key))
        last = logged[key][-1]
        assert kept[key] == ({keys.best(key): best(logged[key]), "last": last} if best else last), key
    names = {key.partition(".")[0] for key in kept if not key.startswith("_")}  # W&B's own begin so
    closing = {f"closing/{name}" for name in ("likelihood", "likelihood_best_temperature", "game")}
    assert names == {"samples/table", *closing, *(logged.keys() & set(keys.SUMMARY))}
    assert len(names) == 10
    assert kept["closing/game"].keys() == {"steps", "truth/jsd", "truth/jsd_se", "truth/nll_test"}


def test_the_configuration_is_nested_and_the_overrides_and_the_code_are_there(played):
    folder, found = played
    told = config(found)
    assert told["model"]["reward"]["_target_"] == "textgan_lit.model.reward.LogOdds"
    assert told["seed"] == 1
    saved = {one.path for files_told in of_kind(found, "files") for one in files_told.files}
    assert saved >= {".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"}
    assert (next(folder.glob("wandb/offline-run-*/files/.hydra/overrides.yaml"))).read_text().count("- ") == 3
    (code,) = (one for one in of_kind(found, "artifact") if one.type == "code")
    contents = {entry.path: Path(entry.local_path) for entry in code.manifest.contents}
    package = Path(logger.__file__).parent
    assert contents.keys() == {f"textgan_lit/{path.relative_to(package)}" for path in package.rglob("*.py")}
    assert contents["textgan_lit/logger.py"].read_bytes() == Path(logger.__file__).read_bytes()


def test_somebodys_own_parts_are_code_of_the_run_and_what_is_installed_is_not():
    settings = {"a": [{"_target_": "tests.helpers.dying.Death"}], "b": {"_target_": "torch.optim.Adam", "c": None}}
    import tests.helpers.dying

    assert own_files(settings | {"_target_": "textgan_lit.model.reward.Sign"}) == {
        "tests/helpers/dying.py": Path(tests.helpers.dying.__file__)
    }


def test_the_checkpoints_are_artifacts_that_can_be_opened(played, tmp_path):
    folder, found = played
    kept = [one for one in of_kind(found, "artifact") if one.type == "model"]
    assert [set(one.aliases) for one in kept] == [{"last", "latest"}, {"best", "latest"}]
    assert len({one.name for one in kept}) == 1
    for one, name in zip(kept, ("last", "best"), strict=True):
        (entry,) = one.manifest.contents
        assert Path(entry.local_path).is_relative_to(folder)
        (tmp_path / entry.path).write_bytes(Path(entry.local_path).read_bytes())  # as a download would
        mine, theirs = textgan_lit.load(folder, name), textgan_lit.load(tmp_path / entry.path)
        assert mine.sample(3) == theirs.sample(3)


def test_the_jobs_of_a_sweep_are_told_apart_and_upload_no_checkpoint_unasked(monkeypatch, tmp_path):
    sweep = tmp_path / "days" / "hours"
    overrides = ("-m", "debug=smoke", "model=mle", "data=tiny", "trainer.max_steps=1", f"hydra.sweep.dir={sweep}")
    run(monkeypatch, *overrides, "seed=1,2")
    found = [ended(path) for job in "01" for path in files(sweep / job)]
    begun = [of_kind(one, "run")[0] for one in found]
    assert [one.display_name.split()[-1] for one in begun] == ["seed=1", "seed=2"]
    assert {one.run_group for one in begun} == {"days/hours"}
    assert {one.job_type for one in begun} == {"mle-tiny debug=smoke max_steps=1"}
    assert {tuple(one.tags) for one in begun} == {("mle", "tiny", "debug=smoke")}
    assert not [one for file in found for one in of_kind(file, "artifact") if one.type == "model"]


@pytest.mark.parametrize(
    ("overrides", "title"),
    [
        (("faults.reward=1e-9",), "A step's reward is no number to learn from"),
        (
            ("callbacks.health.patience=1", "model/policy=greedy", "model.schedule.pretrain_steps=0"),
            "G repeats",
        ),
    ],
)
def test_faults_and_symptoms_are_alerts(overrides, title, monkeypatch, tmp_path):
    with suppress(SystemExit):
        run(monkeypatch, "debug=smoke", f"hydra.run.dir={tmp_path / 'run'}", *overrides)
    (file,) = files(tmp_path / "run")
    found = ended(file)
    assert of_kind(found, "exit")[0].exit_code == (1 if "faults.reward=1e-9" in overrides else 0)
    told = [one for one in of_kind(found, "alert") if one.title.startswith(title)]
    assert len(told) == 1
    assert told[0].level == "WARN"
    assert "Way out" in told[0].text


def test_a_run_that_is_taken_up_is_the_same_run_to_wandb(monkeypatch, tmp_path):
    overrides = ("debug=smoke", "model=mle", f"hydra.run.dir={tmp_path / 'run'}")
    run(monkeypatch, *overrides, "trainer.max_steps=2")
    run(monkeypatch, *overrides, "resume=true")
    lives = files(tmp_path / "run")
    told = [history(ended(file)) for file in lives]
    assert len({file.name for file in lives}) == 1  # run-ID.wandb
    assert len(lives) == 2
    steps = [[row["steps/all"] for row in rows_of_a_life if "steps/all" in row] for rows_of_a_life in told]
    assert max(steps[0]) == 2 < min(steps[1])
    assert [row["steps/all"] for row in rows(tmp_path / "run")] == [*steps[0], *steps[1]]


# --- W&B that is not there, or no longer ------------------------------------------------------------------------------


@pytest.fixture
def anew(monkeypatch, tmp_path):
    """W&B as in a new process of someone without a login, whose server nobody can reach."""
    for name, value in {"WANDB_BASE_URL": "http://127.0.0.1:9", "NETRC": str(tmp_path / "netrc")}.items():
        monkeypatch.setenv(name, value)
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logger, "WAIT", 2.0)
    logger.finish(dead=True)
    yield
    logger.finish(dead=True)


def lines(capsys) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if "W&B" in line]


@pytest.mark.parametrize("key", [None, "x" * 40], ids=["no login", "no network"])
def test_online_without_a_login_or_a_network_is_offline_with_one_line(key, anew, monkeypatch, tmp_path, capsys):
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a prompt"))
    since = time.monotonic()
    log = WandB(str(tmp_path), "project", "name", "online")
    log.log_metrics({"truth/jsd": 0.25}, step=1)
    log.log_metrics({"truth/jsd": 0.125}, step=2)
    logger.finish()
    assert time.monotonic() - since < 30
    (line,) = lines(capsys)
    reason = "resume status" if key else "no login on this machine"
    assert line.startswith("W&B online is not available (")
    assert reason in line
    assert "`wandb login` and `wandb sync` send them later" in line
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    told = []
    while len(told) < 2 and time.monotonic() - since < 30:  # it may end before it has written
        told = history(records(file))
    assert [row["truth/jsd"] for row in told] == [0.25, 0.125]


def test_what_raises_is_said_once_and_never_asked_again(anew, monkeypatch, tmp_path, capsys):
    log, asked = WandB(str(tmp_path), "project", "name"), []

    def fails(*_, **__):
        asked.append(1)
        raise OSError(28, "No space left on device")

    log.log_metrics({"a": 1.0}, step=1)
    monkeypatch.setattr(type(log.experiment), "log", fails)
    for step in (2, 3):
        log.log_metrics({"a": 1.0}, step=step)
    log.tell(lambda run: run.log({}))
    log.log_hyperparams({"b": 1})
    log.finalize("success")
    logger.finish()
    assert len(asked) == 1
    (line,) = lines(capsys)
    assert line.startswith("W&B failed ([Errno 28] No space left on device): the run goes on without it.")


def test_where_not_even_a_file_can_be_begun_the_run_goes_on(anew, monkeypatch, tmp_path, capsys):
    def fails(**_):
        raise wandb.errors.CommError("no service")

    monkeypatch.setattr(wandb, "init", fails)
    log = WandB(str(tmp_path), "project", "name", "online")
    log.experiment.log({"a": 1})  # as Lightning looks at it when a run begins
    log.log_metrics({"a": 1.0}, step=1)
    said = lines(capsys)
    assert [line.partition(" (")[0] for line in said] == ["W&B online is not available", "W&B failed"]


def services(parent: int) -> list[int]:
    """W&B's services that the process ``parent`` has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            overrides, told = (process / "cmdline").read_text(), (process / "stat").read_text().rpartition(")")[2]
        except OSError:
            continue
        if int(told.split()[1]) == parent and "wandb" in overrides:
            found.append(int(process.name))
    return found


@pytest.fixture
def own_service(monkeypatch):
    """For a process that a test starts: W&B hands the address of a service that runs already down to every child."""
    monkeypatch.delenv("WANDB_SERVICE", raising=False)


class Killer(pl.Callback):
    """Kills W&B's service at the fifth step."""

    def on_train_batch_start(self, trainer, system, *_):
        if system.clock.total == 5:
            for service in services(os.getpid()):
                os.kill(service, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.usefixtures("own_service")
def test_runs_whose_service_is_killed_go_on_to_their_end(tmp_path):
    """Two jobs of a multirun: the second has a service of its own, until that is killed, too."""
    overrides = ("-m", "debug=smoke", "model/schedule=fixed", "seed=1,2", f"hydra.sweep.dir={tmp_path}")
    killer = "+callbacks.killer._target_=tests.unit.test_logger.Killer"
    checkout = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "train.py", *overrides, killer], cwd=checkout, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("W&B failed (") == done.stdout.count("the run goes on without it") == 2
    assert done.stdout.count(": true JSD") == 2
    for job in ("0", "1"):
        assert rows(tmp_path / job)[-1]["steps/all"] == 16
        (file,) = tmp_path.glob(f"{job}/wandb/offline-run-*/*.wandb")
        told = history(records(file))
        assert all(row.get("steps/all", 0) <= 5 for row in told)


LOGS = """
import sys
from textgan_lit.logger import WandB
log = WandB(sys.argv[1], "project", "name")
for step in range(1, 11):
    log.log_metrics({"truth/jsd": 1 / step, "steps/all": step}, step=step)
print("logged", flush=True)
sys.stdin.read()  # at a long step when it is killed
"""


@pytest.mark.slow
@pytest.mark.usefixtures("own_service")
def test_a_run_that_is_killed_with_its_service_has_what_it_logged_on_the_disk(tmp_path):
    """By itself W&B writes few rows after 15 seconds. The deadline is in between, and generous to a busy machine."""
    command, pipe = [sys.executable, "-c", LOGS, str(tmp_path)], subprocess.PIPE
    alive = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        assert alive.stdout.readline() == "logged\n"
        (path,), latest = files(tmp_path), time.monotonic() + 10
        while len(history(records(path))) < 10 and time.monotonic() < latest:
            time.sleep(0.05)
        together = [alive.pid, *services(alive.pid)]
        for sent in (signal.SIGSTOP, signal.SIGKILL):  # held first, so that neither sees the other go
            for process in together:
                os.kill(process, sent)
    finally:
        alive.kill()
        alive.wait()
    assert len(together) == 2
    told = [(row["steps/all"], row["truth/jsd"]) for row in history(records(path))]
    assert told == [(step, 1 / step) for step in range(1, 11)]
