"""``python -m tests.mutations [WORD …]``: plays mutations.yaml, all of it or what has a WORD in its file or its text.

Each mutation is made alone in a copy of the tree. The fast tests of its file look first, and those of ``more`` where
these see nothing. A test kills it if it fails with the mutation and passes without. docs/mutations.md is written anew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
LIST, RESULTS, PAGE = HERE / "mutations.yaml", HERE / "results.json", CHECKOUT / "docs" / "mutations.md"
LIBRARIES = (
    "beartype",
    "hydra.utils",
    "hypothesis",
    "jaxtyping",
    "pytorch_lightning",
)  # imported once, for all mutations
SECONDS = 300  # of processor time for the tests of one mutation: one that never ends is killed, too


class Mutation(NamedTuple):
    """The text ``was`` of ``file`` becomes ``now``; ``note`` says why no test could see it, where that is so."""

    file: str
    was: str
    now: str
    note: str = ""

    def made(self, text: str) -> str:
        """``text`` of the file with the mutation in it."""
        if text.count(self.was) != 1:
            raise ValueError(f"{self.file}: {self.was!r} stands there {text.count(self.was)} times, wanted once")
        return text.replace(self.was, self.now)


def listed() -> dict[Mutation, tuple[list[str], list[str]]]:
    """Every mutation, the tests that look first, and those that look next."""
    return {
        Mutation(file, *pair): (found["tests"], found["more"])
        for file, found in yaml.safe_load(LIST.read_text()).items()
        for pair in found["mutations"]
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="of a file's path or of what is replaced; none: all")
    words, mutations = parser.parse_args().words, listed()
    chosen = [one for one in mutations if not words or any(word in f"{one.file} {one.was}" for word in words)]
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        tree, tests = copy(Path(folder)), set()
        for one in chosen:
            tests.add(test := killer(tree, one, mutations[one]))
            record(one, test)
        failed = first_failure(tree, sorted(tests - {"", "time"}))
    if failed:
        sys.exit(f"{failed} fails without a mutation, too: what it is said to have killed may live.")


def record(one: Mutation, test: str) -> None:
    """Writes what killed a mutation to the results and the page; those that are listed no more are left out."""
    results = {(row["file"], row["was"], row["now"]): row["killed_by"] for row in json.loads(RESULTS.read_text())}
    results[one[:3]] = test
    rows = [other._asdict() | {"killed_by": results[other[:3]]} for other in listed() if other[:3] in results]
    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(rows))


def copy(folder: Path) -> Path:
    """The tree as it stands, with what is not committed and without what is ignored."""
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, text=True)
    for name in names.splitlines():
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    return folder


def killer(tree: Path, one: Mutation, slices: tuple[list[str], list[str]]) -> str:
    """The test that sees the mutation; "" where none does."""
    path = tree / one.file
    text = path.read_text()
    _put(path, one.made(text))
    test = next(filter(None, (first_failure(tree, tests) for tests in slices)), "")
    _put(path, text)
    print(f"{'killed' if test else 'LIVES'}  {one.file}: {one.was}  →  {one.now}  {test}", flush=True)
    return test


def _put(path: Path, text: str) -> None:
    path.write_text(text)
    for stale in (path.parent / "__pycache__").glob(
        f"{path.stem}.*"
    ):  # told by seconds and size, which may be the same
        stale.unlink()


def first_failure(tree: Path, tests: Sequence[str]) -> str:
    """The first of the fast ``tests`` in ``tree`` that fails, "time" where they do not end, "" where all pass."""
    if not tests:
        return ""
    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_test, args=(tree, tests, send))
    process.start()
    process.join()
    return receive.recv() if receive.poll() else "time"


class First:
    """Pytest's plugin that remembers the first failure."""

    failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def _test(tree: Path, tests: Sequence[str], send: multiprocessing.connection.Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    os.chdir(tree)
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path) != CHECKOUT)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # this one is of another tree
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    first = First()
    status = pytest.main([*tests, "-n", "0", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"], [first])
    send.send(first.failed or ("" if status == pytest.ExitCode.OK else f"pytest's own error {status}"))


def page(rows: list[dict[str, str]]) -> str:
    """docs/mutations.md."""
    killed = sum(bool(row["killed_by"]) for row in rows)
    lines = ["| in place of | stood | killed by |", "|---|---|---|"]
    table, last = [], ""
    for row in rows:
        if row["file"] != last:
            last = row["file"]
            table += ["", f"## {last}", "", *lines]
        test = f"`{row['killed_by'].removeprefix('tests/')}`" if row["killed_by"] else f"**lives** {row['note']}"
        table.append(f"| {_code(row['was'])} | {_code(row['now'])} | {test} |")
    return HEAD.format(all=len(rows), killed=killed) + "\n".join(table) + "\n"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


HEAD = """<!-- Written by `python -m tests.mutations`. -->
# Mutations

Are the tests worth what they say? Each line below was wrong once, alone, in a copy of the tree: another sign, another
divisor, the wrong axis, a state that is forgotten. The fast tests (`-m "not slow"`) that belong to the file looked
first. **{killed} of {all} mutations were killed**; the last column has the first test that failed with the mutation and
passes without it.

`python -m tests.mutations` plays them all and writes this page, in ten minutes or so of one core;
`python -m tests.mutations credit baseline` plays those of files with such a word in their path. The list is
[tests/mutations/mutations.yaml](../tests/mutations/mutations.yaml): a text that stands once in its file, and what takes
its place. Where such a line changes, `tests/system/test_mutations.py` asks for its new text there.
"""

if __name__ == "__main__":
    main()
