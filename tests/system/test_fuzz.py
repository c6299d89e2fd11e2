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
from hypothesis import given
from hypothesis import strategies as st

import textgan_lit
from tests.helpers.hostile import BYTES, MANY, OURS, PLAIN, SECONDS, VALUES, damage, examples, mutate, too_long
from tests.helpers.playing import MODELS, TINY, config
from textgan_lit.build import experiment, trust
from textgan_lit.data.oracle_seqgan import NAMES, read_weights
from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import write
from textgan_lit.run.packing import DIGEST, packed

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

WAY_OUT = re.compile(r"\b(wanted|Give|give|Use|Choose|Leave|Name|Look|did you mean|it takes)\b")
if not MANY:  # one with each kind of nesting
    MODELS = ["airl", "cot", "minimax", "rankgan", "textgail", "mle"]


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


@functools.cache
def settled(model):
    alone = model in ("mle", "any_order", "scheduled_sampling", "vae", "masked_diffusion")
    return config(*(o for o in TINY if not (alone and o.startswith(("model.optim.d", "model.optim.g")))),
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
