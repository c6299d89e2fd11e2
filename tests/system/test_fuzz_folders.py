"""Hostile folders of runs: whatever somebody has put into one, each command works or refuses it in a line.

Never a traceback, a hang, much memory, a file written outside the folder, a connection, or a line of somebody's code
run. A short slice is part of the suite; N folders for each of four commands, and a tenth for resume, of new examples
each time, are

    TEXTGAN_FUZZ=5000 python -m pytest -n 2 -o faulthandler_timeout=0 tests/system/test_fuzz_folders.py
"""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given, settings
from hypothesis import strategies as st

import textgan_lit
from tests.helpers.hostile import BYTES, HOSTILE, MANY, OURS, SECONDS, VALUES, damage, examples, mutate, too_long
from textgan_lit import cli, commands
from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import read, write

WORDS = (
    "debug=smoke",
    "data=tiny",
    "data.train=64",
    "data.valid=32",
    "data.test=32",
    "data.eval_batch_size=32",
    "logger=csv",
)
WORDS += (
    "model.optim.pretrain.batch_size=16",
    "model.optim.discriminator.batch_size=8",
    "model.optim.generator.batch_size=8",
)
WORDS += (
    "check_size=8",
    "callbacks.closing.temperatures=[1.0]",
    "callbacks.checkpoints.keep=1",
    "callbacks.samples.count=3",
)
pytestmark = pytest.mark.usefixtures("unchecked_shapes")
WAY_OUT = re.compile(
    r"(?i)\b(wanted|give|use|choose|leave|name|look|did you mean|it takes|remove|repeat|open it|see)\b"
)
SECRET = "TEXTGAN_LIT_SECRET"
LINES = st.sampled_from(
    [
        *("{}", "[]", "null", "]", '{"steps/all": 1}', '{"steps/all": NaN, "truth/jsd": 1e999}', '{"a": ' * 5000),
        *('{"steps/all": "\\ud800"}', '{"steps/all": 3, "samples": [{"text": "\\ud800"}]}', "\x1b[2J", "--- \n---"),
        *('{"steps/all": 1' + "0" * 400 + "}", "a: &a [x]\nb: *a", "x: !!python/object/apply:os.system [id]"),
        *(f"- name=${{oc.env:{SECRET}}}", "- model=${x}", "- hydra.searchpath=[file:///etc]", "- outputs=/etc"),
        *(
            "- +callbacks.x._target_=os.system",
            "- ~model",
            "- --multirun",
            "- +callbacks.samples.folder=x",
            "steps/all,truth/jsd\n1,2\n" * 3,
        ),
        *('"' * 200_000, "a," * 70_000, "=cmd|' /C calc'!A0,1"),
    ]
)
NAMES = [
    "step-99999999.ckpt",
    "step-00000000.ckpt",
    "best.ckpt",
    "a\nb",
    "\x1b[2J",
    "-o",
    "=1+1",
    "wandb",
    ".lock",
    "report.html",
]
NAMES += ["multirun.yaml", "trial.yaml", ".metrics.csv.part", "x" * 200, "run.json", "résumé", "trials.journal"]


# --- what must never happen ---------------------------------------------------------------------------------------

watched: list[Path] = []  # the folder that may be written to, while a command works
harm: list[str] = []
STARTS = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "pty.spawn",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
)
ALTERS = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "shutil.rmtree",
)


