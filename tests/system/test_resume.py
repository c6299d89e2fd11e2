"""A run that is cut off and taken up again is the run that nobody cut off."""

import errno
import json
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
from tests.helpers.lives import CHECKOUT, left, play, same
from textgan_lit.build.trust import CONF
from textgan_lit.errors import UserError
from textgan_lit.run import files
from textgan_lit.run import folder as folders
from textgan_lit.run.checkpoint import kept, read
from textgan_lit.run.folder import note, record
from textgan_lit.run.resume import expand, flat

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

RUN = (
    *("debug=smoke", "logger=csv", "data=tiny", "data.train=256", "data.valid=64", "data.test=64", "reading_size=32"),
    *("data.workers=0", "model.program.duel=6", "callbacks.schedule.generator=2", "callbacks.turns.every=3"),
    *("model/generator=lstm", "model.generator.embedding=4", "model.generator.hidden=8", "model.generator.dropout=0.2"),
    *("model.discriminator.dropout=0.3", "model/baseline=moving_average"),
    *("model.ema=0.9", "model/program=guard", "model.program.rule.patience=1000"),
    *(f"model.moves.{move}.batch=16" for move in ("likelihood", "discriminator", "generator")),
    "+callbacks.death._target_=tests.helpers.dying.Death",
)


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
    words = (*RUN, f"hydra.run.dir={folder}", "resume=true")
    for death, said in {
        "SIGKILL at 0 start": "holds no run. Starting anew.",
        "SIGKILL at 7 evaluation": "from the beginning: there is no checkpoint yet",
        "SIGTERM at 9 end": "Going on after turn 4.",
        "SIGKILL at 35 evaluation": "Going on after turn 9.",
    }.items():
        done = play(folder, *words, death=death)
        number = signal.Signals[death.split()[0]]
        assert done.returncode == (128 + number if number == signal.SIGTERM else -number), done.stderr
        assert said in done.stdout
        assert (f"SIGTERM: stopped after turn 9. Go on with resume={folder}" in done.stdout) == ("TERM" in death)
    newest = kept(folder / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = play(
        folder, "resume=../run", "trust=[tests]", death="SIGINT at 40 end", cwd=elsewhere
    )  # its own words are in the folder
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert f"{newest.name}: not a whole checkpoint" in done.stderr
    assert "Going on after turn 9." in done.stdout
    last = whole["evaluations"][-1]["turns/all"]  # the guard's rounding decides how many: other torches play others
    assert play(folder, *words, death=f"SIGKILL at {last} test").returncode == -signal.SIGKILL
    done = play(folder, *words)
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
    batches = [f"model.moves.{move}.batch=16" for move in ("likelihood", "discriminator", "generator")]
    words = (*RUN[: RUN.index("model/generator=lstm")], *batches, *KINDS[kind], RUN[-1])
    unharmed, cut = tmp_path / "unharmed", tmp_path / "cut"
    assert play(unharmed, *words, f"hydra.run.dir={unharmed}").returncode == 0
    assert play(cut, *words, f"hydra.run.dir={cut}", death="SIGKILL at 12 start").returncode == -signal.SIGKILL
    done = play(cut, *words, f"hydra.run.dir={cut}", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Going on after turn" in done.stdout
    same(left(cut), left(unharmed))


# --- the world fails --------------------------------------------------------------------------------------------------

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
    words = (*RUN, f"hydra.run.dir={folder}")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", FULL, *words]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert re.fullmatch(r"textgan_lit: .*File too large.*see to the disk, then go on with resume=.*\n", done.stderr)
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]
    assert play(folder, *words, "resume=true").returncode == 0
    same(left(folder), whole)


DISK = """
mount -t tmpfs -o size=1m tmpfs "$1" && head -c "$2" /dev/zero > "$1/others"
disk=$1; shift 2; "$@"; code=$?
find "$disk" -name ".*.part" >&2; exit $code
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("free", "logger", "file"),
    [(0, "csv", "run.json"), (12, "csv", ".hydra/hydra.yaml"), (100, "offline", "metrics.csv")],
)
def test_a_disk_of_its_own_that_is_full_ends_the_run_in_one_line(free, logger, file, tmp_path):
    """With W&B, too, whose logs are on the same disk."""
    mounting = ["unshare", "-rm", "sh", "-c", DISK, "sh", str(tmp_path)]
    try:
        subprocess.run([*mounting, "0", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount a disk of his own")
    words = [word for word in SMOKE if not word.startswith("logger=")] + [f"logger={logger}", "trainer.max_steps=2"]
    command = [sys.executable, str(CHECKOUT / "train.py"), *words, f"hydra.run.dir={tmp_path / 'run'}"]
    room = str((1024 - free) * 1024)
    done = subprocess.run([*mounting, room, *command], cwd=CHECKOUT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert re.fullmatch(rf"textgan_lit: \S+/{re.escape(file)}: No space left on device.*\n", done.stderr)
    assert done.stdout.count("W&B failed") == (logger == "offline")


def test_a_folder_that_vanishes_is_named_and_not_made_again(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(SystemExit, match=r"No such file or directory, so the run in .* had to stop"):
        run(monkeypatch, *RUN[:-1], f"hydra.run.dir={folder}", "+callbacks.thief._target_=tests.helpers.dying.Thief")
    assert not folder.exists()


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "overrides.yaml"])
def test_a_disk_that_is_full_when_a_run_begins_is_one_line_and_nothing_is_half_written(name, monkeypatch, tmp_path):
    folder, others = tmp_path / "run", (*SMOKE, "trainer.max_steps=1")
    real = files.replacing

    def full(path, durable=False):
        if path.name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, durable)

    def refused(*words):
        with monkeypatch.context() as patched:
            patched.setattr(files, "replacing", full)
            with pytest.raises(SystemExit) as caught:
                run(patched, *words)
        assert re.fullmatch(rf"textgan_lit: \S+{name}: No space left on device\. See to .*", caught.value.code)

    refused(*others, f"hydra.run.dir={folder}")
    run(monkeypatch, *others, f"hydra.run.dir={folder}")  # the corrected command, with the same words
    before = {path: path.read_bytes() for path in (folder / ".hydra").iterdir()}
    assert {path.name for path in before} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    refused(f"resume={folder}", "trainer.max_steps=2")
    assert before[folder / ".hydra" / name] == (folder / ".hydra" / name).read_bytes() if "yaml" in name else True
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=2")
    assert rows(folder)[-1]["turns/all"] == 2


def test_a_log_that_cannot_be_opened_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "run" / "train.log").mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"^textgan_lit: \S+train\.log: Is a directory\. See to the disk"):
        run(monkeypatch, *SMOKE, f"hydra.run.dir={tmp_path / 'run'}")


@pytest.mark.slow
def test_a_run_with_wandb_holds_no_link_and_goes_on(tmp_path):
    """W&B's own are links; a run's folder with one is refused, whoever made it."""
    folder = tmp_path / "run"
    words = [word for word in SMOKE if word != "logger=csv"]
    assert play(folder, *words, "trainer.max_steps=1", f"hydra.run.dir={folder}").returncode == 0
    assert (folder / "wandb").is_dir()
    links = [path.name for path in folder.rglob("*") if path.is_symlink()]
    assert set(links) <= {folders.WANDBS_LINK}
    done = play(folder, f"resume={folder}", "trainer.max_steps=2")
    assert done.returncode == 0, done.stderr
    (words,) = (
        path.parent for path in folder.rglob("wandb/*/files/.hydra/overrides.yaml") if "max_steps=2" in path.read_text()
    )
    assert (words / "config.yaml").read_text() == (folder / ".hydra" / "config.yaml").read_text()


def test_a_trap_in_a_folder_that_is_taken_up_is_named_before_anything_is_written(monkeypatch, tmp_path):
    folder, precious = tmp_path / "run", tmp_path / "profile"
    run(monkeypatch, *SMOKE, "trainer.max_steps=1", f"hydra.run.dir={folder}")
    precious.write_text("mine\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in ("train.log", ".hydra/config.yaml", "checkpoints/extra"):
        trap = folder / name
        trap.unlink(missing_ok=True)
        for make in (os.symlink, os.link):
            make(precious, trap)
            for words in ((f"resume={folder}",), (*SMOKE, f"hydra.run.dir={folder}", "overwrite=true")):
                with pytest.raises(SystemExit, match=rf"run holds {name}, a "):
                    run(monkeypatch, *words)
            trap.unlink()
        if trap in before:
            trap.write_bytes(before[trap])
    assert precious.read_text() == "mine\n"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_a_killed_process_left_half_written_goes_when_the_run_goes_on(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "trainer.max_steps=1", f"hydra.run.dir={folder}")
    for place in (folder, folder / "checkpoints"):
        (place / ".0123456789abcdef.part").write_text("half")
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=2")
    assert not list(folder.rglob(files.PART))


# --- which run, and with which words ----------------------------------------------------------------------------------

SMOKE = ("debug=smoke", "logger=csv", "model=mle", "data=tiny", "data.train=256", "data.valid=64", "data.test=64")
SMOKE += ("model.moves.likelihood.batch=16",)


def test_the_newest_unfinished_run_of_the_same_configuration_is_found(monkeypatch, tmp_path, capsys):
    words = (*SMOKE, f"outputs={tmp_path}")
    run(monkeypatch, *words, "resume=true")
    assert "no unfinished run of this configuration below" in capsys.readouterr().out
    (folder,) = (path.parent for path in tmp_path.rglob("run.json"))
    assert record(folder)["finished"]
    note(folder, record(folder) | {"finished": False})
    run(monkeypatch, *words, "resume=true")
    assert f"Going on with the run in {folder}." in capsys.readouterr().out
    assert record(folder)["finished"]
    note(folder, record(folder) | {"finished": False})
    run(monkeypatch, *words, "resume=true", f"hydra.run.dir={tmp_path}/other", "seed=2")  # its own folder, its own run
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


@pytest.mark.slow
def test_processes_that_start_at_once_all_play(tmp_path):
    command = [sys.executable, str(CHECKOUT / "train.py"), *SMOKE, "trainer.max_steps=1"]
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(5)]
    assert [one.wait() for one in runs] == [0] * 5
    assert len([path for path in tmp_path.rglob("run.json") if record(path.parent)["finished"]]) == 5


def test_a_finished_run_taken_up_with_more_turns_goes_on_and_says_what_is_new(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "trainer.max_steps=2", f"hydra.run.dir={folder}")
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=4")
    said = capsys.readouterr().out
    assert "trainer.max_steps: was 2, now 4" in said
    assert "Going on after turn 2." in said
    run(monkeypatch, *SMOKE, "trainer.max_steps=4", f"hydra.run.dir={tmp_path / 'whole'}")
    states = [read(kept(where / "checkpoints")[0])["state_dict"] for where in (folder, tmp_path / "whole")]
    same(*states)
    assert rows(folder)[-1]["turns/all"] == 4


def test_a_run_on_text_goes_on_with_the_same_file_alone(monkeypatch, tmp_path, capsys):
    folder, file = tmp_path / "run", tmp_path / "my.txt"
    lines = [f"{a} {b}" for a in "abcdef" for b in "ghijkl"]
    file.write_text("\n".join(lines))
    words = ("debug=smoke", "logger=csv", "model=mle", "data=text", f"data.path={file}", f"data.cache={folder}/cache")
    run(monkeypatch, *words, "trainer.max_steps=2", f"hydra.run.dir={folder}")
    shutil.rmtree(folder / "cache")  # it is made again, and is the same
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=4")
    said = capsys.readouterr().out
    assert "Text: 30 train, 4 valid, 2 test sentences" in said
    assert rows(folder)[-1]["turns/all"] == 4
    file.write_text("\n".join([*lines, "a new line"]))
    others = r"learned from other sentences \(train \w+\) than there are now \(train \w+\)\. Give the files as they"
    with pytest.raises(SystemExit, match=others):
        run(monkeypatch, f"resume={folder}")
    file.write_text("\n".join(lines))
    for word, reason in (
        (
            "data.tokenizer=char",
            r"which are not the .* of the data now\. Give the data and data.tokenizer as they were",
        ),
        (f"data.cache={tmp_path}/other", r"data\.cache=\S* leads out of"),
    ):
        with pytest.raises(SystemExit, match=reason):
            run(monkeypatch, f"resume={folder}", word)
    assert len(textgan_lit.load(folder).sample(2)) == 2  # which needs neither


def test_a_run_is_taken_up_at_a_checkpoint_and_what_came_after_it_is_gone(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "callbacks.schedule.likelihood=1", f"hydra.run.dir={folder}")
    wanted, (_, older, _) = left(folder), kept(folder / "checkpoints")
    assert older.name == "turn-00000003.ckpt"
    (folder / "checkpoints" / "turn-00000099.ckpt").write_bytes(b"")
    run(monkeypatch, f"resume={older}")
    same(left(folder), wanted)
    copied = shutil.copy(older, older.with_name("before-fault-turn-00000003.ckpt"))
    run(monkeypatch, f"resume={copied}", "trainer.max_steps=3")  # plays nothing, so the older ones must still be there
    assert [path.name for path in kept(folder / "checkpoints")] == [f"turn-0000000{turn}.ckpt" for turn in (3, 2)]


def test_a_sweep_goes_on_where_it_was(monkeypatch, tmp_path, capsys):
    words = ("-m", *SMOKE, "seed=1,2", f"hydra.sweep.dir={tmp_path}/sweep")
    run(monkeypatch, *words)
    first, second = (tmp_path / "sweep" / name for name in "01")
    wanted, before = left(second), (first / "closing.json").stat().st_mtime_ns
    note(second, record(second) | {"finished": False})
    (second / "closing.json").unlink()
    capsys.readouterr()
    run(monkeypatch, *words, "resume=true")
    assert capsys.readouterr().out.count("Going on after turn 4.") == 1
    assert (first / "closing.json").stat().st_mtime_ns == before
    same(left(second), wanted)
    with pytest.raises(SystemExit, match=r"hydra\.sweep\.dir=multirun"):
        run(monkeypatch, "-m", *SMOKE, "seed=1,2", "resume=true")


@pytest.mark.slow
def test_a_signal_ends_a_sweep_and_not_only_its_job(tmp_path):
    words = (
        *SMOKE,
        "+callbacks.death._target_=tests.helpers.dying.Death",
        "seed=1,2",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    done = play(tmp_path / "sweep", "-m", *words, death="SIGTERM at 2 end")
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stdout.count("SIGTERM: stopped after turn 2.") == 1
    assert not (tmp_path / "sweep" / "1").exists()
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    "word", ["resume=3", "resume=[a]", "resume=nowhere", "resume=nowhere/turn-1.ckpt", "resume=turn-1.ckpt"]
)
def test_what_cannot_be_taken_up_is_refused(word, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"resume=.*(wanted true|no run was started there)"):
        run(monkeypatch, word)
    with pytest.raises(SystemExit, match=r"Give one of them"):
        run(monkeypatch, "resume=true", "overwrite=true")


def test_the_words_of_a_folder_are_its_own_and_nothing_more(tmp_path):
    (tmp_path / ".hydra").mkdir()
    stored = ["model=mle", "seed=4", "resume=true", "--config-dir=evil", "hydra.searchpath=[evil]", "+callbacks.x=1"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text("".join(f"- {json.dumps(word)}\n" for word in stored))
    words = [f"resume={tmp_path}", "seed=5"]
    path = f"'{tmp_path}'"
    assert expand(words) == ["model=mle", "+callbacks.x=1", f"resume={path}", "seed=5", f"hydra.run.dir={path}"]
    assert expand(["resume=true", "seed=5"]) == ["resume=true", "seed=5"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text("[")
    with pytest.raises(UserError, match="cannot be read"):
        expand(words)


def stored(tmp_path, *words):
    (tmp_path / ".hydra").mkdir(parents=True, exist_ok=True)
    (tmp_path / ".hydra" / "overrides.yaml").write_text("".join(f"- {json.dumps(word)}\n" for word in words))
    return f"resume={tmp_path}"


@pytest.mark.parametrize(
    "word",
    [
        "name=${oc.env:SECRET}",
        "name=$\\{oc.env:SECRET\\}",
        "name='${oc.env:SECRET}'",
        'name="a ${ oc.env:SECRET }"',
        "+data.x=[a,{b: '${now:%Y}'}]",
        "+data.x={a: $\\{oc.env:SECRET\\}}",
        "name=${a.${oc.env:SECRET}}",
        "name=$${seed}{oc.env:SECRET}",
        "name=${hydra:runtime.cwd}",
        "model=${oc.env:SECRET}",
        "~name=${oc.env:SECRET}",
    ],
)
def test_a_word_of_a_folder_asks_this_machine_for_nothing(word, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SECRET", "hush")
    resume = stored(tmp_path, "model=mle", word)
    with pytest.raises(
        SystemExit, match=r"(asks this machine for something|is none of Hydra's|no option of model)\. "
    ) as said:
        run(monkeypatch, resume)
    assert "hush" not in f"{said.value}{capsys.readouterr()}"
    assert expand([resume, f"{word.partition('=')[0].lstrip('+~')}=mine"])[0] != word  # it is given anew


def test_a_word_of_a_folder_may_name_another_setting(tmp_path):
    words = ["name=${model.program.k}-x", "data.path=a$b", "+data.x=[${.y},'${seed}']"]
    assert expand([stored(tmp_path, *words)])[: len(words)] == words


@pytest.mark.parametrize(
    "text", ["[", "a: 1", "- 1", "- [a]", "- &a name=x\n- *a", "- 'name=('", f"- '+x={'[' * 2000}'", "- !!str name=x"]
)
def test_words_that_hydra_has_not_written_are_refused(text, tmp_path):
    resume = stored(tmp_path)
    (tmp_path / ".hydra" / "overrides.yaml").write_text(text)
    with pytest.raises(UserError, match=r"resume=true|as the run has left it"):
        expand([resume])


def test_words_about_hydra_itself_are_left_out(tmp_path):
    words = ("hydra/launcher=joblib", "+callbacks@hydra.callbacks=default", "+hydra.job.env_set.A=b", "~hydra.sweeper")
    words += ("+callbacks@_global_.hydra.callbacks=default", "+model/reward@_here_.hydra.callbacks.x=score")
    assert expand([stored(tmp_path, "seed=2", *words)])[0] == "seed=2"
    assert len(expand([stored(tmp_path, "seed=2", *words)])) == 3


@pytest.mark.parametrize("word", ["experiment={}", "+sweep='{}'", "+experiment@hydra.callbacks={}", "experiment=[{}]"])
def test_a_word_of_a_folder_names_no_file_that_lies_elsewhere(word, monkeypatch, tmp_path):
    """Hydra follows ../ in an option's name, and whatever such a file says of Hydra itself is done."""
    harm = {"evil": {"_target_": "os.mkdir", "path": str(tmp_path / "harm")}}
    resume = stored(tmp_path, *SMOKE, word.format(os.path.relpath(tmp_path / ".hydra" / "evil", CONF / "experiment")))
    (tmp_path / ".hydra" / "evil.yaml").write_text(f"# @package hydra.callbacks\n{json.dumps(harm)}")
    with pytest.raises(SystemExit, match=r"a word of the run's folder, names no option of (experiment|sweep)\."):
        run(monkeypatch, resume, "trainer.max_steps=1")
    assert not (tmp_path / "harm").exists()


def test_what_hydra_would_compose_again_in_other_processes_is_no_setting(monkeypatch, tmp_path):
    resume = stored(tmp_path, *SMOKE, "+defaults=[evil]", "name=${defaults.0}")
    with pytest.raises(SystemExit, match="defaults: nothing here asks for that key"):
        run(monkeypatch, resume)


def test_nothing_of_a_folders_configuration_survives_into_the_next_life(monkeypatch, tmp_path, capsys):
    """Other processes are given .hydra/config.yaml: what Hydra has written there in this life, and nothing else."""
    monkeypatch.setenv("SECRET", "hush")
    folder = tmp_path / "run"
    run(monkeypatch, *SMOKE, "trainer.max_steps=2", f"hydra.run.dir={folder}")
    evil = {"name": "${oc.env:SECRET}", "seed": "\x1b[2J\x1b]8;;http://evil\x1b\\", "defaults": ["evil"], "a\x9bb": 1}
    (folder / ".hydra" / "hydra").mkdir()
    for name in ("config.yaml", "hydra.yaml", "evil.yaml", "hydra/config.yaml"):
        (folder / ".hydra" / name).write_text(json.dumps(evil))
    capsys.readouterr()
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=3")
    said = "".join(capsys.readouterr())
    assert r"seed: was '\x1b[2J\x1b]8;;http://evil\x1b\\', now 1" in said
    assert "name: was ${oc.env:SECRET}, now ${hydra:runtime.choices.model}" in said
    assert {path.name for path in (folder / ".hydra").iterdir()} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    for name in ("config.yaml", "hydra.yaml"):
        assert "evil" not in (folder / ".hydra" / name).read_text()
        assert "SECRET" not in (folder / ".hydra" / name).read_text()
    for sign in ("\x1b", "\x9b", "hush"):
        assert sign not in said
        kept = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".ckpt"]
        assert not [path for path in kept if path.name != "evil.yaml" and sign.encode() in path.read_bytes()]


