"""A run that is cut off and taken up again is the run that nobody cut off."""

import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import datetime

import pytest

import textgan_lit
from tests.helpers.command import rows, run
from tests.helpers.lives import CHECKOUT, RUN, SMOKE, left, play, same
from textgan_lit.run import files
from textgan_lit.run import folder as folders
from textgan_lit.run.checkpoint import kept, read
from textgan_lit.run.folder import note, record
from textgan_lit.run.resume import flat

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = play(folder, *RUN, f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    return left(folder)


@pytest.mark.slow
def test_killed_wherever_it_may_be_it_ends_as_if_nothing_had_happened(whole, tmp_path):
    """One run of seven lives, some of them ended kindly; between two of them its newest checkpoint is truncated."""
    folder = tmp_path / "run"
    overrides = (*RUN, f"hydra.run.dir={folder}", "resume=true")
    for death, said in {
        "SIGKILL at 0 start": "holds no run. Starting anew.",
        "SIGKILL at 7 evaluation": "from the beginning: there is no whole checkpoint",
        "SIGTERM at 9 end": "Going on after step 4.",
        "SIGKILL at 35 evaluation": "Going on after step 9.",
    }.items():
        done = play(folder, *overrides, death=death)
        number = signal.Signals[death.split()[0]]
        assert done.returncode == (128 + number if number == signal.SIGTERM else -number), done.stderr
        assert said in done.stdout
        assert (f"SIGTERM: stopped after step 9. Go on with resume={folder}" in done.stdout) == ("TERM" in death)
    newest = kept(folder / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = play(
        folder, "resume=../run", "trust=[tests]", death="SIGINT at 40 end", cwd=elsewhere
    )  # its own overrides are in the folder
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert f"{newest.name}: not a whole checkpoint" in done.stderr
    assert "Going on after step 9." in done.stdout
    last = whole["evaluations"][-1]["steps/all"]  # the guard's rounding decides how many: other torches play others
    assert play(folder, *overrides, death=f"SIGKILL at {last} test").returncode == -signal.SIGKILL
    done = play(folder, *overrides)
    assert done.returncode == 0, done.stderr
    same(left(folder), whole)


KINDS = {  # what else a generator, a discriminator or a gradient may remember
    "relgan": ("model=relgan", "model.generator.width=8", "model.discriminator.views=2"),
    "leakgan": ("model=leakgan", "model.generator.hidden=8"),
    "mixture": ("model/generator=mixture",),
    "ordered": ("model/generator=transformer", "model.generator.width=8", "model.generator.order=random"),
    "any_order": ("model/generator=lstm", "model.generator.any_order=true", "model/objective=any_order"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_game_goes_on_where_it_was_killed(kind, tmp_path):
    batches = [f"model.optim.{update}.batch_size=16" for update in ("pretrain", "discriminator", "generator")]
    overrides = (*RUN[: RUN.index("model/generator=lstm")], *batches, *KINDS[kind], RUN[-1])
    unharmed, cut = tmp_path / "unharmed", tmp_path / "cut"
    assert play(unharmed, *overrides, f"hydra.run.dir={unharmed}").returncode == 0
    assert play(cut, *overrides, f"hydra.run.dir={cut}", death="SIGKILL at 12 start").returncode == -signal.SIGKILL
    done = play(cut, *overrides, f"hydra.run.dir={cut}", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Going on after step" in done.stdout
    same(left(cut), left(unharmed))


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from textgan_lit.cli import main
main()
"""


@pytest.mark.slow
def test_a_disk_that_is_full_ends_the_run_in_one_line_and_the_run_goes_on_later(whole, tmp_path):
    """A limit on the size of files stands for the disk: the first checkpoint does not fit."""
    folder = tmp_path / "run"
    overrides = (*RUN, f"hydra.run.dir={folder}")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", FULL, *overrides]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert re.fullmatch(r"textgan_lit: .*File too large.*see to the disk, then go on with resume=.*\n", done.stderr)
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]
    assert play(folder, *overrides, "resume=true").returncode == 0
    same(left(folder), whole)


@pytest.mark.slow
def test_a_run_with_wandb_holds_no_link_and_goes_on(tmp_path):
    """W&B's own are links; a run's folder with one is refused, whoever made it."""
    folder = tmp_path / "run"
    overrides = [override for override in SMOKE if override != "logger=csv"]
    assert play(folder, *overrides, "trainer.max_steps=1", f"hydra.run.dir={folder}").returncode == 0
    assert (folder / "wandb").is_dir()
    links = [path.name for path in folder.rglob("*") if path.is_symlink()]
    assert set(links) <= {folders.WANDBS_LINK}
    done = play(folder, f"resume={folder}", "trainer.max_steps=2")
    assert done.returncode == 0, done.stderr
    (overrides,) = (
        path.parent for path in folder.rglob("wandb/*/files/.hydra/overrides.yaml") if "max_steps=2" in path.read_text()
    )
    assert (overrides / "config.yaml").read_text() == (folder / ".hydra" / "config.yaml").read_text()


def test_what_a_killed_process_left_half_written_goes_when_the_run_goes_on(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "trainer.max_steps=1", f"hydra.run.dir={folder}")
    for place in (folder, folder / "checkpoints"):
        (place / ".0123456789abcdef.part").write_text("half")
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=2")
    assert not list(folder.rglob(files.PART))


def test_the_newest_unfinished_run_of_the_same_configuration_is_found(monkeypatch, tmp_path, capsys):
    overrides = (*SMOKE, f"outputs={tmp_path}")
    run(monkeypatch, *overrides, "resume=true")
    assert "no unfinished run of this configuration below" in capsys.readouterr().out
    (folder,) = (path.parent for path in tmp_path.rglob("run.json"))
    assert record(folder)["finished"]
    note(folder, record(folder) | {"finished": False})
    run(monkeypatch, *overrides, "resume=true")
    assert f"Going on with the run in {folder}." in capsys.readouterr().out
    assert record(folder)["finished"]
    note(folder, record(folder) | {"finished": False})
    run(
        monkeypatch, *overrides, "resume=true", f"hydra.run.dir={tmp_path}/other", "seed=2"
    )  # its own folder, its own run
    assert "holds no run. Starting anew." in capsys.readouterr().out
    assert not record(folder)["finished"]


class Noon(datetime):
    """A clock that stands still: what is named by it is named alike."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 1, 12)


def test_runs_and_sweeps_of_one_second_have_folders_of_their_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hydra.core.utils.datetime", Noon)
    for seed in (1, 2):
        run(monkeypatch, *SMOKE, "trainer.max_steps=1", f"seed={seed}")
        run(monkeypatch, "-m", *SMOKE, "trainer.max_steps=1", f"seed={seed}")
    for root, job in (("outputs", ""), ("multirun", "0")):
        day = tmp_path / root / "2026-01-01"
        assert {path.name for path in day.iterdir()} == {"12-00-00", "12-00-00-2"}
        for name, seed in (("12-00-00", 1), ("12-00-00-2", 2)):
            assert f"seed: {seed}\n" in (day / name / job / ".hydra" / "config.yaml").read_text()
            assert record(day / name / job)["finished"]


def test_a_job_that_somebody_plays_is_left_as_it_is(monkeypatch, tmp_path):
    overrides = ("-m", *SMOKE, "trainer.max_steps=1", f"hydra.sweep.dir={tmp_path / 'sweep'}", "seed=1")
    (theirs := tmp_path / "sweep" / "0" / ".hydra" / "config.yaml").parent.mkdir(parents=True)
    theirs.write_text("seed: 7\n")
    monkeypatch.setattr(folders, "DYING", 0.0)
    with files.lock(tmp_path / "sweep" / "0" / ".lock"), pytest.raises(SystemExit, match="played by another process"):
        run(monkeypatch, *overrides)
    assert theirs.read_text() == "seed: 7\n"
    run(monkeypatch, *overrides, "overwrite=true")
    assert "seed: 1\n" in theirs.read_text()


def test_a_job_may_say_that_it_has_finished_and_not_with_what(monkeypatch, tmp_path):
    overrides = ("-m", *SMOKE, "trainer.max_steps=1", f"hydra.sweep.dir={tmp_path}", "seed=1", "resume=true")
    (tmp_path / "0").mkdir()
    note(tmp_path / "0", {"finished": True})
    run(monkeypatch, *overrides)
    assert not (tmp_path / "0" / "checkpoints").exists()


@pytest.mark.slow
def test_processes_that_start_at_once_all_play(tmp_path):
    command = [sys.executable, str(CHECKOUT / "train.py"), *SMOKE, "trainer.max_steps=1"]
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(5)]
    assert [one.wait() for one in runs] == [0] * 5
    assert len([path for path in tmp_path.rglob("run.json") if record(path.parent)["finished"]]) == 5


def test_a_finished_run_taken_up_with_more_steps_goes_on_and_says_what_is_new(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "trainer.max_steps=2", f"hydra.run.dir={folder}")
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=4")
    said = capsys.readouterr().out
    assert "trainer.max_steps: was 2, now 4" in said
    assert "Going on after step 2." in said
    run(monkeypatch, *SMOKE, "trainer.max_steps=4", f"hydra.run.dir={tmp_path / 'whole'}")
    states = [read(kept(where / "checkpoints")[0])["state_dict"] for where in (folder, tmp_path / "whole")]
    same(*states)
    assert rows(folder)[-1]["steps/all"] == 4


def test_a_run_on_text_goes_on_with_the_same_file_alone(monkeypatch, tmp_path, capsys):
    folder, file = tmp_path / "run", tmp_path / "my.txt"
    lines = [f"{a} {b}" for a in "abcdef" for b in "ghijkl"]
    file.write_text("\n".join(lines))
    overrides = (
        "debug=smoke",
        "logger=csv",
        "model=mle",
        "data=text",
        f"data.path={file}",
        f"data.cache={folder}/cache",
    )
    run(monkeypatch, *overrides, "trainer.max_steps=2", f"hydra.run.dir={folder}")
    shutil.rmtree(folder / "cache")  # it is made again, and is the same
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=4")
    said = capsys.readouterr().out
    assert "Text: 30 train, 4 valid, 2 test sentences" in said
    assert rows(folder)[-1]["steps/all"] == 4
    file.write_text("\n".join([*lines, "a new line"]))
    others = r"learned from other sentences \(train \w+\) than there are now \(train \w+\)\. Give the files as they"
    with pytest.raises(SystemExit, match=others):
        run(monkeypatch, f"resume={folder}")
    file.write_text("\n".join(lines))
    for override, reason in (
        (
            "data.tokenizer=bpe",
            r"which are not the .* of the data now\. Give the data and data.tokenizer as they were",
        ),
        (f"data.cache={tmp_path}/other", r"data\.cache=\S* leads out of"),
    ):
        with pytest.raises(SystemExit, match=reason):
            run(monkeypatch, f"resume={folder}", override)
    assert len(textgan_lit.load(folder).sample(2)) == 2  # which needs neither


def test_a_run_is_taken_up_at_a_checkpoint_and_what_came_after_it_is_gone(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "callbacks.evaluation.every.pretrain=1", f"hydra.run.dir={folder}")
    wanted, (_, older, _) = left(folder), kept(folder / "checkpoints")
    assert older.name == "step-00000003.ckpt"
    (folder / "checkpoints" / "step-00000099.ckpt").write_bytes(b"")
    run(monkeypatch, f"resume={older}")
    same(left(folder), wanted)
    copied = shutil.copy(older, older.with_name("before-fault-step-00000003.ckpt"))
    run(monkeypatch, f"resume={copied}", "trainer.max_steps=3")  # plays nothing, so the older ones must still be there
    assert [path.name for path in kept(folder / "checkpoints")] == [f"step-0000000{step}.ckpt" for step in (3, 2)]


def test_a_sweep_goes_on_where_it_was(monkeypatch, tmp_path, capsys):
    overrides = ("-m", *SMOKE, "seed=1,2", f"hydra.sweep.dir={tmp_path}/sweep")
    run(monkeypatch, *overrides)
    first, second = (tmp_path / "sweep" / name for name in "01")
    wanted, before = left(second), (first / "closing.json").stat().st_mtime_ns
    note(second, record(second) | {"finished": False})
    (second / "closing.json").unlink()
    capsys.readouterr()
    run(monkeypatch, *overrides, "resume=true")
    assert capsys.readouterr().out.count("Going on after step 4.") == 1
    assert (first / "closing.json").stat().st_mtime_ns == before
    same(left(second), wanted)
    with pytest.raises(SystemExit, match=r"hydra\.sweep\.dir=multirun"):
        run(monkeypatch, "-m", *SMOKE, "seed=1,2", "resume=true")


@pytest.mark.slow
def test_a_signal_ends_a_sweep_and_not_only_its_job(tmp_path):
    overrides = (
        *SMOKE,
        "+callbacks.death._target_=tests.helpers.dying.Death",
        "seed=1,2",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    done = play(tmp_path / "sweep", "-m", *overrides, death="SIGTERM at 2 end")
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stdout.count("SIGTERM: stopped after step 2.") == 1
    assert not (tmp_path / "sweep" / "1").exists()
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    "override",
    ["resume=3", "resume=[a]", "resume=nowhere", "resume=nowhere/step-1.ckpt", "resume=step-1.ckpt", "resume=/t.ckpt"],
)
def test_what_cannot_be_taken_up_is_refused(override, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"resume=.*(wanted true|no run was started there)"):
        run(monkeypatch, override)
    with pytest.raises(SystemExit, match=r"Give one of them"):
        run(monkeypatch, "resume=true", "overwrite=true")


def test_settings_are_compared_by_their_full_names():
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
