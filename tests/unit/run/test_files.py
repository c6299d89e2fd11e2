"""What is written is there whole or not at all, and never where a link leads."""

import errno
import os
import socket
import stat
import threading

import pytest
from filelock import Timeout

from textgan_lit.run import files
from textgan_lit.run.files import append, lock, making, replace, replacing

FULL = OSError(errno.ENOSPC, "No space left on device")


def names(folder):
    return sorted(os.listdir(folder))


@pytest.fixture
def precious(tmp_path):
    """Somebody's file outside the folder."""
    (tmp_path / "precious").write_text("mine\n")
    (tmp_path / "run").mkdir()
    yield tmp_path / "precious"
    assert (tmp_path / "precious").read_text() == "mine\n"
    assert names(tmp_path) == ["precious", "run"]


def symbolic(path, target):
    path.symlink_to(target)


def dangling(path, target):
    path.symlink_to(target.parent / "new")


def hard(path, target):
    os.link(target, path)


def pipe(path, _):
    os.mkfifo(path)


def plug(path, _):
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


TRAPS = [symbolic, dangling, hard, pipe, plug]


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_replaced_and_nothing_goes_through_it(trap, precious, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    path = tmp_path / "run" / "metrics.csv"
    trap(path, precious)
    replace(path, "new\n")
    found = path.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert found.st_nlink == 1
    assert path.read_text() == "new\n"
    assert names(tmp_path / "run") == ["metrics.csv"]


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("write", [lambda path: append(path, "row\n"), lock], ids=["append", "lock"])
def test_what_grows_and_what_locks_is_a_plain_file_or_refused_at_once(write, trap, precious, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run" / "metrics.csv"
    trap(path, precious)
    with pytest.raises(OSError, match=r"run/metrics\.csv"):
        write(path)


def test_no_name_of_a_file_on_its_way_can_be_known_beforehand(tmp_path, monkeypatch):
    made, plainly = [], os.open

    def seen(path, flags, *rest, **more):
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            assert flags & os.O_NOFOLLOW
            made.append(path)
        return plainly(path, flags, *rest, **more)

    monkeypatch.setattr(files.os, "open", seen)
    for _ in range(2):
        replace(tmp_path / "file", "text")
    assert len(set(made)) == 2
    assert all(len(name) > 16 and "file" not in name for name in made)


def test_the_folder_stays_the_one_that_was_opened(precious, tmp_path):
    """Whoever may write in its parent cannot have the file made elsewhere while it is written."""
    (tmp_path / "run" / "inner").mkdir()
    with replacing(tmp_path / "run" / "inner" / "precious") as file:
        (tmp_path / "run" / "inner").rename(tmp_path / "run" / "moved")
        (tmp_path / "run" / "inner").symlink_to(tmp_path)
        file.write(b"new\n")
    assert (tmp_path / "run" / "moved" / "precious").read_text() == "new\n"


@pytest.mark.parametrize("fails", ["replace", "fsync"])
def test_what_is_replaced_is_never_half_written(fails, tmp_path, monkeypatch):
    def full(*_, **__):
        raise FULL

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(files.os, fails, full)
    with pytest.raises(OSError, match="No space"):
        replace(tmp_path / "file", "new", durable=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_the_disk_has_a_file_before_its_name_and_its_name_before_the_caller_goes_on(tmp_path, monkeypatch):
    waited = []

    def fsync(handle):
        waited.append(("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file", (tmp_path / "file").exists()))

    monkeypatch.setattr(files.os, "fsync", fsync)
    replace(tmp_path / "other", "new")
    replace(tmp_path / "file", "new", durable=True)
    assert waited == [("file", False), ("folder", True)]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("old")

    def half():
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_the_error_names_the_file_and_not_its_part(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as caught:
        replace(tmp_path / "nowhere" / "file", "text")
    assert caught.value.filename == str(tmp_path / "nowhere")
    real = os.open

    def full(path, flags, *rest, **more):
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(files.os, "open", full)
    with pytest.raises(OSError, match="No space") as caught:
        replace(tmp_path / "file", "text")
    assert caught.value.filename == str(tmp_path / "file")


def test_a_folder_is_made_whole_or_not_at_all(precious, tmp_path):
    def half():
        with making(tmp_path / "run" / "made") as part:
            (part / "file").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert names(tmp_path / "run") == []
    (tmp_path / "run" / "made.part").mkdir()
    (tmp_path / "run" / "made.part" / "left").write_text("by a process that was killed")
    with making(tmp_path / "run" / "made") as part:
        (part / "file").write_text("whole")
    assert names(tmp_path / "run") == ["made"]
    assert names(tmp_path / "run" / "made") == ["file"]
    (tmp_path / "run" / "other.part").symlink_to(tmp_path)
    with pytest.raises(FileExistsError), making(tmp_path / "run" / "other"):
        pass


def test_a_row_is_appended_whole_or_not_at_all(tmp_path, monkeypatch):
    path, real = tmp_path / "rows", os.write
    append(path, "one\n")

    def a_byte(handle, rest):
        return real(handle, rest[:1])

    monkeypatch.setattr(files.os, "write", a_byte)
    append(path, "two ½\n")
    assert path.read_text(encoding="utf-8") == "one\ntwo ½\n"
    room = iter(range(3))

    def full(handle, rest):
        if next(room, None) is None:
            raise FULL
        return real(handle, rest[:1])

    monkeypatch.setattr(files.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        append(path, "three\n")
    assert path.read_text(encoding="utf-8") == "one\ntwo ½\n"


def test_a_lock_is_held_by_one(tmp_path):
    with lock(tmp_path / ".lock").acquire(timeout=0):
        refused = []

        def another():
            try:
                lock(tmp_path / ".lock").acquire(timeout=0)
            except Timeout as error:
                refused.append(error)

        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
        assert refused
    lock(tmp_path / ".lock").acquire(timeout=0).lock.release()


def test_other_people_may_read_what_they_could_read_before(tmp_path):
    (tmp_path / "usual").write_text("")
    replace(tmp_path / "replaced", "")
    append(tmp_path / "appended", "")
    assert len({(tmp_path / name).stat().st_mode for name in ("usual", "replaced", "appended")}) == 1
