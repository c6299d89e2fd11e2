"""What a person sees: help, the configuration, and one line when something is wrong."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.command import run, smoke
from textgan_lit import cli
from textgan_lit.build import experiment
from textgan_lit.types import UPDATES

CHECKOUT = Path(__file__).parents[2]

WRONG = {
    # a misspelt key, group or option: the nearest that exist
    "model.schedule.kk=3": r"model\.schedule\.kk: there is no such key\. Nearest: model\.schedule\.k,",
    "modle=mle": r"modle: there is no such (key|group)\. Nearest: model",
    "model=seqgann": r"model=seqgann: there is no such option\. Nearest: seqgan,",
    "model/control=constnat": r"model/control=constnat: there is no such option\. Nearest: constant",
    "trainer.max_stepz=3": r"trainer\.max_stepz: there is no such key\. Nearest: trainer\.max_steps",
    # what has another name here, or had one in 0.1
    "lr=0.1": r"Did you mean model\.optim\.pretrain\.lr or .*model\.optim\.generator\.lr\?",
    "model.optim.generator.learning_rate=1": r"learning_rate: there is no such key\. Did you mean .*generator\.lr",
    "epochs=4": r"Did you mean .*model\.schedule\.pretrain_steps",
    "model.generator.hidden_size=8 model/generator=lstm": r"Did you mean model\.generator\.hidden\?",
    "callbacks.health.repeats=0.2": r"health\.repeats: there is no such key\. .* a constant",
    "batch_size=64": r"batch_size: there is no such key\. Did you mean model\.optim\.pretrain\.batch_size",
    "model.moves.generator.optimizer.lr=0.1": r"lr is model\.optim\.generator\.lr since",
    "model.program.k=5": r"model\.program\.k is model\.schedule\.k since version 0\.2",
    "+model.program.k=5": r"model\.program is model\.schedule since version 0\.2",
    "model/program=guard": r"model/program is model/schedule since version 0\.2",
    "model/adversary=hinge": r"model/adversary is model/discriminator_loss since",
    "model/reward=shuffled": r"model/reward=shuffled is model/control=shuffled since version 0\.2",
    "model/reward=constant": r"model/reward=constant is model/control=constant since version 0\.2",
    "model=dgsan model.estimator.shuffled=true": r"shuffled is model/control=shuffled since version 0\.2",
    "model/reward@model.control=score": r"model/reward@model\.control is model/control since version 0\.2",
    "callbacks.schedule.generator=5": r"schedule\.generator is callbacks\.evaluation\.every\.generator since",
    # what something else does here: that key
    "trainer.max_epochs=3": r"trainer\.max_epochs: there is no such key\. .* model\.schedule\.pretrain_steps=",
    "+trainer.max_epochs=3": r"trainer\.max_epochs: there is no such key\. .* model\.schedule\.pretrain_steps=",
    "+trainer.gradient_clip_val=1": r"trainer\.gradient_clip_val: .* model\.optim\.pretrain\.max_grad_norm=5",
    "+trainer.accumulate_grad_batches=2": r"trainer\.accumulate_grad_batches: .* model\.optim\.generator\.batch_size=",
    "+trainer.val_check_interval=100": r"trainer\.val_check_interval: .* callbacks\.evaluation\.every\.generator=",
    "+trainer.strategy=fsdp": r"trainer\.strategy: .* always play by DDP",
    "trainer.max_steps=many": r"trainer\.max_steps=many: wanted a valid integer",
    "trainer.max_steps=0": r"trainer\.max_steps=0: wanted greater than or equal to 1",
    "+model.generator.ordr=2": r"model\.generator\.ordr: Markov has no such setting; did you mean order\?",
    # overrides that would change nothing
    "~model/penalty": r"~model/penalty takes nothing away: there is none here\. Leave it out\.",
    "model=mle model/control=constant": r"model=mle plays without a control, so there is none to replace\.",
    "model/optimizer=adamw": r"each update has one of its own: model/optimizer@model\.optim\.generator=",
    "+foo=3": r"foo: nothing here asks for that key\. Nearest:",
    "+model.optim.generator.lrr=3": r"model\.optim\.generator\.lrr: Adam has no such setting; did you mean lr\?",
    "+metrics.closin=3": r"metrics\.closin: nothing here asks for that key\. Nearest: closing",
    # a value that its part cannot use
    "model.schedule.k=0": r"model\.schedule\.k=0: wanted greater than or equal to 1",
    "model.schedule.k=abc": r"model\.schedule\.k=abc: wanted a valid integer",
    "model.policy.temperature=0": r"model\.policy\.temperature=0: wanted greater than or equal to 0\.000001",
    "model.optim.pretrain.batch_size=50000": r"batch of 50,000 sentences does not fit into data\.train=4096\. Use",
    "model.optim.discriminator.max_grad_norm=-1": r"discriminator\.max_grad_norm=-1: wanted greater than 0",
    "model.optim.generator.lr=fast": r"model\.optim\.generator\.lr=fast: wanted",
    "model.generator._target_=textgan_lit.model.generator.nosuch.Thing": r"no such class",
    # parts that do not fit
    "model/credit=reward_to_go": r"needs one score per token, but the discriminator Conv gives one per sentence\. Use",
    "model/policy=top_k": r"TopK gives some tokens probability 0, so the likelihood pretraining would be infinite\.",
    "~model/reward model/control=shuffled": r"ScoreFunction also needs reward\. Choose one: model/reward=",
    "model=dgsan model/control=constant": r"rewards nothing that Constant could stand for\. Use model/control=shuffled",
    "model=residual_ebm model/control=shuffled": r"Shuffled control would be ignored: .* Use ~model/control",
    "model=dgsan model/reward=ratio": r"Ratio reward would be ignored: SelfPlay has no use for a reward\. Use",
    "model.control._target_=textgan_lit.model.reward.Score model/control=constant": r"wanted a Control\. Choose one",
    "model=dgsan model/schedule=guard": r"Guard asks how far the discriminator is ahead, and this model has none\. Use",
    "model/penalty=null": r"model/penalty=null: a part is taken away by ~model/penalty\.",
    "model/optimizer@model.optim.generator=null": r"a part is taken away by ~model/optimizer@model\.optim\.generator\.",
    "model.schedule.check_every=0": r"Guard acts on held-out checks and would never get one\. Give",
    # a world that is not there
    "data=oracle_lm": r"data\.name has no default: give data\.name=…",
    "data=oracle_lm data.name=nowhere": r"data\.name=nowhere is no folder here",
    "data=oracle_run": r"data\.run has no default: give data\.run=…",
    "data=oracle_run data.run=nowhere": r"nowhere",
    "data=oracle_seqgan": r"data\.weights has no default: give data\.weights=…",
    "trainer=gpu": r"trainer: .*gpu.* Look at the trainer group",
    # what would take the machine down
    "trainer.devices=100000": r"trainer\.devices=100000: wanted less than or equal to 4096",
    "trainer.devices=4000": r"trainer\.devices=4000, but this machine has \d+ CPUs\. Give at most",
    "trainer.devices='4000'": r"trainer\.devices=4000, but this machine has \d+ CPUs\. Give at most",
    "trainer.accelerator=auto trainer.devices=4000": r"trainer\.devices=4000, but this machine has \d+ CPUs\. Give at",
    "trainer.num_nodes=1000000 trainer.devices=2": r"trainer\.num_nodes=1000000: wanted less than or equal to 4096",
    "+trainer.timeout=1e300 trainer.devices=2": r"trainer\.timeout=1e\+300: wanted less than or equal to 10080",
    "+trainer.max_time={days:1000000000000}": r"trainer: .*too large",
    "threads=1000000": r"threads=1000000: wanted less than or equal to 1024",
    "seed=10000000000": r"seed=10000000000: wanted less than or equal to 4294967295",
    "data=text data.path=x data.workers=1000": r"data\.workers=1000: wanted less than or equal to 64",
    "overwrite=no": r"overwrite=no: wanted true or false",
    "model/rewrd=constant": r"model/rewrd: there is no such group\. Nearest: model/reward",
    "seed=a": r"seed=a: wanted a valid integer",
    "data.streaming=true": r"data\.streaming: there is no such key\. Text is mapped from the disk, so none of it need",
    "reward=ratio": r"reward: there is no such key\. Did you mean model/reward=",
    "model.optim.generator.lr=-1": r"model\.optim\.generator: Invalid learning rate: -1",
    "trainer.devices=none": r"trainer\.devices=none: wanted a valid integer",
    # what Hydra's grammar reads otherwise: how it is quoted
    "data.path=~/my.txt": r"data\.path=~/my\.txt: Hydra .* Quote the value: 'data\.path=\"~/my\.txt\"'\.",
    "data.path=a=b.txt": r"Quote [^:]*: 'data\.path=\"a=b\.txt\"'",
    "data.path=my(1).txt": r"Quote [^:]*: 'data\.path=\"my\(1\)\.txt\"'",
    "data.path=it's.txt": r"""Quote [^:]*: 'data\.path="it'"'"'s\.txt"'""",
    "name=a,b": r"Quote [^:]*: 'name=\"a,b\"'\. \(A list stands in \[ \], and several runs take -m\.\)",
    "trust=[a(1),b]": r"Quote each value of the list: 'trust=\[\"…\",\"…\"\]'",
    "seed": r"seed: wanted KEY=VALUE, as in seed=1",
    "hydra.run.dir=/proc/nowhere": r"hydra\.run\.dir=/proc/nowhere cannot be written .* Give a folder that can",
}


# Each is answered as another one above is.
ALIKE = {"model/reward=constnat", "trainer.max_stepz=3", "model.program.k=5", "callbacks.schedule.generator=5"}
ALIKE |= {"+trainer.gradient_clip_val=1", "+trainer.accumulate_grad_batches=2", "+trainer.val_check_interval=100"}
ALIKE |= {"trainer.max_steps=many", "trainer.max_steps=0", "model.schedule.k=abc", "model.optim.generator.lr=fast"}
ALIKE |= {"model.optim.discriminator.max_grad_norm=-1", "trainer.devices=100000", "trainer.devices='4000'"}
ALIKE |= {"trainer.accelerator=auto trainer.devices=4000", "threads=1000000", "seed=10000000000", "seed=a"}
ALIKE |= {"trainer.devices=none", "data.path=my(1).txt", "data.path=it's.txt", "+metrics.closin=3"}


@pytest.mark.parametrize(
    "override", [pytest.param(override, marks=[pytest.mark.slow] if override in ALIKE else []) for override in WRONG]
)
def test_a_mistake_is_answered_in_one_line_before_any_training(override, monkeypatch, tmp_path):
    import re

    import torch

    if override == "trainer=gpu" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    overrides = ["debug=smoke", "logger=csv", f"hydra.run.dir={tmp_path / 'run'}", *override.split()]
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *overrides)
    line = str(stopped.value.code)
    assert line.startswith("textgan_lit: ")
    assert "\n" not in line
    assert re.search(WRONG[override], line), line
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert not (tmp_path / "run" / ".hydra").exists()  # the corrected command can have the folder


def test_a_key_that_others_ask_for_may_have_any_name(monkeypatch, tmp_path):
    wide = ("+model.wide=8", "model.optim.generator.batch_size=${model.wide}")
    overrides = ("data=tiny", "+mine=3", "model.schedule.adversarial_steps=${mine}", *wide)
    monkeypatch.setattr(cli, "_play", lambda config, *_: played.append(config))
    played = []
    run(monkeypatch, "debug=smoke", f"hydra.run.dir={tmp_path / 'run'}", *overrides)
    model = played[0]["model"]
    assert (model["schedule"]["adversarial_steps"], model["optim"]["generator"]["batch_size"]) == (3, 8)


def test_the_fixed_names_are_those_that_are_built():
    others = {"regulariser", "schedule", "control", "ema", "optim", "generator_from", "discriminator_from"}
    assert {*experiment.KINDS, *others} == set(cli.HELD["model"])
    assert set(cli.HELD["model.optim"]) == set(UPDATES)


class Shell:
    def __reduce__(self):
        import os

        return os.system, ("touch owned",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file|does not exist|missing"),
        (b"", "empty"),
        (b"\x80\x04garbage", "weights"),
        (pickle.dumps(Shell()), "weights"),
    ],
    ids=["missing", "empty", "corrupt", "malicious"],
)
def test_bad_weights_are_refused_by_name(content, said, monkeypatch, tmp_path):
    path = tmp_path / "weights.pkl"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=said) as stopped:
        smoke(monkeypatch, tmp_path / "run", "data=oracle_seqgan", f"data.weights={path}")
    assert str(path) in str(stopped.value.code)
    assert not (tmp_path / "owned").exists()


def test_a_folder_that_holds_a_run_is_refused_and_left_alone_unless_told(monkeypatch, tmp_path):
    folder = tmp_path / "run"
    first = smoke(monkeypatch, folder, "model.schedule.adversarial_steps=1", "model/schedule=fixed")
    kept = (folder / ".hydra" / "config.yaml").read_text()
    with pytest.raises(SystemExit, match=r"already holds a run\. Choose another folder, resume=true to go on"):
        smoke(monkeypatch, folder, "seed=7")
    assert (folder / ".hydra" / "config.yaml").read_text() == kept
    second = smoke(
        monkeypatch, folder, "seed=7", "model.schedule.adversarial_steps=1", "model/schedule=fixed", "overwrite=true"
    )
    assert len(second) == len(first)
    assert "seed: 7" in (folder / ".hydra" / "config.yaml").read_text()


def test_help_names_the_groups_and_needs_no_torch():
    code = (
        "import sys; sys.argv = ['train.py', '--help']\n"
        "from textgan_lit.cli import main\n"
        "try: main()\nfinally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    for line in ("model/reward: log_odds, ", "python train.py debug=smoke", "trainer: cpu, ddp_cpu, gpu"):
        assert line in done.stdout


def test_the_configuration_can_be_printed(monkeypatch, capsys):
    run(monkeypatch, "--cfg", "job", "model=seqgan")
    assert "textgan_lit.model.credit.MonteCarlo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "It takes more memory than there is. Give smaller sizes"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "It takes more memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "It takes more memory"),
    ],
)
def test_memory_that_does_not_reach_is_one_line(error, said):
    assert cli.is_expected(error)
    assert cli.explain(error).startswith(said)
    assert not cli.is_expected(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_what_is_refused_leaves_no_folder(monkeypatch, tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(SystemExit, match="is empty"):
        run(monkeypatch, "data=text", f"data.path={tmp_path / 'empty.txt'}", f"hydra.run.dir={tmp_path / 'run'}")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.txt"]
