"""The command line: Hydra composes, :mod:`textgan_lit.play` plays, errors are said in one line.

Free of torch until a run really starts, so that ``--help`` and ``--cfg job`` answer at once.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from textgan_lit.build import announced, foreign_keys
from textgan_lit.build.trust import CONF
from textgan_lit.errors import PATH, Interrupted, Pruned, UserError, said, shown
from textgan_lit.run import credentials, ending, process, resume, terminal
from textgan_lit.run import folder as folders

PARTS = (
    "generator",
    "discriminator",
    "objective",
    "discriminator_loss",
    "penalty",
    "estimator",
    "reward",
    "control",
    "credit",
)
PARTS += ("baseline", "regulariser", "policy", "schedule")
HELD = {  # what holds other settings, and which
    "": (
        *("model", "data", "metrics", "trainer", "callbacks", "logger", "faults", "seed", "threads", "check_size"),
        *("name", "outputs", "overwrite", "resume", "trust"),
    ),
    "model": (*PARTS, "ema", "optim", "generator_from", "discriminator_from"),
    "model.optim": ("pretrain", "discriminator", "generator"),
    "metrics": ("evaluation", "closing"),
}
SELDOM = re.compile(r"^(?=model\.(generator|discriminator)_from=)")  # in no configuration, so Hydra would want a +
EXPECTED = (UserError, CompactHydraException, OmegaConfBaseException, OSError)
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1"  # Hydra's own switch: tracebacks for everything


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def job(config: DictConfig) -> float | None:
    """One run; under --multirun, one of many, in whichever process the launcher has chosen."""
    folder, sweep = Path(HydraConfig.get().runtime.output_dir), HydraConfig.get().mode is RunMode.MULTIRUN
    with ExitStack() as stack:
        stack.enter_context(process.listening())
        stack.enter_context(process.leading())
        if process.first():
            if sweep:
                stack.enter_context(folders.claimed(folder, "hydra.sweep.subdir"))
            stack.enter_context(terminal.logged(folder / folders.LOG, only=sweep))
        return _job(config, folder, sweep)


def _job(config: DictConfig, folder: Path, sweep: bool) -> float | None:
    try:
        _check_keys(config)
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        return _play(plain, folder, sweep)
    except Interrupted as stopped:
        if process.first():  # the last line: above it stands how far each part of the run has come
            terminal.say(*stopped.lines)
        sys.exit(128 + stopped.number)  # which ends a sweep, too: Hydra goes on with the next job after any Exception
    except Exception as error:
        terminal.note(explain(error) if is_expected(error) else traceback.format_exc())
        if sweep and process.first():
            how = "pruned" if isinstance(error, Pruned) else "failed"
            folders.end(folder, how, explain(error))  # Hydra goes on with the next job
            terminal.say(f"{ending.near(folder)}: {how}: {explain(error)}")
        if sweep or FULL_ERROR or not is_expected(error):
            raise
        if process.first():
            folders.release(folder)
        heard = process.first() or isinstance(error.__cause__, OSError)  # others would repeat what the first one says
        sys.exit(f"textgan_lit: {explain(error)}" if heard else 1)  # Hydra would put a line of its own above it


def _play(config: dict[str, Any], folder: Path, sweep: bool) -> float | None:
    """Plays the job; one of a resumed sweep that had finished is not played again."""
    if sweep and process.first():
        configuration = folders.identity(config, str(folder))
        done = folders.record(folder)
        if config["resume"] and done.get("configuration", configuration) != configuration:
            raise UserError(
                f"{folder} holds a run of another configuration. Give the overrides that the sweep began with."
            )
        if config["resume"] and done.get("finished"):
            terminal.say(f"{ending.near(folder)}: had finished.")
            return done.get("objective")
        if not config["resume"]:
            folders.clear(folder, but=(".hydra", folders.LOG))  # of a sweep that is played anew
        folders.start(folder, configuration)
    from textgan_lit.play import play

    objective = play(config, folder, sweep, HydraConfig.get().overrides.task)
    if process.first():
        folders.finish(folder, objective)
    return objective


def main() -> None:
    """What ``train.py`` and ``textgan-train`` call, once they listen for signals."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra hands its errors to us instead of printing its own
    sys.stdout.reconfigure(errors="replace")  # a terminal that knows no │ gets a ? instead of a traceback
    with terminal.guarded():
        try:
            sys.argv[1:] = resume.expand([SELDOM.sub("+", override) for override in sys.argv[1:]])
            _check_taken_away(sys.argv[1:])
            _check_deletions(sys.argv[1:])
            with process.listening(), process.leading():
                job()
        except Exception as error:
            if FULL_ERROR or not is_expected(error):
                raise
            sys.exit(f"textgan_lit: {explain(error)}")
        finally:
            folders.unlock()


