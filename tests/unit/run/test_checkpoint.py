"""Files that are whole, or not there, or refused."""

import os
import pickle
import stat

import pytest
import safetensors.torch
import torch

from textgan_lit.errors import UserError
from textgan_lit.run import files
from textgan_lit.run.checkpoint import Damaged, Gone, kept, named, newest, read, write

STATE = {"textgan_lit": {"steps": {"generator": 3}}, "state_dict": {"weight": torch.arange(1000.0)}}


def nothing_is_said(line):
    raise AssertionError(line)


def test_what_is_written_is_read(tmp_path):
    write(STATE, named(tmp_path, 3))
    found = read(named(tmp_path, 3))
    assert found["textgan_lit"] == STATE["textgan_lit"]
    assert found["state_dict"]["weight"].equal(STATE["state_dict"]["weight"])
    assert os.listdir(tmp_path) == ["step-00000003.ckpt"]


def test_a_disk_that_fills_up_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    write(STATE, named(tmp_path, 3))

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write({**STATE, "textgan_lit": {}}, named(tmp_path, 3))
    assert read(named(tmp_path, 3))["textgan_lit"] == STATE["textgan_lit"]
    assert os.listdir(tmp_path) == ["step-00000003.ckpt"]


def test_the_disk_has_a_file_before_its_name_and_its_name_before_the_run_goes_on(tmp_path, monkeypatch):
    waited = []

    def fsync(handle):
        waited.append(("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file", named(tmp_path, 3).exists()))

    monkeypatch.setattr(files.os, "fsync", fsync)
    write(STATE, named(tmp_path, 3))
    assert waited == [("file", False), ("folder", True)]


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_a_truncated_file_is_refused_and_the_one_before_taken(tmp_path, keep):
    for step in (3, 20):
        write(STATE, named(tmp_path, step))
    whole = named(tmp_path, 20).read_bytes()
    length = int(len(whole) * keep) if isinstance(keep, float) else keep % len(whole)
    named(tmp_path, 20).write_bytes(whole[:length])
    said = []
    assert newest(tmp_path, said.append).path == named(tmp_path, 3)
    assert len(said) == 1
    assert "step-00000020.ckpt" in said[0]


def test_every_altered_byte_is_seen(tmp_path):
    path = named(tmp_path, 1)
    write(STATE, path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Damaged, match="not a whole checkpoint"):
            read(path)


def test_the_newest_of_many_is_the_highest_step(tmp_path):
    for step in (9, 100_000_000_0 // 10, 10):
        write(STATE, named(tmp_path, step))
    assert [path.name for path in kept(tmp_path)] == [f"step-{step:08d}.ckpt" for step in (100_000_000, 10, 9)]
    assert newest(tmp_path, nothing_is_said).path == named(tmp_path, 100_000_000)
    assert newest(tmp_path / "none", nothing_is_said) is None


class Harmful:
    def __reduce__(self):
        return (os.mkdir, ("harm",))


def test_checkpoints_of_before_are_refused_whatever_they_would_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**STATE, "more": Harmful()}, tmp_path / "step-1.ckpt")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"step-1\.ckpt is of an earlier textgan_lit, which pickled .*play the run anew"
        ):
            read(tmp_path / "step-1.ckpt")
        with pytest.raises(UserError, match="earlier textgan_lit"):  # not passed over, or the run would begin anew
            newest(tmp_path, nothing_is_said)
        torch.save(STATE, tmp_path / "step-1.ckpt")
    (tmp_path / "step-1.ckpt").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(Damaged):
        read(tmp_path / "step-1.ckpt")
    assert not (tmp_path / "harm").exists()


def test_folders_and_links_among_the_checkpoints_are_passed_over_with_a_warning(tmp_path):
    write(STATE, named(tmp_path, 3))
    named(tmp_path, 30).mkdir()
    named(tmp_path, 20).symlink_to(named(tmp_path, 3))
    named(tmp_path, 10).symlink_to(tmp_path / "nowhere")
    said = []
    assert newest(tmp_path, said.append).path == named(tmp_path, 3)
    assert [line.split(":")[0][-13:] for line in said] == ["00000030.ckpt", "00000020.ckpt", "00000010.ckpt"]
    assert kept(tmp_path) == [named(tmp_path, 3)]  # nothing else is a run's own to delete


def test_links_pipes_strangers_and_what_no_memory_holds_are_refused(tmp_path):
    write(STATE, tmp_path / "step-1.ckpt")
    (tmp_path / "step-2.ckpt").symlink_to(tmp_path / "step-1.ckpt")
    os.mkfifo(tmp_path / "step-3.ckpt")
    write({"state_dict": {}}, tmp_path / "step-4.ckpt")
    write({"textgan_lit": {}}, tmp_path / "step-5.ckpt")
    safetensors.torch.save_file(STATE["state_dict"], tmp_path / "step-6.ckpt")
    with (tmp_path / "step-7.ckpt").open("wb") as file:
        file.truncate(2**40)
    wanted = {
        6: "it has no digest",
        2: "not a file of its own",
        3: "not a file of its own",
        7: "not a whole checkpoint",
    }
    wanted |= dict.fromkeys((4, 5), "none of textgan_lit's")
    for step, said in wanted.items():
        with pytest.raises(Damaged, match=said):
            read(tmp_path / f"step-{step}.ckpt")
    with pytest.raises(Gone, match="no such file"):
        read(tmp_path / "step-8.ckpt")


# --- a run that plays while somebody reads ----------------------------------------------------------------------------


def rotating(folder, monkeypatch, losses):
    """A run that saves its next step and lets go of the last each time that its newest is about to be opened."""
    opened, steps = os.open, iter(range(4, 4 + losses))

    def open_(path, flags, *more, **options):
        last = max((path for path in folder.glob("step-*.ckpt") if path.stat().st_size), default=None)
        if last is not None and path == last.name and (step := next(steps, None)):
            monkeypatch.setattr(os, "open", opened)
            write(STATE, named(folder, step))
            last.unlink()
            monkeypatch.setattr(os, "open", open_)
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", open_)


@pytest.mark.parametrize("losses", [1, 2, 7])
def test_what_is_let_go_of_while_somebody_reads_is_neither_damaged_nor_missed(losses, tmp_path, monkeypatch):
    write(STATE, named(tmp_path, 3))
    rotating(tmp_path, monkeypatch, losses)
    found = newest(tmp_path, nothing_is_said)
    assert found.path == named(tmp_path, 3 + losses)
    assert found.state["textgan_lit"] == STATE["textgan_lit"]


def test_a_file_that_is_damaged_is_said_once_however_often_the_folder_is_listed(tmp_path, monkeypatch):
    write(STATE, named(tmp_path, 3))
    named(tmp_path, 1).write_bytes(b"")
    named(tmp_path, 99).write_bytes(b"")
    rotating(tmp_path, monkeypatch, 2)
    said = []
    assert newest(tmp_path, said.append).path == named(tmp_path, 5)
    assert [line.partition(".ckpt")[0][-2:] for line in said] == ["99", "01"]


def test_a_file_that_is_longer_than_it_says_is_not_read_to_its_end(tmp_path):
    write(STATE, path := tmp_path / "step-00000001.ckpt")
    with path.open("ab") as file:
        file.truncate(2**40)  # a hole: more than any memory, and no disk
    with pytest.raises(Damaged, match="not as long as it says"):
        read(path)
