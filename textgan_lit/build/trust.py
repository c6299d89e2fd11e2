"""What a configuration that came with somebody's run may name, looked at before anything is imported.

A configuration names classes, and a class is somebody's code. In one of your own you may name whatever you like; in
one that came with a run only what conf/ itself lists for that place, so that opening a run runs nobody's code.
docs/trust.md says what is safe to open and what is not.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from textgan_lit.errors import UserError, shown

PACKAGED = Path(__file__).parents[1] / "conf"  # in an installed wheel
CONF = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[2] / "conf"  # in a checkout

# Where a part may stand → the group of conf/ that lists what it may be.
PLACES = {
    r"data(\.oracle)?": "data",
    r"(model\.generator|model\.discriminator(\.critic)*\.model)(\.member)*": "model/generator",
    r"model\.discriminator(\.critic)*": "model/discriminator",
    r"model\.schedule(\.rule)?": "model/schedule",
    r"model\.regulariser\.[^.]+": "model/regulariser",
    r"model\.optim\.[^.]+": "model/optimizer",
    r"model\.(objective|estimator|discriminator_loss|penalty|reward|control|credit|baseline|policy)": r"model/\1",
    r"metrics\.(evaluation|closing)\.[^.]+": "metrics",
    r"(callbacks|logger)\.[^.]+": r"\1",
}

# What libraries open that import what they find there, and what they can be given beside a folder: a name of the Hub's.
OPENED, NAME = r"data\.name|metrics\..*\.features", r"[\w.-]+(/[\w.-]+)?"
ORACLE = "textgan_lit.data.oracle_lm.OracleLM"  # whose data.name is a language model's, of which no code is run

# Bounds that no configuration of a run comes near, so that one which refers to itself is refused and not followed.
MOST, DEEPEST, LONGEST_KEY = 100_000, 20, 100
WANTED = "Name one, as the files under conf/ do."


class Node(NamedTuple):
    """One value of a configuration. ``inside``: it is a setting of a part that the user vouches for."""

    value: Any
    where: str
    depth: int = 0
    inside: bool = False


def check(config: Mapping[str, Any], packages: Sequence[str] = ()) -> None:
    """Refuses a resolved configuration that names anything but what conf/ lists for the place it stands at.

    ``packages`` are those of the user's own, such as ``my_lab``, that they vouch for: a class of theirs may stand
    anywhere. Those alone are imported, once all the rest has been looked at.

    Raises:
        UserError: with the key, what stands there and what may; also for what no resolved configuration holds.
    """
    packages = vouched(packages)
    own: list[tuple[str, str]] = []
    todo, left = [Node(config, "")], MOST
    while todo:
        node = todo.pop()
        inside = node.inside
        if isinstance(node.value, Mapping) and "_target_" in node.value:
            target = node.value["_target_"]
            inside = _is_within(target, packages)
            if inside:
                own.append((target, node.where))
            elif not isinstance(target, str) or target not in _allowed(node):
                raise UserError(_refusal(node, target))
        children = [Node(value, where, node.depth + 1, inside) for value, where in _children(node)]
        left -= len(children)
        if left < 0 or node.depth > DEEPEST:
            raise UserError(
                f"The configuration has more than {MOST:,} values, or lists within lists more than {DEEPEST} deep. "
                "Give one that a run was played with."
            )
        todo += children
    for target, where in own:
        _check_own(target, where, packages)


def check_paths(config: Mapping[str, Any], folder: Path) -> None:
    """Refuses a configuration that came with a run's ``folder`` where it would have files written elsewhere, or a
    folder opened by another library, which may find code in it.

    Raises:
        UserError: with the key and the path.
    """
    data, todo = config.get("data"), [Node(config, "")]
    oracle = data.get("oracle") if isinstance(data, Mapping) else None
    of_a_model = isinstance(oracle, Mapping) and oracle.get("_target_") == ORACLE
    while todo:
        node = todo.pop()
        if not isinstance(node.value, str):
            todo += [Node(value, where) for value, where in _children(node)]
            continue
        path = os.path.expanduser(node.value)
        if _is_written_to(node) and ("\0" in path or not Path(path).resolve().is_relative_to(folder.resolve())):
            problem = f"leads out of {folder}. A run that is taken up by its folder writes there alone"
        elif of_a_model and node.where == "data.name":
            continue
        elif re.fullmatch(OPENED, node.where) and (os.path.lexists(path) or not re.fullmatch(NAME, node.value)):
            problem = "is no name of the Hub's, and a folder may hold code"
        else:
            continue
        raise UserError(
            f"{node.where}={shown(node.value)} {problem}. If it is your own, repeat its overrides with resume=true."
        )


def _is_written_to(node: Node) -> bool:
    """Whether a value is where files are written, or looks like it, in what writes them."""
    group, key = node.where.partition(".")[0], node.where.rpartition(".")[2]
    return key in ("folder", "cache") or (
        group in ("callbacks", "logger", "trainer") and ("/" in node.value or node.value.startswith(".."))
    )


def vouched(packages: str | Sequence[str]) -> tuple[str, ...]:
    """The packages that a user trusts: one name, or several."""
    names = (packages,) if isinstance(packages, str) else tuple(packages)
    for name in names:
        if not (isinstance(name, str) and all(part.isidentifier() for part in name.split("."))):
            raise UserError(f"trust={shown(name)}: wanted the name of a package of your own, such as my_lab.")
    return names


def find(target: str, where: str) -> type:
    """Imports the class that ``target`` names."""
    module, _, name = target.rpartition(".")
    try:
        if not all(part.isidentifier() for part in target.split(".")):
            raise ValueError("a name is words with dots between them")
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        package = target.partition(".")[0]
        way = WANTED
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            way = f"Install {shown(package)}, or give the folder that it lies in as PYTHONPATH."
        raise UserError(f"{where}._target_={shown(target)}: no such class ({shown(str(error))}). {way}") from error
    if not isinstance(found, type):
        raise UserError(f"{where}._target_={shown(target)} is not a class. {WANTED}")
    return found


@functools.cache
def listed(group: str) -> frozenset[str]:
    """Every class that conf/'s own files of a group name."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((CONF / group).glob("*.yaml"))]
    return frozenset(name for text in texts for name in re.findall(r"^ *_target_: *(\S+)", text, re.MULTILINE))


