"""States that nobody saved: each is refused in a line that names its place, before anything of the run has changed."""

import contextlib
import copy
import math

import pytest
import torch

import textgan_lit
from tests.helpers.command import run
from textgan_lit.build import experiment
from textgan_lit.build.restore import check_state
from textgan_lit.callbacks.recovery import Recovery
from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import Saved, kept, read, write
from textgan_lit.types import UPDATES

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

RUN = (
    *("debug=smoke", "logger=csv", "data=tiny", "data.train=256", "data.valid=64", "data.test=64", "check_size=32"),
    *(
        "model=minimax",
        "model.estimator.num_iterations=2",
        "model/baseline=moving_average",
        "model.ema=0.9",
        "model/schedule=guard",
    ),
    *("model.schedule.rule.patience=1000", "model.schedule.adversarial_steps=5", "callbacks.steps.every=50"),
    *("callbacks.evaluation.every.generator=1", "callbacks.checkpoints.keep=10", "~callbacks.closing"),
    *(f"model.optim.{update}.batch_size=16" for update in UPDATES),
)
NAN, HUGE = float("nan"), 2**60
T, PLAYERS, OPTIMIZERS, CALLBACKS = "textgan_lit", "state_dict", "optimizer_states", "callbacks"
WEIGHT = "generator.table.weight"
ADAM = (OPTIMIZERS, 2, "state", 0)  # of the generator: pretraining is over
EXTRA = "losses.generator._extra_state"


class Gone:
    """In place of a value: it is taken away."""


def deep(levels):
    return [deep(levels - 1)] if levels else []


