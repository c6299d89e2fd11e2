"""What the pages quote: bash itself says which programs a block starts, and with which arguments."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "studies/README.md")),
        *(ROOT / "docs").rglob("*.md"),
    )
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("python", "pip", "textgan", "textgan-train", "bash", "make", "torchrun", "srun", "wandb")
INLINE = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")
VARIABLES = {
    "SLURM_JOB_ID": "1",
    "HOSTNAME": "here",
    "SEQGAN_ORACLE": "oracle.npz",
    "COCO_TRAIN": "a",
    "OWN_TEXT": "files",
    "START": "runs/discriminator_data",
    "COCO_TEST": "b",
    "SMOLLM2": "smollm2",
    "MINILM": "minilm",
}

# No program is found, so bash hands each with its arguments to this function; 3 stays open where a pipe takes the
# output. One write a program: both ends of a pipe run at once.
SHELL = r"""
exec 3>&1 >/dev/null
PATH=/nowhere
command_not_found_handle() { printf -v words '%s\x1f' "$@"; printf '%s\x1e' "$words" >&3; }
"""


def fenced(page: str, language: str = "bash") -> list[str]:
    """The blocks of a language."""
    return [text for name, text in FENCE.findall((ROOT / page).read_text()) if name == language]


def inline(page: str) -> list[str]:
    """Commands within sentences."""
    return INLINE.findall(FENCE.sub("", (ROOT / page).read_text()).replace("\n", " "))


def lines(block: str) -> list[str]:
    """A block's lines, continued ones joined, without those that only comment."""
    joined = block.replace("\\\n", " ").splitlines()
    return [line for line in joined if line.strip() and not line.startswith("#")]


def commands(line: str, folder: Path) -> list[list[str]]:
    """The programs that a line starts in ``folder``, each with its arguments. Of a loop, its first round."""
    line = re.sub(r"^for (\w+) in (\S+?)( .*?)?;", r"for \1 in \2;", line)
    shell = [shutil.which("bash"), "--norc", "-c", SHELL + line]
    done = subprocess.run(shell, cwd=folder, env=os.environ | VARIABLES, capture_output=True, text=True)
    return [command.split("\x1f")[:-1] for command in done.stdout.split("\x1e")[:-1]]
