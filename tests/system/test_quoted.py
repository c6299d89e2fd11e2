"""Every command on the pages: what can be played offline is played, runs compose, the rest at least parses.

The pages are searched, so that no command is forgotten; docs/extending.md's are played by test_extending.py.
"""

import argparse
import functools
import importlib
import re
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import OmegaConf, open_dict

import textgan_lit
from tests.helpers.command import run as train
from tests.helpers.command import smoke
from tests.helpers.playing import CONF
from tests.helpers.quoting import FENCE, PAGES, PROGRAMS, ROOT, VARIABLES, commands, fenced, inline, lines
from tests.helpers.runs import made
from textgan_lit import commands as textgan
from textgan_lit.cli import SELDOM
from textgan_lit.commands import audit, evaluate

ELSEWHERE = {"docs/extending.md": "test_extending.py plays them, with the files that the page has written"}
LEFT_ALONE = {  # programs that are not ours: why no test starts them
    "pip": "installs; that the extras exist is checked",
    "wandb": "W&B's own, for an account or a terminal",
    "head": "ends a pipe",
}
NOT_PLAYED = {  # of ours, and would be by what they are: why not
    "--batches 2000": "a minute",
    "audit model=(airl|grpo)_lm": "takes a language model; tests/system/test_pretrained_players.py has a tiny one",
    r"dashboard \S+$": "asks W&B; --dry-run beside it does not",
    "features=FOLDER": "takes a model of sentence-transformers; tests/unit/metrics/test_embedding.py has a tiny one",
    "fetch-model": "fetches a package; tests/unit/commands/test_fetch_model.py has its own, CI takes the real ones",
    "--config-dir": "takes the package that docs/extending.md writes",
}
PATTERN = {"…", "[group=option]", "[key=value]"}  # stand for arguments, and are none
STUDIES = [page for page in PAGES if page.startswith("docs/studies/")]
RUN, SWEEP = r"outputs/\S+|RUN", r"multirun/\S+|SWEEP"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("samples.txt", "sentences.txt", "held_out.txt"):
        Path(name).touch()
    Path("prompts.txt").write_text("w1")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def variants(given: str) -> list[str]:
    """A sweep's override as its jobs have it: every option of a group, the first value of a key."""
    override = OverridesParser.create().parse_override(given)
    if not override.is_sweep_override():
        return [given]
    key = override.get_key_element()
    if isinstance(override.value(), IntervalSweep):
        return [f"{key}={override.value().start}"]
    values = list(override.sweep_string_iterator())
    return [f"{key}={value}" for value in (values if (CONF / key.partition("@")[0]).is_dir() else values[:1])]


@functools.cache
def composes(*overrides: str) -> None:
    """That ``train.py WORDS`` reaches a whole configuration, as ``--cfg job --resolve`` would print it."""
    options = get_args_parser().parse_args(overrides)
    overrides = [re.sub(r"^resume=(?!true).*", "resume=true", override) for override in options.overrides]
    overrides = [SELDOM.sub("+", override) for override in overrides]
    choices = [variants(override) if options.multirun else [override] for override in overrides]
    for number in range(max(map(len, choices), default=1)):
        chosen = [values[number % len(values)] for values in choices]
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [*chosen, "hydra.runtime.output_dir=run"], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


class Parsed(Exception):
    """A program's arguments were taken."""


def module_parses(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """That ``python -m NAME WORDS`` takes its arguments. Nothing is done with them."""
    if name in ("venv", "pytest"):
        assert all((ROOT / argument).exists() for argument in arguments if argument.endswith(".py"))
        return
    module = importlib.import_module(name)
    if not hasattr(module, "main"):
        module = importlib.import_module(f"{name}.__main__")
    if not arguments:
        assert callable(module.main)
        return
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *given) -> None:
        parse(parser, *given)
        raise Parsed

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", stop)
        patched.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(Parsed):
            module.main()


def parses(arguments: list[str]) -> None:
    """That ``textgan WORDS`` takes its arguments, and what is to be composed composes. A command alone is its name."""
    if len(arguments) == 1:
        assert arguments[0] in {*textgan.COMMANDS, "COMMAND"}
        return
    options = textgan.COMMANDS[arguments[0]].parser().parse_intermixed_args(arguments[1:])
    if arguments[0] == "audit" and not options.config_dir:
        audit.composed([override.replace("=NAME", "=minimax") for override in options.overrides])
    if arguments[0] == "evaluate":
        evaluate.chosen(options.overrides)


