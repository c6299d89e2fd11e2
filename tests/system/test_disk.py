"""A disk that is full, and files that cannot be written: one line, and nothing half-written."""

import errno
import re
import subprocess
import sys

import pytest

from tests.helpers.command import rows, run
from tests.helpers.lives import CHECKOUT, RUN, SMOKE
from textgan_lit.run import files

pytestmark = pytest.mark.usefixtures("unchecked_shapes")
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
    overrides = [override for override in SMOKE if not override.startswith("logger=")] + [
        f"logger={logger}",
        "trainer.max_steps=2",
    ]
    command = [sys.executable, str(CHECKOUT / "train.py"), *overrides, f"hydra.run.dir={tmp_path / 'run'}"]
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


@pytest.mark.parametrize(
    "name",
    ["run.json", *(pytest.param(name, marks=pytest.mark.slow) for name in ("config.yaml", "overrides.yaml"))],
)
def test_a_disk_that_is_full_when_a_run_begins_is_one_line_and_nothing_is_half_written(name, monkeypatch, tmp_path):
    folder, others = tmp_path / "run", (*SMOKE, "trainer.max_steps=1")
    real = files.replacing

    def full(path, durable=False):
        if path.name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, durable)

    def refused(*overrides):
        with monkeypatch.context() as patched:
            patched.setattr(files, "replacing", full)
            with pytest.raises(SystemExit) as caught:
                run(patched, *overrides)
        assert re.fullmatch(rf"textgan_lit: \S+{name}: No space left on device\. See to .*", caught.value.code)

    refused(*others, f"hydra.run.dir={folder}")
    run(monkeypatch, *others, f"hydra.run.dir={folder}")  # the corrected command, with the same overrides
    before = {path: path.read_bytes() for path in (folder / ".hydra").iterdir()}
    assert {path.name for path in before} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    refused(f"resume={folder}", "trainer.max_steps=2")
    assert before[folder / ".hydra" / name] == (folder / ".hydra" / name).read_bytes() if "yaml" in name else True
    run(monkeypatch, f"resume={folder}", "trainer.max_steps=2")
    assert rows(folder)[-1]["steps/all"] == 2


def test_a_log_that_cannot_be_opened_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "run" / "train.log").mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"^textgan_lit: \S+train\.log: Is a directory\. See to the disk"):
        run(monkeypatch, *SMOKE, f"hydra.run.dir={tmp_path / 'run'}")