FORGED = {  # name → where, what stands there, what is said of it
    "no clock": (T, "steps", Gone, r"textgan_lit\.steps is missing"),
    "a step too few": (T, "steps", "generator", Gone, r"steps\.generator is missing"),
    "a step too many": (T, "steps", "referee", 1, r"steps\.referee: nothing of that name"),
    "steps below 0": (T, "steps", "generator", -1, r"steps\.generator=-1: wanted greater than or equal to 0"),
    "too many steps": (T, "steps", "generator", HUGE, r"steps\.generator=1152921504606846976: wanted less than"),
    "half a step": (T, "steps", "generator", 0.5, r"steps\.generator=0\.5: wanted a valid integer"),
    "a truth for a number": (T, "steps", "generator", True, r"steps\.generator=True: wanted a valid integer"),
    "steps as tokens": (T, "steps", "three", r"steps=three: wanted a valid dictionary"),
    "another's clock": (T, "steps", [1, 2, 3], r"steps=\[1, 2, 3\]: wanted a valid dictionary"),
    "steps within steps": (T, "steps", deep(30), r"steps=.*wanted a valid dictionary"),
    "tokens below 0": (T, "real_tokens", -1, r"real_tokens=-1: wanted greater"),
    "tokens as tokens": (T, "sampled_tokens", "many", r"sampled_tokens=many: wanted a valid integer"),
    "time of no part": (
        T,
        "spent",
        {"lunch": {"seconds": 1.0, "cpu_seconds": 1.0}},
        r"spent\.lunch.*wanted 'pretraining'",
    ),
    "time below 0": (
        T,
        "spent",
        "evaluations",
        {"seconds": -1.0, "cpu_seconds": 0.0},
        r"spent\.evaluations\.seconds=-1",
    ),
    "time without end": (
        T,
        "spent",
        "evaluations",
        {"seconds": math.inf, "cpu_seconds": 0.0},
        r"wanted a finite number",
    ),
    "half a reading": (T, "reading", {"bce": 0.5}, r"reading\.bound is missing"),
    "a reading of nothing": (T, "reading", [], r"reading=\[\]: wanted"),
    "a reading's clock": (T, "reading", "steps", {}, r"reading\.steps\.pretrain is missing"),
    "a word for staleness": (T, "staleness", "low", r"staleness=low: wanted a valid number"),
    "an update that nobody has": (T, "upcoming", "referee", r"upcoming=referee: wanted 'pretrain'"),
    "an update that is none": (T, "upcoming", [], r"upcoming=\[\]: wanted 'pretrain'"),
    "the best is no number": (
        T,
        "schedule",
        "best_nll",
        NAN,
        r"schedule\.best_nll=nan: wanted greater than or equal to -inf",
    ),
    "patience below 0": (T, "schedule", "bad", -1, r"schedule\.bad=-1"),
    "answers that break a table": (T, "schedule", "answers", {'a",b': 1}, r"schedule\.answers"),
    "another rule's memory": (
        T,
        "schedule",
        "rule",
        {"ended": None, "best": 1.0, "bad": 0},
        r"rule\.refused is missing",
    ),
    "a rule of too much": (T, "schedule", "rule", "before", 1.0, r"rule\.before: nothing of that name"),
    "another's schedule": (T, "schedule", {"best": 0.1}, r"schedule\.best_nll is missing"),
    "a code in the schedule": (T, "schedule", "update", 1, r"schedule\.update: nothing of that name"),
    "warm weights of another shape": (
        T,
        "pretraining",
        "table.weight",
        torch.ones(3),
        r"pretraining's table\.weight is Float\[3\], wanted Float\[",
    ),
    "warm weights that lack one": (
        T,
        "pretraining",
        {},
        r"It lacks the weight table\.weight, unlike its textgan_lit\.pretraining",
    ),
    "a number for warm weights": (T, "pretraining", 3, r"pretraining=3: wanted a valid dictionary"),
    "other tokens": (T, "vocab", "tokens", ["a"], r"knows 1 tokens, which are not the 4 of the data now"),
    "tokens that are numbers": (T, "vocab", "tokens", [1], r"vocab\.tokens\.0=1: wanted a valid string"),
    "other sentences": (
        T,
        "data",
        "train 7",
        r"learned from other sentences \(train 7\) than there are now \([0-9a-f]{12}\)",
    ),
    "settings that are none": (T, "settings", [], r"settings=\[\]: wanted a valid dictionary"),
    "a part too many": (T, "more", 1, r"textgan_lit\.more: nothing of that name"),
    "a weight too few": (PLAYERS, WEIGHT, Gone, rf"lacks the weight {WEIGHT}"),
    "a weight too many": (PLAYERS, "generator.x", torch.ones(1), r"has the weight generator\.x"),
    "a weight of another shape": (PLAYERS, WEIGHT, torch.ones(2, 2), rf"{WEIGHT} is Float\[2, 2\], wanted Float\["),
    "weights that count": (
        PLAYERS,
        WEIGHT,
        torch.ones(6, 4, dtype=torch.long),
        rf"{WEIGHT} is int64\[6, 4\], wanted Float",
    ),
    "a weight that is a word": (PLAYERS, WEIGHT, "heavy", rf"{WEIGHT} is heavy, wanted a tensor"),
    "a weight that is none": (PLAYERS, WEIGHT, torch.full((6, 4), NAN), rf"{WEIGHT} holds numbers that are none"),
    "a weight without end": (PLAYERS, WEIGHT, torch.full((6, 4), -math.inf), rf"{WEIGHT} holds numbers that are none"),
    "a moment that is none": (
        PLAYERS,
        "losses.generator.baseline.average",
        torch.tensor(NAN),
        r"average holds numbers",
    ),
    "samples of no tokens": (
        PLAYERS,
        EXTRA,
        "kept",
        "tokens",
        torch.full((16, 3), 99),
        r"tokens holds 99, wanted 0 or more",
    ),
    "samples of another length": (
        PLAYERS,
        EXTRA,
        "kept",
        "mask",
        torch.ones(16, 9).bool(),
        r"mask is bool\[16, 9\], wanted bool\[",
    ),
    "half of the samples": (PLAYERS, EXTRA, "kept", {"tokens": torch.ones(1)}, r"kept\.mask is missing"),
    "samples that are shared": (PLAYERS, EXTRA, "used", -1, r"used=-1"),
    "samples that are none": (PLAYERS, EXTRA, 5, r"_extra_state=5|losses\.generator=5"),
    "no weights": (PLAYERS, Gone, "none of textgan_lit's"),
    "weights in a list": (PLAYERS, [], r"state_dict=\[\]: wanted a valid dictionary"),
    "no optimizers": (OPTIMIZERS, Gone, "It has no optimizer_states"),
    "optimizers that are tokens": (OPTIMIZERS, "three", r"optimizer_states=three: wanted a valid list"),
    "too few optimizers": (OPTIMIZERS, [], "has 0 optimizers, and this run 3"),
    "an optimizer that is a number": (OPTIMIZERS, 0, 7, r"optimizer_states\.pretrain=7: wanted a valid dictionary"),
    "an optimizer of nothing": (OPTIMIZERS, 0, {}, r"optimizer_states\.pretrain\.state is missing"),
    "a parameter that is not there": (OPTIMIZERS, 0, "state", 99, {}, r"state\.99: there are 1 parameters"),
    "a parameter below 0": (OPTIMIZERS, 0, "state", -1, {}, r"pretrain\.state\.-1"),
    "a parameter by name": (OPTIMIZERS, 0, "state", "table", {}, r"pretrain\.state\.table"),
    "a moment too few": (*ADAM, "exp_avg", Gone, r"state\.0 knows .*, wanted .*exp_avg"),
    "a moment too many": (*ADAM, "more", torch.ones(1), r"state\.0 knows .*more"),
    "moments of another shape": (*ADAM, "exp_avg", torch.ones(3), r"exp_avg is Float\[3\], wanted Float\["),
    "moments of another type": (
        *ADAM,
        "exp_avg",
        torch.ones(6, 4, dtype=torch.int32),
        r"exp_avg is int32\[.*wanted Float",
    ),
    "moments that are none": (
        *ADAM,
        "exp_avg_sq",
        torch.full((6, 4), NAN),
        r"exp_avg_sq holds numbers that no optimizer",
    ),
    "a step below 0": (*ADAM, "step", torch.tensor(-1.0), r"step holds numbers that no optimizer"),
    "steps without end": (*ADAM, "step", torch.tensor(math.inf), r"step holds numbers that no optimizer"),
    "a rate below 0": (OPTIMIZERS, 0, "param_groups", 0, "lr", -1.0, r"param_groups\.0\.lr=-1"),
    "a rate that is none": (OPTIMIZERS, 0, "param_groups", 0, "lr", NAN, r"param_groups\.0\.lr=nan"),
    "a rate in tokens": (OPTIMIZERS, 0, "param_groups", 0, "lr", "slow", r"param_groups\.0\.lr=slow"),
    "settings of an optimizer": (
        OPTIMIZERS,
        0,
        "param_groups",
        0,
        "betas",
        (5, 5),
        r"param_groups\.0\.betas: nothing of that",
    ),
    "a group too many": (
        OPTIMIZERS,
        0,
        "param_groups",
        [{"lr": 1.0}, {"lr": 1.0}],
        "has 2 groups of parameters, wanted 1",
    ),
    "callbacks in a list": (CALLBACKS, [1], r"callbacks=\[1\]: wanted a valid dictionary"),
    "the best is a word": (CALLBACKS, "Checkpoints", "best", "low", r"callbacks\.Checkpoints\.best=low"),
    "another callback's state": (CALLBACKS, "Checkpoints", {"streaks": {}}, r"callbacks\.Checkpoints\.best is missing"),
    "logs of nobody's update": (CALLBACKS, "Steps", "kept", {"referee": []}, r"callbacks\.Steps\.kept\.referee"),
    "no logs": (CALLBACKS, "Steps", "kept", {"generator": []}, r"Steps\.kept\.generator=\[\]"),
    "logs that differ": (
        CALLBACKS,
        "Steps",
        "kept",
        {"generator": [{"a": torch.ones(1)}, {}]},
        "the same numbers of every step",
    ),
    "logs that are tables": (
        CALLBACKS,
        "Steps",
        "kept",
        {"generator": [{"a": torch.ones(2, 2)}]},
        "the same numbers of every step",
    ),
    "logs of as many processes": (
        CALLBACKS,
        "Steps",
        "kept",
        {"generator": [{"a": torch.ones(2), "b": torch.ones(3)}]},
        "the same numbers of every step",
    ),
    "a log's name": (CALLBACKS, "Steps", "kept", {"generator": [{"a\nb": torch.ones(1)}]}, r"Steps\.kept\.generator"),
    "counts in tokens": (CALLBACKS, "Steps", "d_steps", ["one"], r"Steps\.d_steps\.0=one"),
    "half a row of samples": (CALLBACKS, "SampleTable", "waiting", [[[1, 2]]], r"SampleTable\.waiting\.0\.0"),
    "samples that are numbers": (CALLBACKS, "SampleTable", "latest", [1], r"SampleTable\.latest\.0=1"),
    "an unknown symptom": (CALLBACKS, "Health", "streaks", {"tired": 1}, r"Health\.streaks\.tired"),
    "a rollback to nowhere": (CALLBACKS, "Recovery", "target", 5, r"Recovery\.target=5"),
    "more of a callback": (CALLBACKS, "Recovery", "trainer", 5, r"Recovery\.trainer: nothing of that name"),
    "loops": ("loops", {"fit_loop": {}}, "It has a part loops that nothing of this run has saved"),
    "a scaler": ("MixedPrecision", {"scale": "large"}, r"MixedPrecision\.scale=large"),
}


