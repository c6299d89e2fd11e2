"""Hostile files: whatever is in one, it works or is refused in a line that says the way out.

Never another exception, a hang, much memory, or a line of somebody's code run. A short slice is part of the suite, the
same every time; the long one, of new examples each time, is N of each kind:

    TEXTGAN_FUZZ=2100 python -m pytest -n 2 -o faulthandler_timeout=0 tests/system/test_fuzz.py

Text and vocabulary files come here once there is a data module that reads them.
"""

import contextlib
import copy
import functools
import hashlib
import io
import os
import pickle
import re
import resource
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import textgan_lit
from tests.helpers.playing import CONF, TINY, config
from textgan_lit.build import experiment, trust
from textgan_lit.data.oracle_seqgan import NAMES, read_weights
from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import write
from textgan_lit.run.packing import DIGEST, packed

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

MANY = int(os.environ.get("TEXTGAN_FUZZ", 0))
SECONDS, BYTES = 20, 2**30  # that one example may take
WAY_OUT = re.compile(r"\b(wanted|Give|give|Use|Choose|Leave|Name|Look|did you mean|it takes)\b")
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
if not MANY:  # one with each kind of nesting
    MODELS = ["airl", "cot", "minimax", "rankgan", "textgail", "mle"]


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


# --- what must never happen ---------------------------------------------------------------------------------------

HARM = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "subprocess.Popen", "pty.spawn")
watching, harm = [], []


def _watch(event, arguments):
    if not watching:
        return
    wrote = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if wrote or event in HARM or (event == "import" and arguments[0].split(".")[0] in ("canary", "antigravity")):
        harm.append((event, str(arguments)[:200]))
        raise RuntimeError("somebody's code")


sys.addaudithook(_watch)


def too_long(*_):
    raise TimeoutError(f"an example of more than {SECONDS} seconds")


@contextlib.contextmanager
def held_to_it():
    """It works, or a UserError says the way out; in bounded time and memory, and nobody's code is run."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, too_long)
    watching.append(True)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, hard))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError as error:
        said = str(error)
        assert WAY_OUT.search(said), said
        assert said.isprintable(), repr(said)
        assert len(said) < 1000, said
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        watching.clear()
        found, harm[:] = list(harm), []
    assert not found


# --- what is tried ------------------------------------------------------------------------------------------------

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


@functools.cache
def settled(model):
    lone = model in ("mle", "any_order", "scheduled_sampling", "vae", "masked_diffusion")
    return config(*(word for word in TINY if not (lone and word.startswith(("model.optim.d", "model.optim.g")))),
                  f"model={model}")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What is imported when first used is imported now: the rest is somebody's."""
    for model in MODELS:
        system(settled(model))


def system(plain):
    return experiment.system(plain, experiment.data(plain))


@examples(60)
@given(st.data(), st.sampled_from(MODELS))
def test_a_configuration_that_came_with_a_run(data, model):
    plain = copy.deepcopy(settled(model))
    mutate(data.draw, plain)
    with held_to_it():
        trust.check(plain)
        system(plain)


@examples(60)
@given(st.data(), st.sampled_from(MODELS))
def test_a_configuration_of_ones_own_with_the_wrong_part(data, model):
    plain = copy.deepcopy(settled(model))
    mutate(data.draw, plain, PLAIN, OURS)
    with held_to_it():
        system(plain)


@functools.cache
def saved(model):
    """What a run of the model saves."""
    game, state = system(settled(model)), {}
    game.on_save_checkpoint(state)
    return {**state, "state_dict": game.state_dict()}


@functools.cache
def saved_bytes(model):
    return b"".join(packed(saved(model)))


def open_and_use(path):
    with held_to_it():
        run = textgan_lit.load(path)
        run.sample(2)
        if run.discriminator is not None:
            run.sample(1, candidates=2)


ODD_WEIGHTS = [
    *(torch.zeros(0), torch.zeros(3), torch.tensor(1), torch.full((2, 2), float("nan")), torch.zeros(10**6)),
    *(torch.zeros(0, 2**40), torch.zeros(4, dtype=torch.complex64), torch.zeros(5, dtype=torch.float16)),
    *(torch.zeros(3, dtype=torch.int8), torch.zeros(3, dtype=torch.bool), torch.nn.Parameter(torch.ones(2))),
]


@examples(60)
@given(st.data(), st.sampled_from(MODELS))
def test_a_checkpoint_whose_contents_are_altered(tmp_path_factory, data, model):
    state = copy.deepcopy(saved(model))
    part = data.draw(st.sampled_from(["all", "settings", "weights"]))
    tree = {"all": state, "settings": state["textgan_lit"], "weights": state["state_dict"]}[part]
    mutate(data.draw, tree, VALUES | st.sampled_from(ODD_WEIGHTS))
    path = tmp_path_factory.mktemp("run") / "step-00000001.ckpt"
    with contextlib.suppress(UserError):  # what no file can hold
        write(state, path)
    if path.exists():
        open_and_use(path)


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


@examples(60)
@given(st.data(), st.sampled_from(MODELS), st.booleans())
def test_a_checkpoint_whose_bytes_are_damaged(tmp_path_factory, data, model, checksums_made_anew):
    path = tmp_path_factory.mktemp("run") / "step-00000001.ckpt"
    if not checksums_made_anew:
        path.write_bytes(damage(data.draw, saved_bytes(model)))
    else:  # damage that no digest can tell: in the names and the JSON before the numbers
        whole = saved_bytes(model)
        end = 8 + int.from_bytes(whole[:8], "little")
        head = damage(data.draw, whole[8:end])
        path.write_bytes(signed(len(head).to_bytes(8, "little") + head + whole[end:]))
    open_and_use(path)


def signed(content):
    """The same bytes with a right digest, where there is still a place for one."""
    found = DIGEST.search(content)
    if found is None:
        return content
    start, end = found.span(1)
    digest = hashlib.sha256(content[:start] + b"0" * 64 + content[end:]).hexdigest()
    return content[:start] + digest.encode() + content[end:]


def published(form):
    random = np.random.default_rng(0)
    shapes = {"W": (2, 3), "U": (3, 3), "b": (3,), "emb": (6, 2), "Wout": (3, 6), "bout": (6,)}
    arrays = {name: random.normal(size=shapes.get(name) or shapes[name[0]]).astype("f4") for name in NAMES}
    file = io.BytesIO()
    if form == "npz":
        np.savez(file, **arrays)
    elif form == "safetensors":
        file.write(safetensors.numpy.save(arrays))
    else:
        pickle.dump(list(arrays.values()), file, protocol=2)
    return file.getvalue()


@examples(60)
@given(st.data(), st.sampled_from(["npz", "pkl", "safetensors"]))
def test_weights_of_an_oracle_whose_bytes_are_damaged(tmp_path_factory, data, form):
    path = tmp_path_factory.mktemp("weights") / f"weights.{form}"
    path.write_bytes(damage(data.draw, published(form)))
    with held_to_it():
        read_weights(str(path))