def group_of(where: str) -> str | None:
    """The group that a part at this place is chosen from; None where no part is looked for."""
    for pattern, group in PLACES.items():
        if match := re.fullmatch(pattern, where):
            return match.expand(group)
    return None


def _allowed(node: Node) -> frozenset[str]:
    group = group_of(node.where)
    if group is None and node.inside:  # where only the class that the user vouches for knows what belongs
        return frozenset().union(*(listed(group_of(f"model.{name}")) for name in _MODEL_PARTS))
    return listed(group) if group else frozenset()


_MODEL_PARTS = (
    "generator",
    "discriminator",
    "reward",
    "control",
    "schedule",
    "objective",
    "estimator",
    "discriminator_loss",
    "penalty",
)
_MODEL_PARTS += ("credit", "baseline", "policy", "regulariser.any", "optim.any")


def _refusal(node: Node, target: Any) -> str:
    group = group_of(node.where)
    wanted = f"one of those that conf/{group} lists" if group else "no part at this place"
    return (
        f"{node.where or 'config'}._target_={shown(target)}: a configuration that comes with a run names code, and may "
        f"name what textgan_lit itself ships alone; wanted {wanted}. If it is a class of your own package my_lab, "
        "whose code you know, give trust='my_lab'."
    )


def _children(node: Node) -> Iterator[tuple[Any, str]]:
    """What is inside a value, with its place; whatever is not plain is refused."""
    value, prefix = node.value, f"{node.where}." if node.where else ""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not key.isprintable() or len(key) > LONGEST_KEY:
                raise UserError(f"{prefix}{shown(key)}: wanted a short word for a key. Give it the name of a setting.")
        return ((inner, f"{prefix}{key}") for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ((inner, f"{node.where}[{number}]") for number, inner in enumerate(value))
    if isinstance(value, str) and "${" in value:
        # A run's configuration is resolved. What is left would be evaluated by the next reader who hands it to
        # OmegaConf, with that reader's environment variables.
        raise UserError(f"{node.where}={shown(value)}: an interpolation in a resolved configuration. Give its value.")
    if not (value is None or isinstance(value, (str, bool, int, float))) or abs(_number(value)) >= 2**63:
        raise UserError(f"{node.where}={shown(value)}: wanted a word, a number, true, false or null.")
    return iter(())


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _is_within(name: Any, packages: Sequence[str]) -> bool:
    return isinstance(name, str) and any(name.startswith(f"{package}.") for package in packages)


def _check_own(target: str, where: str, packages: Sequence[str]) -> None:
    """Whether a name within a trusted package is a class *of* that package, not one that it happens to import."""
    home = find(target, where).__module__
    if not _is_within(f"{home}.", packages):
        raise UserError(
            f"{where}._target_={shown(target)}: the class belongs to {shown(home)}, and trust={', '.join(packages)} "
            "does not reach further than that package's own classes. Name one of those."
        )