def forge(state, *where):
    *path, key, value = where
    for name in path:
        state = state[name]
    if value is Gone:
        del state[key]
    else:
        state[key] = value


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A run that was cut off in its game."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, *RUN, "trainer.max_steps=18", f"hydra.run.dir={folder}")
    return folder


@pytest.fixture(scope="module")
def built(honest):
    """What the run would go on with: its system, its callbacks, its data."""
    config = read(kept(honest / "checkpoints")[0])[T]["settings"]
    data = experiment.data(config)
    return experiment.system(config, data), [Recovery(), *experiment.callbacks(config, data, honest)], data


@pytest.fixture
def saved(honest):
    path = kept(honest / "checkpoints")[1]  # of an evaluation: what a run writes at its end has been kept by then
    return Saved(path, copy.deepcopy(read(path)))


def test_what_was_saved_is_taken(saved, built):
    assert saved.state[PLAYERS][EXTRA]["kept"] is not None
    assert saved.state[CALLBACKS]["Steps"]["kept"]
    assert saved.state[T]["reading"]
    check_state(saved, *built)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_state_is_refused_by_its_place(name, saved, built, tmp_path):
    *where, said = FORGED[name]
    forge(saved.state, *where)
    path = tmp_path / "step-00000018.ckpt"
    write(saved.state, path)
    with pytest.raises(UserError, match=said) as refused:
        check_state(Saved(path, read(path)), *built)
    line = str(refused.value)
    assert line.isprintable()
    assert str(path) in line
    assert ("start a new run" in line) or name == "no weights"
    with contextlib.suppress(UserError):  # who only writes sentences needs less of it
        textgan_lit.load(path).sample(2)


PLAYED = ("steps below 0", "another rule's memory", "a weight that is none", "a moment too few", "logs that differ")


@pytest.mark.parametrize("name", PLAYED)
def test_a_refusal_leaves_the_run_as_it_was(name, honest, saved, monkeypatch):
    *where, said = FORGED[name]
    before = saved.path.read_bytes()
    forge(saved.state, *where)
    write(saved.state, saved.path)
    files = {path: path.read_bytes() for path in honest.rglob("*") if path.is_file() and path.suffix != ".yaml"}
    with pytest.raises(SystemExit, match=said):
        run(monkeypatch, f"resume={saved.path}")
    for path, content in files.items():
        assert path.name in ("train.log", "run.json") or path.read_bytes() == content, path
    saved.path.write_bytes(before)