def _watch(event, arguments):
    if not watched or event not in ("open", "import", *STARTS, *ALTERS):
        return
    if event in STARTS:
        harm.append(f"{event} {arguments}"[:300])
    elif event == "import":
        if str(arguments[0]).split(".")[0] in ("canary", "antigravity"):
            harm.append(f"{event} {arguments[0]}")
    else:
        path, *rest = arguments
        writes = event in ALTERS or (
            rest[1:] and isinstance(rest[1], int) and rest[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if writes and isinstance(path, str | bytes | os.PathLike) and not _allowed(os.fsdecode(path), rest):
            harm.append(f"{event} {arguments}"[:300])


def _allowed(path: str, rest: tuple) -> bool:
    """Whether it lies in the watched folder; a name beside a held handle does when the handle does."""
    if path == os.devnull:
        return True
    if not os.path.isabs(path) and any(isinstance(one, int) and one > 2 for one in rest[-2:]):
        return True  # where the handle leads is looked at when all is over: nothing outside has changed
    return Path(path).resolve().is_relative_to(watched[0])


sys.addaudithook(_watch)


def tree(folder: Path) -> dict[str, tuple]:
    """All that lies in a folder: its kind, links' aims, files' contents."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            aim = os.readlink(path) if path.is_symlink() else None
            whole = path.read_bytes() if aim is None and path.is_file() else None
            found[str(path.relative_to(folder))] = (path.lstat().st_mode, aim, whole)
    return found


@contextlib.contextmanager
def held_to_it(folder: Path, outside: Path):
    """It works, or leaves with a line that says the way out, in bounded time and memory; ``outside`` stays as it is."""
    before, said = tree(outside), io.TextIOWrapper(io.BytesIO(), "utf-8", "replace")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    handler = signal.signal(signal.SIGALRM, too_long)
    watched.append(folder.resolve())
    signal.alarm(2 * SECONDS)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    except (UserError, SystemExit) as error:
        line = str(error.code if isinstance(error, SystemExit) else error)
        if line not in ("0", "None"):
            assert WAY_OUT.search(line) or line in ("1", "2"), line  # an exit code: what was said has been printed
            assert line.isprintable(), repr(line)
            assert len(line) < 2000, line
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        watched.clear()
        found, harm[:] = list(harm), []
    assert not found
    assert tree(outside) == before
    grown = 1024 * (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    )  # of real memory: what draws reserves much
    assert grown < BYTES, grown
    said.seek(0)
    printed = said.read()
    assert "Traceback" not in printed, printed[-2000:]
    assert "hunter2" not in printed
    assert all(sign.isprintable() or sign in "\n\r\t" for sign in printed), repr(printed[-500:])


# --- what is tried ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has ended, played in this process."""
    folder = tmp_path_factory.mktemp("ours") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", *WORDS, f"hydra.run.dir={folder}"])
        patch.setenv("HYDRA_FULL_ERROR", "0")
        cli.main()
    return folder


@pytest.fixture
def outside(tmp_path):
    """What no folder of a run may reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / ".profile").write_text("echo hello\n")
    (tmp_path / "outside" / "secret.jsonl").write_text('{"steps/all": 1, "note": "hunter2"}\n')
    return tmp_path / "outside"


def altered(draw, run: Path, place: Path, outside: Path) -> Path:
    """A copy of the run in which one to three things are not as they were."""
    folder = place / draw(st.sampled_from(["run", "it's", f"x${{oc.env:{SECRET}}}", "a=b (1)"]))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run, folder)
    for path in (folder / ".hydra").glob("*.yaml"):  # its own overrides lead to itself, as after an update
        path.write_text(path.read_text().replace(str(run), str(folder)))
    for _ in range(draw(st.integers(1, 3))):
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        own = (path for path in files if path.stat().st_nlink == 1)  # else what lies outside would be altered
        files = sorted(path for path in own if path.stat().st_size < 2**22)  # a hole is not read here, either
        if files:
            alter(draw, draw(st.sampled_from(files)), outside)
    return folder


def alter(draw, path: Path, outside: Path) -> None:
    match draw(st.sampled_from(["tree", "tree", "tree", "bytes", "lines", "link", "kind", "name", "size"])):
        case "tree":
            contents(draw, path)
        case "bytes":
            whole = path.read_bytes()
            path.write_bytes(damage(draw, whole) if whole else b"\0")
        case "lines":
            text = draw(LINES)
            path.write_text(text if draw(st.booleans()) else path.read_text(errors="replace") + text + "\n")
        case "link":
            aim = draw(
                st.sampled_from([outside, outside / ".profile", outside / "secret.jsonl", outside / "new", path])
            )
            path = draw(st.sampled_from([path, path.parent / draw(st.sampled_from(NAMES))]))
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            if aim.is_file() and draw(st.booleans()):
                os.link(aim, path)
            else:
                path.symlink_to(aim)
        case "kind":
            path.unlink()
            match draw(st.sampled_from(["nothing", "folder", "pipe", "empty", "closed"])):
                case "folder":
                    path.mkdir()
                case "pipe":
                    os.mkfifo(path)
                case "empty":
                    path.touch()
                case "closed":
                    path.write_bytes(b"{}")
                    path.chmod(0)
        case "name":
            other = path.parent / draw(st.sampled_from(NAMES))
            if not os.path.lexists(other):
                shutil.copy(path, other) if draw(st.booleans()) else path.rename(other)
        case "size":
            with path.open("ab") as file:
                file.truncate(draw(st.sampled_from([2**20, 2**33])))  # a hole: no disk is taken


def contents(draw, path: Path) -> None:
    """Another state, configuration, row or table, written as the run would write it."""
    with contextlib.suppress(
        UserError, ValueError, TypeError, RecursionError, yaml.YAMLError, OverflowError, UnicodeEncodeError
    ):
        if path.suffix == ".ckpt":
            state = read(path)
            mutate(draw, draw(st.sampled_from([state, state["textgan_lit"], state.get("callbacks") or state])))
            return write(state, path)
        if path.suffix == ".yaml":
            found = {"whole": yaml.safe_load(path.read_text())}
            mutate(draw, found, VALUES, HOSTILE + OURS)
            text = yaml.safe_dump(found.get("whole"))
        elif path.suffix == ".json":
            found = {"whole": json.loads(path.read_text())}
            mutate(draw, found)
            text = json.dumps(found.get("whole"))
        elif path.suffix == ".jsonl":
            found = {"whole": [json.loads(line) for line in path.read_text().splitlines()]}
            mutate(draw, found)
            text = "".join(json.dumps(row) + "\n" for row in found.get("whole") or ())
        else:
            rows = {"whole": [line.split(",") for line in path.read_text().splitlines()]}
            mutate(draw, rows, st.sampled_from(["", "nan", "1e999", "x", "-1", "\x1b[2J", "a" * 5000, "="]))
            text = "".join(",".join(map(str, row)) + "\n" for row in rows.get("whole") or () if isinstance(row, list))
        path.write_text(text, errors="surrogatepass")


def called(main, patch, folder: Path, *overrides: str) -> None:
    """``main`` as a command line calls it, in the folder of the run."""
    patch.setattr(sys, "argv", ["textgan", *overrides])
    patch.setenv("HYDRA_FULL_ERROR", "0")
    patch.setenv(SECRET, "hunter2")
    patch.chdir(folder)
    GlobalHydra.instance().clear()
    main()


def tried(data, run, tmp_path, outside, main, *overrides):
    folder = altered(data.draw, run, tmp_path, outside)
    with pytest.MonkeyPatch.context() as patch, held_to_it(folder, outside):
        called(main, patch, folder, *(override.replace("RUN", str(folder)) for override in overrides))


@examples(15)
@given(data=st.data())
def test_a_folder_is_opened(data, run, tmp_path, outside):
    folder = altered(data.draw, run, tmp_path, outside)
    with held_to_it(folder, outside):
        textgan_lit.load(folder, data.draw(st.sampled_from(["last", "best"]))).sample(2)


@examples(5)
@given(data=st.data())
def test_sentences_are_generated_from_a_folder(data, run, tmp_path, outside):
    tried(data, run, tmp_path, outside, commands.main, "generate", "RUN", "-n", "2")


@examples(5)
@given(data=st.data())
def test_a_folder_is_reported(data, run, tmp_path, outside):
    tried(data, run, tmp_path, outside, commands.main, "report", "RUN")


@examples(5)
@given(data=st.data())
def test_a_folder_is_compared(data, run, tmp_path, outside):
    tried(data, run, tmp_path, outside, commands.main, "compare", f"a={run}", "b=RUN")


@pytest.mark.slow
@settings(examples(3), max_examples=MANY // 10 or 3)  # each plays a run
@given(data=st.data())
def test_a_folder_is_taken_up(data, run, tmp_path, outside):
    tried(data, run, tmp_path, outside, cli.main, "resume=RUN")
