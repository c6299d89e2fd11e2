"""Files that are whole, or not there, or refused."""

import copy
import os
import pickle
import stat
import zipfile

import pytest
import torch

from textgan_lit import files
from textgan_lit.checkpoint import Damaged, kept, named, newest, read, write

STATE = {"textgan_lit": {"turns": {"generator": 3}}, "state_dict": {"weight": torch.arange(1000.0)}}


def nothing_is_said(line):
    raise AssertionError(line)


def test_what_is_written_is_read(tmp_path):
    write(STATE, named(tmp_path, 3))
    found = read(named(tmp_path, 3))
    assert found["textgan_lit"] == STATE["textgan_lit"]
    assert found["state_dict"]["weight"].equal(STATE["state_dict"]["weight"])
    assert os.listdir(tmp_path) == ["turn-00000003.ckpt"]


def test_a_disk_that_fills_up_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    write(STATE, named(tmp_path, 3))

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write({**STATE, "textgan_lit": {}}, named(tmp_path, 3))
    assert read(named(tmp_path, 3))["textgan_lit"] == STATE["textgan_lit"]
    assert os.listdir(tmp_path) == ["turn-00000003.ckpt"]


def test_the_disk_has_a_file_before_its_name_and_its_name_before_the_run_goes_on(tmp_path, monkeypatch):
    waited = []

    def fsync(handle):
        waited.append(("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file", named(tmp_path, 3).exists()))

    monkeypatch.setattr(files.os, "fsync", fsync)
    write(STATE, named(tmp_path, 3))
    assert waited == [("file", False), ("folder", True)]


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_a_truncated_file_is_refused_and_the_one_before_taken(tmp_path, keep):
    for turn in (3, 20):
        write(STATE, named(tmp_path, turn))
    whole = named(tmp_path, 20).read_bytes()
    length = int(len(whole) * keep) if isinstance(keep, float) else keep % len(whole)
    named(tmp_path, 20).write_bytes(whole[:length])
    said = []
    assert newest(tmp_path, said.append) == named(tmp_path, 3)
    assert len(said) == 1
    assert "turn-00000020.ckpt" in said[0]


def test_every_altered_byte_of_the_weights_is_seen(tmp_path):
    path = named(tmp_path, 1)
    write(STATE, path)
    whole = path.read_bytes()
    start = whole.index(torch.arange(1000.0).numpy().tobytes())
    for place in range(start, start + 4000, 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Damaged, match="damaged"):
            read(path)


def test_the_newest_of_many_is_the_highest_turn(tmp_path):
    for turn in (9, 100_000_000_0 // 10, 10):
        write(STATE, named(tmp_path, turn))
    assert [path.name for path in kept(tmp_path)] == [f"turn-{turn:08d}.ckpt" for turn in (100_000_000, 10, 9)]
    assert newest(tmp_path, nothing_is_said) == named(tmp_path, 100_000_000)
    assert newest(tmp_path / "none", nothing_is_said) is None


class Harmful:
    def __reduce__(self):
        return (os.mkdir, ("harm",))


def test_a_file_that_would_run_code_runs_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**STATE, "more": Harmful()}, tmp_path / "turn-1.ckpt")
    (tmp_path / "turn-2.ckpt").write_bytes(pickle.dumps(Harmful()))
    for name in ("turn-1.ckpt", "turn-2.ckpt"):
        with pytest.raises(Damaged):
            read(tmp_path / name)
    assert not (tmp_path / "harm").exists()


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    """A small file may claim a large one: many entries of one directory, all of them at the same place."""
    write(STATE, tmp_path / "turn-1.ckpt")
    with zipfile.ZipFile(tmp_path / "turn-1.ckpt", "a") as archive:
        (large,) = (entry for entry in archive.infolist() if entry.file_size == 4000)
        for number in range(50):
            twin = copy.copy(large)
            twin.filename = f"{large.filename}{number}"
            archive.filelist.append(twin)
        archive._didModify = True
    with pytest.raises(Damaged, match="claims more bytes than it has"):
        read(tmp_path / "turn-1.ckpt")


def test_packed_entries_are_refused_where_packing_gains_nothing_too(tmp_path):
    """Nothing is unpacked, so that no size in a file's directory has to be believed."""
    write({**STATE, "state_dict": {"weight": torch.randint(256, (4000,), dtype=torch.uint8)}}, tmp_path / "turn-1.ckpt")
    with zipfile.ZipFile(tmp_path / "turn-1.ckpt") as plain, zipfile.ZipFile(tmp_path / "turn-2.ckpt", "w") as packed:
        for entry in plain.infolist():
            large = entry.file_size == 4000
            packed.writestr(entry.filename, plain.read(entry), zipfile.ZIP_DEFLATED if large else zipfile.ZIP_STORED)
    with pytest.raises(Damaged, match=r"damaged \(at .*data/0"):
        read(tmp_path / "turn-2.ckpt")


def test_folders_and_links_among_the_checkpoints_are_passed_over_with_a_warning(tmp_path):
    write(STATE, named(tmp_path, 3))
    named(tmp_path, 30).mkdir()
    named(tmp_path, 20).symlink_to(named(tmp_path, 3))
    named(tmp_path, 10).symlink_to(tmp_path / "nowhere")
    said = []
    assert newest(tmp_path, said.append) == named(tmp_path, 3)
    assert [line.split(":")[0][-13:] for line in said] == ["00000030.ckpt", "00000020.ckpt", "00000010.ckpt"]
    assert kept(tmp_path) == [named(tmp_path, 3)]  # nothing else is a run's own to delete


def test_a_bomb_a_link_and_a_stranger_are_refused(tmp_path):
    write(STATE, tmp_path / "turn-1.ckpt")
    with zipfile.ZipFile(tmp_path / "turn-1.ckpt") as plain, zipfile.ZipFile(tmp_path / "turn-2.ckpt", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), zipfile.ZIP_DEFLATED)
    (tmp_path / "turn-3.ckpt").symlink_to(tmp_path / "turn-1.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "turn-4.ckpt")
    for turn, said in {2: "damaged", 3: "not a file of its own", 4: "none of textgan_lit's"}.items():
        with pytest.raises(Damaged, match=said):
            read(tmp_path / f"turn-{turn}.ckpt")
