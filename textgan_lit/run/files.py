"""How every file is written: whole or not at all, or a row at its end, and never through a link.

A folder that came from somebody else may hold links, pipes and second names of other people's files under every name
that can be known beforehand. So a file is made under a name that nobody knows, in a folder that is held open, and gets
its own when it is complete; what grows has to be a plain file with one name. Nothing else here opens a file to write.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
END = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # of a pipe: at once
TRAP = "not a plain file with a single name"
SUFFIX = ".part"
PART = f".{'?' * 16}{SUFFIX}"  # what a killed process may leave of a file on its way
MODE = 0o666  # less what the process's umask takes away


def replace(path: Path, content: str | bytes | memoryview, durable: bool = False) -> None:
    """``path`` is the old file or the whole new one; where it was a link, the link is replaced.

    With ``durable`` it waits for the disk, so that a power cut afterwards takes nothing back.
    """
    with replacing(path, durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[BinaryIO]:
    """A file that gets the name ``path`` when the block has ended well, and is gone when it has not."""
    folder, part = os.open(path.parent, FOLDER), f".{secrets.token_hex(8)}{SUFFIX}"
    try:
        with open(os.open(part, NEW, MODE, dir_fd=folder), "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        if durable:
            os.fsync(folder)  # a power cut could take the new name back
    except OSError as error:
        if error.filename in (None, part):
            error.filename = str(path)
        raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        os.close(folder)


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A new folder that gets the name ``folder`` when the block has ended well, and is gone when it has not; that of a
    process that was killed goes first. Of one process at a time: hold a lock."""
    part = folder.with_name(f"{folder.name}{SUFFIX}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()  # which refuses what is there all the same
    try:
        yield part
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def append(path: Path, text: str) -> None:
    """``text`` at the end of ``path``, whole or not at all.

    Raises:
        OSError: also where ``path`` is a link, no plain file, or has another name.
    """
    try:
        handle = os.open(path, END, MODE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a pipe or a socket
            error.strerror = TRAP
        raise
    try:
        before = os.fstat(handle)
        if not is_plain(before):
            raise OSError(errno.ELOOP, TRAP, str(path))
        try:
            rest = memoryview(text.encode())
            while rest:
                rest = rest[os.write(handle, rest) :]
        except OSError as error:
            os.ftruncate(handle, before.st_size)
            error.filename = str(path)
            raise
    finally:
        os.close(handle)


def lock(path: Path) -> FileLock:
    """The lock that ``path`` stands for, not yet held; the system drops it with the process that held it."""
    append(path, "")  # makes it, or refuses what filelock would empty
    return FileLock(path)


def is_plain(found: os.stat_result) -> bool:
    """Whether it is a file, and has no other name that leads to it."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1
