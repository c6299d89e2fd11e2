"""What is put into somebody's files: other values, other names, damaged bytes."""

import copy
import functools
import os
import re

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.helpers.playing import CONF

MANY = int(os.environ.get("TEXTGAN_FUZZ", 0))
SECONDS, BYTES = 20, 2**30  # that one example may take


def examples(slice: int):
    """``slice`` examples of the suite's own, or TEXTGAN_FUZZ new ones."""
    return settings(
        max_examples=MANY or slice,
        derandomize=not MANY,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # making a failing example smaller takes minutes
        suppress_health_check=list(HealthCheck),
    )


def too_long(*_):
    raise TimeoutError(f"an example of more than {SECONDS} seconds")


OURS = sorted({name for path in CONF.rglob("*.yaml") for name in re.findall(r"_target_: (\S+)", path.read_text())})
HOSTILE = [
    *(
        "os.system",
        "builtins.eval",
        "builtins.exec",
        "subprocess.Popen",
        "canary.Bomb",
        "antigravity.fly",
        "os",
        "",
        ".",
    ),
    *(
        "textgan_lit.build.parts.os.system",
        "textgan_lit.build.parts.inspect.sys.modules",
        "textgan_lit.cli.main",
        "textgan_lit.",
    ),
    *("torch.optim.os.system", "torch.optim.Optimizer", "torch.hub.load", "torch.load", "pytorch_lightning.Trainer"),
    *(
        "textgan_lit.model.policy.Tempered",
        "textgan_lit.model.generator.base.Generator",
        "textgan_lit.types.Vocab",
        "a" * 10_000,
    ),
    *(
        "torch.nn.Linear",
        "pathlib.Path",
        "textgan_lit..os.system",
        "textgan_lit.model.policy.Categorical\n",
        " os.system",
    ),
    *(None, 5, [], {"_target_": "os.system"}, ["os.system", "id"], "${oc.env:HOME}"),
]
NUMBERS = (
    st.sampled_from([0, -1, 1, 2, 3, 7, 300, 5000, 2**20 + 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.5, 1e-300, 1e308])
    | st.floats()
)
WORDS = st.sampled_from(["", "a", "3", "none", "null", "${data}", "../..", "/etc/passwd", "\x1b[2J", "w0", "a" * 5000])
PLAIN = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=5) | st.integers(-5, 70)
NAMED = st.fixed_dictionaries({"_target_": st.sampled_from(HOSTILE + OURS)}, optional={"a": PLAIN, "weight": PLAIN})
VALUES = st.recursive(
    PLAIN | NAMED, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=5
)


def places(tree, path=()):
    """The path of every value in a tree of dictionaries and lists."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(tree, path):
    return functools.reduce(lambda node, key: node[key], path, tree)


def mutate(draw_from, tree, values=VALUES, targets=HOSTILE):
    """One to three values replaced, taken away, added, or put where another was."""

    def draw(strategy):
        return copy.deepcopy(draw_from(strategy))  # what is put in may be altered next

    for _ in range(draw(st.integers(1, 3))):
        paths = sorted(places(tree), key=str)
        if not paths:
            return
        path = draw(st.sampled_from(paths))
        parent, key = at(tree, path[:-1]), path[-1]
        match draw(st.sampled_from(["replace", "replace", "remove", "add", "update", "target"])):
            case "replace":
                parent[key] = draw(values)
            case "remove":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(WORDS | st.sampled_from(["_target_", "critic", "of", "rule", "vocab", "oracle"]))] = draw(
                    values
                )
            case "update":
                parent[key] = copy.deepcopy(at(tree, draw(st.sampled_from(paths))))
            case "target" if isinstance(parent, dict):
                (parent[key] if isinstance(parent[key], dict) else parent)["_target_"] = draw(st.sampled_from(targets))


def damage(draw, whole):
    """Bytes cut off, written over, put in or taken out."""
    match draw(st.sampled_from(["cut", "flip", "insert", "drop"])):
        case "cut":
            return whole[: draw(st.integers(0, len(whole)))]
        case "flip":
            altered = bytearray(whole)
            for _ in range(draw(st.integers(1, 8))):
                altered[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
            return bytes(altered)
        case "insert":
            place = draw(st.integers(0, len(whole)))
            return whole[:place] + draw(st.binary(min_size=1, max_size=20)) + whole[place:]
        case _:
            place = draw(st.integers(0, len(whole) - 1))
            return whole[:place] + whole[place + draw(st.integers(1, 50)) :]
