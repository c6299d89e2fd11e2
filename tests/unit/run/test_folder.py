"""Whose a folder is, and what is taken away from it."""

import csv
import json
import os

import pytest

from textgan_lit.errors import UserError
from textgan_lit.run import folder as folders
from textgan_lit.run.folder import busy, claim, fresh, identity, note, record, rewind, start, unfinished, unlock


@pytest.fixture(autouse=True)
def given_back():
    yield
    unlock()


def test_of_two_that_want_one_folder_the_second_is_refused_until_the_first_has_ended(tmp_path):
    folder = tmp_path / "run"
    claim(folder, "hydra.run.dir")
    assert busy(folder)
    with pytest.raises(UserError, match=r"hydra\.run\.dir=.*run is being played by another process"):
        claim(folder, "hydra.run.dir")
    unlock()
    assert not busy(folder)
    claim(folder, "hydra.run.dir")


def test_a_run_is_refused_or_replaced_or_gone_on_with(tmp_path):
    start(tmp_path, "configuration")
    (tmp_path / "metrics.csv").write_text("mine")
    with pytest.raises(UserError, match=r"holds a run.*resume=true.*overwrite=true"):
        claim(tmp_path, "hydra.run.dir")
    claim(tmp_path, "hydra.run.dir", again=True)
    assert (tmp_path / "metrics.csv").read_text() == "mine"
    unlock()
    (tmp_path / "thesis.tex").write_text("mine, too")
    claim(tmp_path, "hydra.run.dir", overwrite=True)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.tex"]


def test_a_fresh_folder_is_had_once(tmp_path):
    asked = [fresh(tmp_path / "day" / "12-00-00") for _ in range(3)]
    assert [path.name for path in asked] == ["12-00-00", "12-00-00-2", "12-00-00-3"]
    assert all(path.is_dir() for path in asked)
    (tmp_path / "file").write_text("")
    assert fresh(tmp_path / "file" / "run") == tmp_path / "file" / "run"  # claim says why there is none


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"hydra\.run\.dir=.*cannot be written \(Not a directory\)"):
        claim(tmp_path / "file" / "run", "hydra.run.dir")


@pytest.mark.parametrize("name", ["metrics.csv", "checkpoints", "run.json", ".hydra/config.yaml", "0/wandb/a/b/c"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.symlink, "a link that leads elsewhere"),
        (lambda _, path: path.symlink_to("nowhere"), "a link that leads elsewhere"),
        (lambda target, path: os.link(target / "mine", path), r"has another name \(a hard link\). Copy the folder"),
        (lambda _, path: os.mkfifo(path), "neither a file nor a folder"),
    ],
    ids=["link", "dangling", "hard", "pipe"],
)
def test_a_folder_with_anything_but_plain_files_and_folders_is_refused(make, said, name, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "mine").write_text("mine")
    trap = tmp_path / "run" / name
    trap.parent.mkdir(parents=True)
    make(tmp_path / "precious", trap)
    for way in ({"again": True}, {"overwrite": True}, {}):
        with pytest.raises(UserError, match=rf"run holds {name}, .*{said}"):
            claim(tmp_path / "run", "hydra.run.dir", **way)
        assert not busy(tmp_path / "run")
    assert (tmp_path / "precious" / "mine").read_text() == "mine"
    trap.unlink()
    claim(tmp_path / "run", "hydra.run.dir", again=True)


def test_a_trap_in_the_locks_place_is_refused(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    for make in (os.symlink, os.link):
        make(tmp_path / "precious", tmp_path / "run" / ".lock")
        with pytest.raises(UserError, match=r"cannot be written \(not a plain file with a single name\)"):
            claim(tmp_path / "run", "hydra.run.dir", again=True)
        assert busy(tmp_path / "run")  # at least not free
        (tmp_path / "run" / ".lock").unlink()
    assert (tmp_path / "precious").read_text() == "mine"


def test_the_link_that_wandb_makes_is_taken_away_and_what_it_leads_to_is_not(tmp_path):
    (tmp_path / "precious").write_text("mine")
    link = tmp_path / "run" / "wandb" / "offline-run-1" / "logs" / "debug-core.log"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "precious")
    claim(tmp_path / "run", "hydra.run.dir", again=True)
    assert not link.is_symlink()
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_folder_may_itself_be_reached_through_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    claim(tmp_path / "link", "hydra.run.dir")


def test_a_name_reaches_no_terminal_raw(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "\x1b[31m").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"run holds '\\x1b\[31m', a link") as caught:
        claim(tmp_path / "run", "hydra.run.dir")
    assert str(caught.value).isprintable()


def test_rows_after_the_step_and_half_rows_are_taken_away(tmp_path):
    rows = [["loss", "steps/all"], ["1.5", "3"], ["1.25", "4"], ["1.0", "5"], ["7"]]
    (tmp_path / "metrics.csv").write_text("\n".join(map(",".join, rows)))
    lines = [json.dumps({"steps/all": step}) for step in (3, 4, 5)]
    for name in ("evaluations.jsonl", "samples.jsonl"):
        (tmp_path / name).write_text("\n".join([*lines, '{"steps/al']))
    rewind(tmp_path, 4)
    with (tmp_path / "metrics.csv").open() as file:
        assert list(csv.reader(file)) == rows[:3]
    for name in ("evaluations.jsonl", "samples.jsonl"):
        assert (tmp_path / name).read_text().splitlines() == lines[:2]
    rewind(tmp_path, -1)
    assert (tmp_path / "metrics.csv").read_text() == "loss,steps/all\n"
    assert (tmp_path / "evaluations.jsonl").read_text() == (tmp_path / "samples.jsonl").read_text() == ""


def test_the_identity_of_a_configuration_is_that_of_the_run_not_of_its_folder():
    here = {"seed": 1, "resume": False, "folder": "/a/b", "nested": {"path": "/a/b/c"}}
    there = {"seed": 1, "resume": True, "folder": "/x", "nested": {"path": "/x/c"}}
    assert identity(here, "/a/b") == identity(there, "/x")
    assert identity(here, "/a/b") != identity({**here, "seed": 2}, "/a/b")


def test_unfinished_runs_of_a_configuration_are_found_the_newest_first(tmp_path):
    for number, name in enumerate(("old", "new", "other", "done")):
        (tmp_path / "day" / name).mkdir(parents=True)
        start(tmp_path / "day" / name, "other" if name == "other" else "mine")
        note(tmp_path / "day" / name, record(tmp_path / "day" / name) | {"started": number})
    folders.finish(tmp_path / "day" / "done", 0.5)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("[")
    assert [path.name for path in unfinished(tmp_path, "mine")] == ["new", "old"]
    start(tmp_path / "day" / "old", "mine")  # taken up: it began when it began
    assert record(tmp_path / "day" / "old")["started"] == 0
