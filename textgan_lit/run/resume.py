"""Which folder a command plays in: a new one, or that of a run that was cut off.

``resume=true`` goes on with the newest unfinished run of the same configuration, or with the one in ``hydra.run.dir``
where that is given; ``resume=FOLDER`` with that run as it was started, further overrides on top.
"""

from __future__ import annotations

import copy
import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from textgan_lit.errors import PATH, UserError, said, shown
from textgan_lit.run import credentials, process, untrusted
from textgan_lit.run import folder as folders
from textgan_lit.run.files import replace

PLAIN = re.compile(r"\$\{[\w.\[\]-]+\}")  # another setting of the run: no resolver, and nothing inside
OPTION = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")  # of a group, by its name
TEXTS = ("name", "outputs")  # the settings at the top that are no groups, and hold text
AGAIN = "Or repeat the run's own overrides with resume=true."


class Claim(Callback):
    """Before Hydra writes anything: which folder, is it free, and can it be written?"""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            _check(config)
            given = any(override.startswith("hydra.run.dir=") for override in config.hydra.overrides.hydra)
            if _many(config) and not given:
                raise UserError(
                    "Several processes are started from outside (torchrun, srun, one a node), and each would make a "
                    "folder of its own. Give them one: hydra.run.dir=outputs/mine."
                )
            if process.first():
                place(config, given)
        except (UserError, OSError) as error:
            _refuse(said(error))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            _check(config)
            continues = config.hydra.sweeper._target_.startswith("hydra_plugins.textgan_lit.")
            if config.overwrite and continues:
                raise UserError("overwrite=true: sweep=optuna goes on where it was. Give another hydra.sweep.dir.")
            named = continues or any(
                override.startswith("hydra.sweep.dir=") for override in config.hydra.overrides.hydra
            )
            if config.resume and not named:
                raise UserError("resume=true of a sweep needs its folder: hydra.sweep.dir=multirun/….")
            folder = Path(config.hydra.sweep.dir)
            if _by_the_clock(config.hydra.sweep):
                folder = folders.fresh(folder)
                config.hydra.sweep.dir = str(folder)
                # which every job is composed with
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={folders.quoted(str(folder))}")
            again = bool(config.resume) or continues
            folders.claim(folder, "hydra.sweep.dir", "multirun.yaml", config.overwrite, again)
            process.last_words = lambda: f"ended. Go on with the same overrides, resume=true hydra.sweep.dir={folder}"
        except (UserError, OSError) as error:
            _refuse(said(error))

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Writes the job's ``.hydra``: Hydra itself would leave nothing of an older one where the disk is full.

        That of a sweep takes its folder first. Where it cannot the job says why, and what somebody plays is left alone.
        """
        if not process.first():
            return
        folder = Path(config.hydra.runtime.output_dir)
        if config.hydra.mode is RunMode.MULTIRUN:
            try:
                folders.claim(folder, "hydra.sweep.subdir", again=True)
            except UserError:
                return
        composed = {
            "config.yaml": _task(config, resolve=False),
            "hydra.yaml": {"hydra": config.hydra},
            "overrides.yaml": config.hydra.overrides.task,
        }
        try:
            _check_credentials(config)  # which an option may have brought that a sweep alone has chosen
            (folder / folders.COMPOSED).mkdir(exist_ok=True)
            for path in (folder / folders.COMPOSED).iterdir():
                if path.name not in composed:  # other processes compose from this folder
                    folders.remove(path)
            for name, node in composed.items():
                replace(folder / folders.COMPOSED / name, OmegaConf.to_yaml(node))
        except (UserError, OSError) as error:
            if not config.resume:
                folders.release(folder)
            _refuse(said(error))


def _refuse(reason: str) -> NoReturn:
    # Hydra makes warnings of a callback's exceptions, but not this one
    sys.exit(f"textgan_lit: {reason}" if process.first() else 1)


def _check(config: DictConfig) -> None:
    _check_credentials(config)
    if not isinstance(config.get("overwrite"), bool):
        raise UserError(f"overwrite={config.get('overwrite')}: wanted true or false.")
    if not isinstance(config.get("resume"), bool | str):
        raise UserError(f"resume={config.get('resume')}: wanted true, false, a run's folder or a checkpoint in it.")
    if config.resume and config.overwrite:
        raise UserError("resume goes on with a run, overwrite=true replaces it. Give one of them.")


def _check_credentials(config: DictConfig) -> None:
    found = OmegaConf.to_container(config, resolve=False)
    overrides = [*found["hydra"]["overrides"]["task"], *found["hydra"]["overrides"]["hydra"]]
    given = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    credentials.refuse(given)  # of a sweep the configuration has none of them yet
    credentials.refuse(found)


def _many(config: DictConfig) -> bool:
    """Whether something else than this program starts several of it."""
    started = any(name in os.environ for name in ("TORCHELASTIC_RUN_ID", "SLURM_PROCID"))
    by_hand = OmegaConf.select(config, "trainer.num_nodes") not in (None, 1)
    return by_hand or (started and max(int(os.environ.get(name, 1)) for name in ("WORLD_SIZE", "SLURM_NTASKS")) > 1)


def place(config: DictConfig, given: bool) -> None:
    """Settles where ``config`` is played (``hydra.run.dir``) and whether that goes on (``resume``), and claims it."""
    folder, configuration = Path(config.hydra.run.dir), fingerprint(config)
    by_the_clock = _by_the_clock(config.hydra.run)
    if config.resume is True and not given:
        root = Path(config.outputs)
        free = [found for found in folders.unfinished(root, configuration) if not folders.busy(found)]
        if not free:
            print(f"resume=true: no unfinished run of this configuration below {root}. Starting anew.")
        by_the_clock = by_the_clock and not free
        folder = free[0] if free else folder
        _settle(config, folder, bool(free))
    elif config.resume is True and not folders.holds_a_run(folder):
        print(f"resume=true: {folder} holds no run. Starting anew.")
        _settle(config, folder, False)
    if by_the_clock:
        folder = folders.fresh(folder)
        _settle(config, folder, config.resume)
    folders.claim(folder, "hydra.run.dir", overwrite=config.overwrite, again=bool(config.resume))
    process.last_words = partial(_left, folder, new=not config.resume)
    if config.resume:
        print(f"Going on with the run in {folder}.")
        for line in changed(folder, config):
            print(f"  {line}")
    folders.start(folder, configuration)


def _left(folder: Path, new: bool) -> str:
    """Words of an end at a signal; a folder in which nothing was played is free again, if this command took it."""
    if new:
        folders.release(folder)
    if folders.holds_a_run(folder):
        return f"ended. Go on with resume={folder}"
    return "ended before anything was played."


def _by_the_clock(node: DictConfig) -> bool:
    """Whether a folder has its name of the second, which another run may have, too."""
    return "${now:" in OmegaConf.to_container(node, resolve=False)["dir"]


def _settle(config: DictConfig, folder: Path, resume: bool | str) -> None:
    with read_write(config), open_dict(config):
        config.hydra.run.dir, config.resume = str(folder), resume


def fingerprint(config: DictConfig) -> str:
    """Of the composed configuration; empty where it cannot be resolved, which is said later, and better."""
    config = copy.deepcopy(config)
    with read_write(config), open_dict(config):
        config.hydra.runtime.output_dir = "…"
    HydraConfig.instance().set_config(config)
    try:
        return folders.identity(_task(config, resolve=True), "…")
    except OmegaConfBaseException:
        return ""


def _task(config: DictConfig, resolve: bool) -> dict[str, Any]:
    task = copy.deepcopy(config)
    with read_write(task), open_dict(task):
        task.pop("hydra", None)
    task._set_parent(None)
    return OmegaConf.to_container(task, resolve=resolve)


def changed(folder: Path, config: DictConfig) -> list[str]:
    """The settings in which a command differs from the run that it goes on with."""
    try:
        before = flat(untrusted.yaml(folder, f"{folders.COMPOSED}/config.yaml"))
    except (FileNotFoundError, untrusted.Unreadable):
        return []
    now = flat(_task(config, resolve=False))
    keys = [key for key in sorted(before.keys() | now.keys()) if key.split(".")[0] not in folders.OWN]
    return [
        f"{key}: was {shown(before.get(key, 'not there'), PATH)}, now {shown(now.get(key, 'not there'), PATH)}"
        for key in keys
        if before.get(key) != now.get(key)
    ]


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their full names."""
    if not isinstance(config, dict) or not config:
        return {prefix.rstrip("."): config}
    return {key: leaf for name, value in config.items() for key, leaf in flat(value, f"{prefix}{name}.").items()}


