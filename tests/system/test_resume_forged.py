"""A run's folder may be anybody's: what is taken up of it, and the traps that are named before anything is written."""

import json
import os

import pytest

from tests.helpers.command import rows, run
from tests.helpers.lives import SMOKE, play
from textgan_lit.build.trust import CONF
from textgan_lit.errors import UserError
from textgan_lit.run.resume import expand

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


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
            for overrides in ((f"resume={folder}",), (*SMOKE, f"hydra.run.dir={folder}", "overwrite=true")):
                with pytest.raises(SystemExit, match=rf"run holds {name}, a "):
                    run(monkeypatch, *overrides)
            trap.unlink()
        if trap in before:
            trap.write_bytes(before[trap])
    assert precious.read_text() == "mine\n"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_overrides_of_a_folder_are_its_own_and_nothing_more(tmp_path):
    (tmp_path / ".hydra").mkdir()
    stored = ["model=mle", "seed=4", "resume=true", "--config-dir=evil", "hydra.searchpath=[evil]", "+callbacks.x=1"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text("".join(f"- {json.dumps(override)}\n" for override in stored))
    overrides = [f"resume={tmp_path}", "seed=5"]
    path = f"'{tmp_path}'"
    assert expand(overrides) == ["model=mle", "+callbacks.x=1", f"resume={path}", "seed=5", f"hydra.run.dir={path}"]
    assert expand(["resume=true", "seed=5"]) == ["resume=true", "seed=5"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text("[")
    with pytest.raises(UserError, match="cannot be read"):
        expand(overrides)


def stored(tmp_path, *overrides):
    (tmp_path / ".hydra").mkdir(parents=True, exist_ok=True)
    (tmp_path / ".hydra" / "overrides.yaml").write_text(
        "".join(f"- {json.dumps(override)}\n" for override in overrides)
    )
    return f"resume={tmp_path}"


@pytest.mark.parametrize(
    "override",
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
def test_an_override_of_a_folder_asks_this_machine_for_nothing(override, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SECRET", "hush")
    resume = stored(tmp_path, "model=mle", override)
    with pytest.raises(
        SystemExit, match=r"(asks this machine for something|is none of Hydra's|no option of model)\. "
    ) as said:
        run(monkeypatch, resume)
    assert "hush" not in f"{said.value}{capsys.readouterr()}"
    assert expand([resume, f"{override.partition('=')[0].lstrip('+~')}=mine"])[0] != override  # it is given anew


def test_an_override_of_a_folder_may_name_another_setting(tmp_path):
    overrides = ["name=${model.schedule.k}-x", "data.path=a$b", "+data.x=[${.y},'${seed}']"]
    assert expand([stored(tmp_path, *overrides)])[: len(overrides)] == overrides


@pytest.mark.parametrize(
    "text", ["[", "a: 1", "- 1", "- [a]", "- &a name=x\n- *a", "- 'name=('", f"- '+x={'[' * 2000}'", "- !!str name=x"]
)
def test_overrides_that_hydra_has_not_written_are_refused(text, tmp_path):
    resume = stored(tmp_path)
    (tmp_path / ".hydra" / "overrides.yaml").write_text(text)
    with pytest.raises(UserError, match=r"resume=true|as the run has left it"):
        expand([resume])


def test_overrides_about_hydra_itself_are_left_out(tmp_path):
    overrides = (
        "hydra/launcher=joblib",
        "+callbacks@hydra.callbacks=default",
        "+hydra.job.env_set.A=b",
        "~hydra.sweeper",
    )
    overrides += ("+callbacks@_global_.hydra.callbacks=default", "+model/reward@_here_.hydra.callbacks.x=score")
    assert expand([stored(tmp_path, "seed=2", *overrides)])[0] == "seed=2"
    assert len(expand([stored(tmp_path, "seed=2", *overrides)])) == 3


@pytest.mark.parametrize(
    "override", ["experiment={}", "+sweep='{}'", "+experiment@hydra.callbacks={}", "experiment=[{}]"]
)
def test_an_override_of_a_folder_names_no_file_that_lies_elsewhere(override, monkeypatch, tmp_path):
    """Hydra follows ../ in an option's name, and whatever such a file says of Hydra itself is done."""
    harm = {"evil": {"_target_": "os.mkdir", "path": str(tmp_path / "harm")}}
    resume = stored(
        tmp_path, *SMOKE, override.format(os.path.relpath(tmp_path / ".hydra" / "evil", CONF / "experiment"))
    )
    (tmp_path / ".hydra" / "evil.yaml").write_text(f"# @package hydra.callbacks\n{json.dumps(harm)}")
    with pytest.raises(SystemExit, match=r"an override of the run's folder, names no option of (experiment|sweep)\."):
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
    overrides = (*SMOKE, "trainer=ddp_cpu", "trainer.devices=2")
    assert play(folder, *overrides, "trainer.max_steps=2", f"hydra.run.dir={folder}").returncode == 0
    code = {"hydra": {"callbacks": {"evil": {"_target_": "os.mkdir", "path": str(harm)}}}}
    (folder / ".hydra" / "config.yaml").write_text(json.dumps({"defaults": ["evil", "_self_"], **code}))
    for name in ("evil.yaml", "hydra.yaml", "hydra/config.yaml", "hydra/job_logging/disabled.yaml"):
        (folder / ".hydra" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / ".hydra" / name).write_text(json.dumps(code))
    folder = folder.rename(tmp_path / "it's")
    done = play(folder, f"resume={folder}", "trainer.max_steps=4")
    assert done.returncode == 0, done.stderr
    assert rows(folder)[-1]["steps/all"] == 4
    assert not harm.exists()


def test_a_folder_may_be_called_what_it_likes(monkeypatch, tmp_path):
    """A sweep's folders are called seed=1; Hydra takes the overrides that are made of such a path for that path."""
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
    for override, said in {
        "model.generator._target_=subprocess.Popen": "names code",
        f"+callbacks.more={{_target_: os.mkdir, path: {tmp_path / 'harm'}}}": "names code",
        f"+callbacks.truth.folder={tmp_path / 'harm'}": "leads out of",
        "+logger.csv.folder=../harm": "leads out of",
        "+callbacks.samples.folder=harm": "leads out of",
        "+callbacks.checkpoints.folder='~/harm'": "leads out of",
        "+callbacks.closing.folder='a\0b'": "leads out of",
        "+data.cache=harm": "leads out of",
        "+data.name=./harmful": "folder may hold code",
        "+data.name=harmful": "folder may hold code",
        "+metrics.closing.x={_target_: textgan_lit.metrics.mauve.Mauve, features: harmful}": "folder may hold code",
        "+metrics.closing.x={_target_: textgan_lit.metrics.mauve.Mauve, features: 's3://a'}": "folder may hold code",
    }.items():
        stored.write_text(theirs + f"- {json.dumps(override)}\n")
        with pytest.raises(SystemExit, match=said):
            run(monkeypatch, f"resume={folder}", "trainer.max_steps=3")
    assert not (tmp_path / "harm").exists()
    stored.write_text(theirs)
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=3")
    assert rows(folder)[-1]["steps/all"] == 3