def is_expected(error: Exception) -> bool:
    """Whether one line says it all; the program's own faults have a traceback."""
    return isinstance(error, EXPECTED) or isinstance(error.__cause__, OSError) or _lacks_memory(error)


def _lacks_memory(error: Exception) -> bool:
    text = str(error) if isinstance(error, RuntimeError) else ""  # torch has no class of its own for it on the CPU
    return isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text


def _check_taken_away(overrides: list[str]) -> None:
    """Hydra's own answer to a group that is set to null is a traceback."""
    for override in overrides:
        place, given, value = override.lstrip("+").partition("=")
        if given and value in ("null", "") and place.partition("@")[0] in _groups():
            raise UserError(
                f"{override}: a part is taken away by ~{place}. (Where a value is wanted, choose an option.)"
            )


def _check_deletions(overrides: list[str]) -> None:
    """Whether each ~deletion takes something away: without it there would be another configuration."""
    sweep = {"-m", "--multirun"} & set(overrides)
    said = [override for override in overrides if not override.startswith("-") and not (sweep and "," in override)]
    for override in (override for override in said if override.startswith("~")):
        try:
            same = _composed(said) == _composed([other for other in said if other != override])
        except Exception:  # which Hydra will say
            return
        if same:
            raise UserError(
                f"{override} takes nothing away: there is none here. Leave it out. (`--cfg job` prints all.)"
            )


def _check_keys(config: DictConfig) -> None:
    """Whether somebody asks for every key that was added with + where the names are fixed, be it another key."""
    text = OmegaConf.to_yaml(config)
    for place, names in HELD.items():
        for key in (OmegaConf.select(config, place) if place else config) or ():
            full = f"{place}.{key}" if place else key
            asked = re.search(rf"\$\{{(oc\.select:)?\.*{re.escape(full)}\b", text)
            if key not in names and (key == "defaults" or not asked):  # which Hydra would compose in other processes
                nearest = f"{full}: nothing here asks for that key. Nearest: {_nearest(key, list(names))}."
                raise UserError(foreign_keys.refusal(full) or nearest)


def _composed(overrides: list[str]) -> DictConfig:
    from hydra import compose, initialize_config_dir

    more = ",".join(f"file://{folder}" for folder in _given())
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [*overrides, f"hydra.searchpath=[{more}]"])


def explain(error: Exception) -> str:
    """One line: what was given, what was wanted, the way out; without the passwords that it may quote."""
    return credentials.masked(_explained(error))