def check(program: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [argument.replace("…", "x") for argument in arguments if argument not in PATTERN]
    if "train.py" in arguments:  # python's, torchrun's or srun's
        composes(*arguments[arguments.index("train.py") + 1 :])
    elif program == "textgan-train":
        composes(*arguments)
    elif program == "textgan":
        parses(arguments)
    elif program == "python" and arguments[0] == "-m":
        module_parses(arguments[1], arguments[2:], monkeypatch)
    elif program == "python":
        assert arguments[0] == "-c"
        compile(arguments[1], "page", "exec")
    elif program == "make":
        assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text()
    elif program == "bash":
        assert (ROOT / arguments[0]).is_file()
    elif program == "pip":
        extras = re.findall(r"\[([\w-]+)\]", " ".join(arguments))
        assert all(f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text() for extra in extras)
    else:
        assert program in LEFT_ALONE, program


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow if page in STUDIES else ()) for page in PAGES]
)
def test_every_command_composes_or_parses(page, folder, monkeypatch):
    if page in ELSEWHERE:
        return
    for line in [line for block in fenced(page) for line in lines(block)] + inline(page):
        found = commands(line, folder)
        assert found or line.startswith("export "), f"{page}: {line}"
        for program, *arguments in found:
            try:
                check(program, arguments, monkeypatch)
            except (Exception, SystemExit) as error:
                pytest.fail(f"{page}: {line}\n{error}")


def test_no_command_stands_in_a_block_of_another_language():
    for page in PAGES:
        for language, block in FENCE.findall((ROOT / page).read_text()):
            assert language == "bash" or not re.search(rf"^\$? ?({'|'.join(PROGRAMS)}) ", block, re.MULTILINE), block


def is_played(program: str, *arguments: str) -> bool:
    if any(re.search(pattern, " ".join([program, *arguments])) for pattern in NOT_PLAYED):
        return False
    return program == "textgan" or arguments[0] == "-c" or arguments == ("-m", "studies") or "debug=smoke" in arguments


def quoted(folder: Path) -> list[list[str]]:
    """What the pages' blocks start."""
    blocks = [block for page in PAGES if page not in ELSEWHERE for block in fenced(page)]
    return [command for block in blocks for line in lines(block) for command in commands(line, folder)]


def standing(arguments: list[str]) -> tuple[str, ...]:
    """The same arguments with this folder's names where a page has any run's."""
    stands_for = {RUN: "of_any_order" if "--infill" in arguments else "run", SWEEP: "sweep", "FILE": "held_out.txt"}
    stands_for["CONTROL"] = "sweep/shuffled1"
    for pattern, name in stands_for.items():
        arguments = [re.sub(rf"^({pattern})$", name, argument) for argument in arguments]
    return tuple(argument.replace("outputs/…", "run") for argument in arguments)


def play(monkeypatch: pytest.MonkeyPatch, program: str, *arguments: str) -> None:
    """In this process, on the runs that lie in this folder."""
    if arguments[0] == "train.py":
        return train(monkeypatch, *arguments[1:], "logger=csv", "hydra.run.dir=run")
    if arguments[0] == "-c":
        return exec(arguments[1], {})
    if "--out" in arguments:
        Path(arguments[arguments.index("--out") + 1]).unlink(missing_ok=True)
    main = textgan.main if program == "textgan" else importlib.import_module(f"{arguments[1]}.__main__").main
    with open("sentences.txt") as sentences:
        monkeypatch.setattr(sys, "stdin", sentences)
        monkeypatch.setattr(sys, "argv", [program, *arguments] if program == "textgan" else list(arguments[1:]))
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise


@pytest.mark.slow
def test_what_needs_no_network_plays(folder, monkeypatch, unchecked_shapes):
    """The first run's samples are the sentences that the other commands read."""
    asked = {standing(command): None for command in quoted(folder) if command and is_played(*command)}
    first = ("python", "train.py", "debug=smoke")
    assert first in asked
    play(monkeypatch, *first)
    smoke(monkeypatch, folder / "of_any_order", "model=any_order", "data=mixture")
    for control in ("none", "shuffled"):
        for seed in (1, 2):
            made(folder / "sweep" / f"{control}{seed}", (f"model/control={control}", f"seed={seed}"), seed / 10)
    sentences = "\n".join(textgan_lit.load("run").sample(100))
    for name in ("samples.txt", "sentences.txt", "held_out.txt"):
        (folder / name).write_text(sentences)
    for command in [command for command in asked if command != first]:
        try:
            play(monkeypatch, *command)
        except (Exception, SystemExit) as error:
            pytest.fail(f"{' '.join(command)}\n{error}")


def test_nothing_is_left_out_that_no_page_quotes(folder):
    found = quoted(folder)
    assert {program for program, *_ in found} >= LEFT_ALONE.keys()
    for pattern in NOT_PLAYED:
        assert any(re.search(pattern, " ".join(command)) for command in found), pattern


def test_ci_and_make_play_the_tests_that_readme_tells_to_run_and_then_the_rest():
    readme, ci, make = ((ROOT / name).read_text() for name in ("README.md", ".ci/run", "Makefile"))
    (quick,) = re.findall(r"&& (python -m pytest.*)", readme)
    both = [quick, quick.replace('"not slow"', "slow")]
    assert [line.strip() for line in re.findall(r"^python -m pytest[^#\n]*", ci, re.MULTILINE)] == both
    assert re.findall(r"^\t(python -m pytest.*)", make, re.MULTILINE) == both
