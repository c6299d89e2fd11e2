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
from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import Saved, kept, read, write
from textgan_lit.types import MOVES

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

RUN = (
    *("debug=smoke", "logger=csv", "data=tiny", "data.train=256", "data.valid=64", "data.test=64", "reading_size=32"),
    *(
        "model=minimax",
        "model.estimator.epochs=2",
        "model/baseline=moving_average",
        "model.ema=0.9",
        "model/program=guard",
    ),
    *("model.program.rule.patience=1000", "model.program.duel=5", "callbacks.turns.every=50"),
    *("callbacks.schedule.generator=1", "callbacks.checkpoints.keep=10", "~callbacks.closing"),
    *(f"model.moves.{move}.batch=16" for move in MOVES),
)
NAN, HUGE = float("nan"), 2**60
T, PLAYERS, OPTIMIZERS, CALLBACKS = "textgan_lit", "state_dict", "optimizer_states", "callbacks"
WEIGHT = "generator.table.weight"
ADAM = (OPTIMIZERS, 0, "state", 0)
EXTRA = "objectives.generator._extra_state"


class Gone:
    """In place of a value: it is taken away."""


def deep(levels):
    return [deep(levels - 1)] if levels else []


FORGED = {  # name → where, what stands there, what is said of it
    "no clock": (T, "turns", Gone, r"textgan_lit\.turns is missing"),
    "a move too few": (T, "turns", "generator", Gone, r"turns\.generator is missing"),
    "a move too many": (T, "turns", "referee", 1, r"turns\.referee: nothing of that name"),
    "turns below 0": (T, "turns", "generator", -1, r"turns\.generator=-1: wanted greater than or equal to 0"),
    "too many turns": (T, "turns", "generator", HUGE, r"turns\.generator=1152921504606846976: wanted less than"),
    "half a turn": (T, "turns", "generator", 0.5, r"turns\.generator=0\.5: wanted a valid integer"),
    "a truth for a number": (T, "turns", "generator", True, r"turns\.generator=True: wanted a valid integer"),
    "turns as words": (T, "turns", "three", r"turns=three: wanted a valid dictionary"),
    "another's clock": (T, "turns", [1, 2, 3], r"turns=\[1, 2, 3\]: wanted a valid dictionary"),
    "turns within turns": (T, "turns", deep(30), r"turns=.*wanted a valid dictionary"),
    "words below 0": (T, "words_read", -1, r"words_read=-1: wanted greater"),
    "words as words": (T, "words_written", "many", r"words_written=many: wanted a valid integer"),
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
    "a reading's clock": (T, "reading", "turns", {}, r"reading\.turns\.likelihood is missing"),
    "a word for staleness": (T, "staleness", "low", r"staleness=low: wanted a valid number"),
    "a move that nobody has": (T, "upcoming", "referee", r"upcoming=referee: wanted 'likelihood'"),
    "a move that is none": (T, "upcoming", [], r"upcoming=\[\]: wanted 'likelihood'"),
    "the best is no number": (
        T,
        "program",
        "best_nll",
        NAN,
        r"program\.best_nll=nan: wanted greater than or equal to -inf",
    ),
    "patience below 0": (T, "program", "bad", -1, r"program\.bad=-1"),
    "answers that break a table": (T, "program", "answers", {'a",b': 1}, r"program\.answers"),
    "another rule's memory": (
        T,
        "program",
        "rule",
        {"ended": None, "best": 1.0, "bad": 0},
        r"rule\.refused is missing",
    ),
    "a rule of too much": (T, "program", "rule", "before", 1.0, r"rule\.before: nothing of that name"),
    "another's program": (T, "program", {"best": 0.1}, r"program\.best_nll is missing"),
    "a code in the program": (T, "program", "move", 1, r"program\.move: nothing of that name"),
    "warm weights of another shape": (
        T,
        "warm",
        "table.weight",
        torch.ones(3),
        r"warm's table\.weight is Float\[3\], wanted Float\[",
    ),
    "warm weights that lack one": (T, "warm", {}, r"It lacks the weight table\.weight, unlike its textgan_lit\.warm"),
    "a number for warm weights": (T, "warm", 3, r"warm=3: wanted a valid dictionary"),
    "other words": (T, "vocab", "words", ["a"], r"knows 1 words, which are not the 4 of the data now"),
    "words that are numbers": (T, "vocab", "words", [1], r"vocab\.words\.0=1: wanted a valid string"),
    "other sentences": (T, "data", "train 7", r"learned from other sentences \(train 7\) than there are now \(None\)"),
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
        "objectives.generator.baseline.average",
        torch.tensor(NAN),
        r"average holds numbers",
    ),
    "samples of no words": (
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
    "samples that are none": (PLAYERS, EXTRA, 5, r"_extra_state=5|objectives\.generator=5"),
    "no weights": (PLAYERS, Gone, "none of textgan_lit's"),
    "weights in a list": (PLAYERS, [], r"state_dict=\[\]: wanted a valid dictionary"),
    "no optimizers": (OPTIMIZERS, Gone, "It has no optimizer_states"),
    "optimizers that are words": (OPTIMIZERS, "three", r"optimizer_states=three: wanted a valid list"),
    "too few optimizers": (OPTIMIZERS, [], "has 0 optimizers, and this run 3"),
    "an optimizer that is a number": (OPTIMIZERS, 0, 7, r"optimizer_states\.likelihood=7: wanted a valid dictionary"),
    "an optimizer of nothing": (OPTIMIZERS, 0, {}, r"optimizer_states\.likelihood\.state is missing"),
    "a parameter that is not there": (OPTIMIZERS, 0, "state", 99, {}, r"state\.99: there are 1 parameters"),
    "a parameter below 0": (OPTIMIZERS, 0, "state", -1, {}, r"likelihood\.state\.-1"),
    "a parameter by name": (OPTIMIZERS, 0, "state", "table", {}, r"likelihood\.state\.table"),
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
    "steps below 0": (*ADAM, "step", torch.tensor(-1.0), r"step holds numbers that no optimizer"),
    "steps without end": (*ADAM, "step", torch.tensor(math.inf), r"step holds numbers that no optimizer"),
    "a rate below 0": (OPTIMIZERS, 0, "param_groups", 0, "lr", -1.0, r"param_groups\.0\.lr=-1"),
    "a rate that is none": (OPTIMIZERS, 0, "param_groups", 0, "lr", NAN, r"param_groups\.0\.lr=nan"),
    "a rate in words": (OPTIMIZERS, 0, "param_groups", 0, "lr", "slow", r"param_groups\.0\.lr=slow"),
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
    "logs of nobody's move": (CALLBACKS, "Turns", "kept", {"referee": []}, r"callbacks\.Turns\.kept\.referee"),
    "no logs": (CALLBACKS, "Turns", "kept", {"generator": []}, r"Turns\.kept\.generator=\[\]"),
    "logs that differ": (
        CALLBACKS,
        "Turns",
        "kept",
        {"generator": [{"a": torch.ones(1)}, {}]},
        "the same numbers of every turn",
    ),
    "logs that are tables": (
        CALLBACKS,
        "Turns",
        "kept",
        {"generator": [{"a": torch.ones(2, 2)}]},
        "the same numbers of every turn",
    ),
    "logs of as many processes": (
        CALLBACKS,
        "Turns",
        "kept",
        {"generator": [{"a": torch.ones(2), "b": torch.ones(3)}]},
        "the same numbers of every turn",
    ),
    "a log's name": (CALLBACKS, "Turns", "kept", {"generator": [{"a\nb": torch.ones(1)}]}, r"Turns\.kept\.generator"),
    "leads in words": (CALLBACKS, "Turns", "leads", ["one"], r"Turns\.leads\.0=one"),
    "half a row of samples": (CALLBACKS, "Samples", "waiting", [[[1, 2]]], r"Samples\.waiting\.0\.0"),
    "samples that are numbers": (CALLBACKS, "Samples", "latest", [1], r"Samples\.latest\.0=1"),
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
    """A run that was cut off in its duel."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, *RUN, "trainer.max_steps=18", f"hydra.run.dir={folder}")
    return folder


@pytest.fixture(scope="module")
def built(honest):
    """What the run would go on with: its system, its callbacks, its data."""
    config = read(kept(honest / "checkpoints")[0])[T]["settings"]
    data = experiment.data(config)
    return experiment.system(config, data), experiment.callbacks(config, data), data


@pytest.fixture
def saved(honest):
    path = kept(honest / "checkpoints")[1]  # of an evaluation: what a run writes at its end has been kept by then
    return Saved(path, copy.deepcopy(read(path)))


def test_what_was_saved_is_taken(saved, built):
    assert saved.state[PLAYERS][EXTRA]["kept"] is not None
    assert saved.state[CALLBACKS]["Turns"]["kept"]
    assert saved.state[T]["reading"]
    check_state(saved, *built)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_state_is_refused_by_its_place(name, saved, built, tmp_path):
    *where, said = FORGED[name]
    forge(saved.state, *where)
    path = tmp_path / "turn-00000018.ckpt"
    write(saved.state, path)
    with pytest.raises(UserError, match=said) as refused:
        check_state(Saved(path, read(path)), *built)
    line = str(refused.value)
    assert line.isprintable()
    assert str(path) in line
    assert ("start a new run" in line) or name == "no weights"
    with contextlib.suppress(UserError):  # who only writes sentences needs less of it
        textgan_lit.load(path).sample(2)


PLAYED = ("turns below 0", "another rule's memory", "a weight that is none", "a moment too few", "logs that differ")


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