def _explained(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    for one in (error, error.__cause__):  # Python's logging names the disk's error as the cause of its own
        if getattr(one, "strerror", None):
            return said(one)
    if isinstance(error, OverrideParseException):
        return _unquoted(error.override)
    if _lacks_memory(error):
        return (
            "It takes more memory than there is. Give smaller sizes: shorter sentences, fewer at a time, other players."
        )
    text = " ".join(str(part) for part in (error, error.__cause__) if part)
    several = re.search(r"Ambiguous value for argument '(.*)'\s+1\. To use it as a list", text, re.DOTALL)
    if several:
        return f"{_unquoted(several[1])} (A list stands in [ ], and several runs take -m.)"
    misspelt = re.search(r"Could not override '([^']+/[^']+)'", text)
    if misspelt and misspelt[1] not in _groups():
        return _unknown_group(misspelt[1])
    unknown = re.search(r"[Kk]ey '([^']+)' is not in struct\s+full_key: (\S+)", text)
    if unknown:
        return _unknown_key(unknown[2])
    option = re.search(r"Could not find '([^']+)'", text) or re.search(r"Could not load '([^']+)'", text)
    if option:
        return _unknown_option(option[1])
    group = re.search(r"Could not override '([^']+)'", text)
    if group and group[1] in _groups():
        return _no_such_part(group[1])
    if group:
        return _unknown_group(group[1])
    missing = re.search(r"[Mm]issing mandatory value.*full_key: (\S+)", text, re.DOTALL)
    if missing:
        return f"{missing[1]} has no default: give {missing[1]}=…"
    return " ".join(text.split()) or type(error).__name__


def _unquoted(override: str) -> str:
    """What Hydra's grammar takes for something else, such as a path with = or ( in it."""
    key, given, value = override.partition("=")
    if not given:
        return f"{shown(override)}: wanted KEY=VALUE, as in seed=1."
    if value.startswith("["):
        return f'{shown(override, PATH)}: Hydra cannot read it. Quote each value of the list: \'{key}=["…","…"]\'.'
    value = value.strip("'\"").replace('"', '\\"')
    quoted = shlex.quote(f'{key}="{value}"')
    return f"{shown(override, PATH)}: Hydra has a use of its own for one of these signs. Quote the value: {quoted}."


def _no_such_part(group: str) -> str:
    """A group that the configuration does not have at this place."""
    if group == "model/optimizer":
        return "model/optimizer: each update has one of its own: model/optimizer@model.optim.generator=…"
    model = next(
        (override.partition("=")[2] for override in sys.argv[1:] if override.startswith("model=")), "the chosen one"
    )
    part = group.partition("/")[2]
    return (
        f"{group}: model={model} plays without a {part}, so there is none to replace. Choose a model that has one, as "
        "model=minimax does. (`--cfg job` prints what a model has.)"
    )


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or sorted(names)[:12]
    return ", ".join(close) if close else "nothing"


def _unknown_key(key: str) -> str:
    """A key that no configuration has: looks it up beside its siblings in the configuration without it."""
    overrides = [
        override
        for override in sys.argv[1:]
        if "=" in override and not override.startswith("-") and not override.lstrip("+~").startswith((key, "hydra"))
    ]
    given = (override.lstrip("+~").partition("=")[0] for override in sys.argv[1:])
    key = next((whole for whole in given if whole.startswith(f"{key}.")), key)  # Hydra names the first part it misses
    if told := foreign_keys.refusal(key):
        return told
    groups = [group for group in _groups() if group.rpartition("/")[2] == key or group == key.replace(".", "/")]
    if groups:
        return f"{key}: there is no such key. Did you mean {' or '.join(groups)}=…?"
    return f"{key}: there is no such key. {_closest(key, overrides)} (`--cfg job` prints them all.)"


def _closest(key: str, overrides: list[str]) -> str:
    """The keys whose last part is ``key``'s, or what that is called here: beside it, else in its group, else anywhere;
    where there are none, its siblings."""
    parent, _, last = key.rpartition(".")
    try:
        config = _composed(overrides)
        leaves = resume.flat(OmegaConf.to_container(config, resolve=False))
        node = OmegaConf.select(config, parent) if parent else config
        siblings = [f"{parent}.{name}" if parent else str(name) for name in node or ()]
    except Exception:
        leaves, siblings = {}, []
    wanted = last, foreign_keys.SYNONYMS.get(last)
    for place in (f"{parent}.", f"{key.partition('.')[0]}.", ""):
        same = [leaf for leaf in leaves if leaf.startswith(place) and leaf.rpartition(".")[2] in wanted]
        if same:
            return f"Did you mean {' or '.join(same[:4])}?"
    return f"Nearest: {_nearest(key, siblings)}."


def _folders() -> list[Path]:
    """Where groups are looked for: the project's own, those of installed packages, and the one given."""
    return [CONF, *announced.folders(), *_given()]


def _given() -> list[Path]:
    """The folder given by --config-dir."""
    given = re.search(r"(?:--config-dir|-cd)[ =](\S+)", " ".join(sys.argv[1:]))
    return [Path(given[1]).absolute()] if given else []


def _options(group: str) -> list[str]:
    return sorted({path.stem for folder in _folders() for path in (folder / group).glob("*.yaml")})


def _groups() -> list[str]:
    found = {str(path.parent.relative_to(folder)) for folder in _folders() for path in folder.rglob("*.yaml")}
    return sorted(found - {"."})


def _unknown_option(name: str) -> str:
    group, _, option = name.rpartition("/")
    if told := foreign_keys.refusal(f"{group}={option}"):
        return told
    options = _options(group)
    if not options:
        return _unknown_group(group or name)
    return f"{group}={option}: there is no such option. Nearest: {_nearest(option, options)}."


def _unknown_group(name: str) -> str:
    if told := foreign_keys.refusal(name):
        return told
    return f"{name}: there is no such group. Nearest: {_nearest(name, _groups())}."


if __name__ == "__main__":
    main()