def expand(overrides: list[str]) -> list[str]:
    """A command line with ``resume=FOLDER``: the overrides that the run was started with, then these.

    Raises:
        UserError: there is no run in the folder, or its overrides ask this machine for something.
    """
    asked = [override.partition("=")[2] for override in overrides if override.startswith("resume=")]
    path = os.path.expanduser(asked[0].strip("'\"") if asked else "")
    if path.lower() in ("", "true", "false"):
        return overrides
    folder = Path(path).absolute().parent.parent if path.endswith(".ckpt") else Path(path)
    if "${" in str(folder.absolute()):
        raise UserError(f"resume={shown(path, PATH)}: Hydra fills in what a name has in ${{…}}. Rename the folder.")
    try:
        before = untrusted.yaml(folder, f"{folders.COMPOSED}/overrides.yaml")
    except FileNotFoundError:
        raise UserError(
            f"resume={path}: no run was started there. Give a run's folder, or a checkpoint in it."
        ) from None
    if not isinstance(before, list) or not all(isinstance(override, str) for override in before):
        raise UserError(f"{folder}/.hydra/overrides.yaml holds no overrides. Give those of the run, with resume=true.")
    anew = {_key(override) for override in overrides} | set(folders.OWN)
    kept = [stored for stored in before if not stored.startswith("-") and _key(stored) not in anew]
    kept = [stored for stored in kept if _sets_the_run(stored)]
    again = f"resume={folders.quoted(path)}"
    overrides = [again if override.startswith("resume=") else override for override in overrides]
    return [*kept, *overrides, f"hydra.run.dir={folders.quoted(str(folder.absolute()))}"]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _sets_the_run(stored: str) -> bool:
    """Whether a stored override is about the run, and not about Hydra.

    Raises:
        UserError: it holds an interpolation that asks for more than another setting of the run: the environment, say;
            or for a group's option it names a file, which Hydra would compose, callbacks of its own among it.
    """
    try:
        override = OverridesParser.create().parse_override(stored)
    except (HydraException, RecursionError) as error:
        raise UserError(f"{shown(stored)}, an override of the run's folder, is none of Hydra's. {AGAIN}") from error
    texts, is_text = list(_texts(override.value())), "." in override.key_or_group or override.key_or_group in TEXTS
    if not is_text and not all(OPTION.fullmatch(text) for text in texts):  # Hydra would follow a path to any file
        raise UserError(
            f"{shown(stored)}, an override of the run's folder, names no option of {override.key_or_group}. {AGAIN}"
        )
    if any("${" in PLAIN.sub("", text) for text in (stored.partition("=")[0], *texts)):
        raise UserError(
            f"{shown(stored)}, an override of the run's folder, asks this machine for something. If it is your own, "
            f"give it anew, behind resume=…. {AGAIN}"
        )
    return "hydra" not in re.split("[./]", f"{override.key_or_group}.{override.package}")  # be it _global_.hydra


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value as Hydra will take it, without the signs by which the override hid some of it."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif not isinstance(value, bool | int | float | None):
        yield str(value)