@pytest.mark.slow
def test_several_processes_take_up_a_folder_whose_configuration_is_forged(monkeypatch, tmp_path):
    folder, harm = tmp_path / "run", tmp_path / "harm"
    words = (*SMOKE, "trainer=ddp_cpu", "trainer.devices=2")
    assert play(folder, *words, "trainer.max_steps=2", f"hydra.run.dir={folder}").returncode == 0
    code = {"hydra": {"callbacks": {"evil": {"_target_": "os.mkdir", "path": str(harm)}}}}
    (folder / ".hydra" / "config.yaml").write_text(json.dumps({"defaults": ["evil", "_self_"], **code}))
    for name in ("evil.yaml", "hydra.yaml", "hydra/config.yaml", "hydra/job_logging/disabled.yaml"):
        (folder / ".hydra" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / ".hydra" / name).write_text(json.dumps(code))
    folder = folder.rename(tmp_path / "it's")
    done = play(folder, f"resume={folder}", "trainer.max_steps=4")
    assert done.returncode == 0, done.stderr
    assert rows(folder)[-1]["turns/all"] == 4
    assert not harm.exists()


def test_a_folder_may_be_called_what_it_likes(monkeypatch, tmp_path):
    """A sweep's folders are called seed=1; Hydra takes the words that are made of such a path for that path."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for name in ("seed=1,k=3", "it's (new)", "~", "a\\'b", "a\\"):
        stored = tmp_path / name / ".hydra"
        stored.mkdir(parents=True)
        (stored / "overrides.yaml").write_text("- model=mle\n")
        monkeypatch.setenv("HOME", str(tmp_path / name))
        for given in (tmp_path / name, "~"):
            _, resume, run_dir = OverridesParser.create().parse_overrides(expand([f"resume={given}"]))
            assert resume.value() == run_dir.value() == str(tmp_path / name)


def test_a_folder_whose_name_asks_for_something_is_not_taken_up(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET", "hush")
    resume = stored(tmp_path / "${oc.env:SECRET}", *SMOKE)
    with pytest.raises(SystemExit, match="Rename the folder"):
        run(monkeypatch, resume, "trainer.max_steps=1")
    assert [path.name for path in tmp_path.iterdir()] == ["${oc.env:SECRET}"]


def test_a_folder_of_somebody_names_no_code_and_writes_nowhere_else(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harmful").mkdir()
    run(monkeypatch, *SMOKE, "trainer.max_steps=2", f"hydra.run.dir={folder}")
    stored = folder / ".hydra" / "overrides.yaml"
    theirs = stored.read_text()
    for word, said in {
        "model.generator._target_=subprocess.Popen": "names code",
        f"+callbacks.more={{_target_: os.mkdir, path: {tmp_path / 'harm'}}}": "names code",
        f"callbacks.truth.folder={tmp_path / 'harm'}": "leads out of",
        "logger.csv.folder=../harm": "leads out of",
        "callbacks.samples.folder=harm": "leads out of",
        "callbacks.checkpoints.folder='~/harm'": "leads out of",
        "callbacks.closing.folder='a\0b'": "leads out of",
        "+data.cache=harm": "leads out of",
        "+data.name=${callbacks.samples.folder}": "folder may hold code",
        "+data.name=harmful": "folder may hold code",
        "+metrics.closing.x={_target_: textgan_lit.metrics.mauve.Mauve, features: harmful}": "folder may hold code",
        "+metrics.closing.x={_target_: textgan_lit.metrics.mauve.Mauve, features: 's3://a'}": "folder may hold code",
    }.items():
        stored.write_text(theirs + f"- {json.dumps(word)}\n")
        with pytest.raises(SystemExit, match=said):
            run(monkeypatch, f"resume={folder}", "trainer.max_steps=3")
    assert not (tmp_path / "harm").exists()
    stored.write_text(theirs)
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=3")
    assert rows(folder)[-1]["turns/all"] == 3


def test_settings_are_compared_by_their_full_names():
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
