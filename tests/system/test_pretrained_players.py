"""A pretrained language model in a game: played, saved, opened, cut off and taken up as all runs are."""

import json
import random

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

import textgan_lit
from tests.helpers import tiny_lm
from tests.helpers.audited import descends
from tests.helpers.command import textgan
from tests.helpers.lives import left, play, same
from textgan_lit import tokenizer
from textgan_lit.audit.enumeration import Enumeration
from textgan_lit.commands.audit import WORLDS, audited, composed, parser
from textgan_lit.data.tiny import Tiny
from textgan_lit.errors import UserError
from textgan_lit.model.baseline import BatchMean
from textgan_lit.model.credit import Terminal
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds, Minimax
from textgan_lit.run.checkpoint import kept, read
from textgan_lit.types import Vocab

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, and sentences for it."""
    folder, lots = tmp_path_factory.mktemp("language_model"), random.Random(0)
    tiny_lm.save(folder / "lm", letters="abcd ")
    tiny_lm.save_encoder(folder / "encoder")
    lines = ["".join(lots.choice("abcd") for _ in range(lots.randint(2, 7))) for _ in range(300)]
    (folder / "my.txt").write_text("\n".join(lines))
    return folder


CRITIC = "model/discriminator@model.discriminator.critic"
CRITICS = {  # what the critic of model=airl is → the settings of its own
    "conv": ["model.discriminator.critic.filters=[[1,8],[2,8]]"],
    "encoder": ["model.discriminator.critic.name={files}/encoder", "model.discriminator.critic.lora.rank=2"],
    "value_head": ["model.discriminator.critic.lora.rank=2"],
}


def overrides(files, *more, critic="conv"):
    return (
        "model=airl",
        "data=text",
        f"data.path={files / 'my.txt'}",
        f"data.tokenizer={files / 'lm'}",
        "model/generator=pretrained",
        f"model.generator.name={files / 'lm'}",
        f"{CRITIC}={critic}",
        *(setting.format(files=files) for setting in CRITICS[critic]),
        "model/regulariser=[reference_kl]",
        "model.ema=0.9",
        *(f"model.optim.{update}.batch_size=8" for update in ("pretrain", "discriminator", "generator")),
        "model.schedule.pretrain_steps=3",
        "model.schedule.discriminator_pretrain_steps=2",
        "model.schedule.adversarial_steps=4",
        "check_size=8",
        "metrics=none",
        "logger=csv",
        "debug=smoke",
        "callbacks.closing.temperatures=[1.0]",
        *more,
    )


@pytest.fixture(scope="module")
def played(files):
    done = play(files / "run", *overrides(files, "hydra.run.dir=run"))
    assert done.returncode == 0, done.stderr
    return files / "run"


def test_a_checkpoint_holds_adapters_and_names_the_base(played):
    state = textgan_lit.load(played)
    assert all(".lora_" in name for name in state.generator.state_dict())
    assert len(state.generator.base) == 64
    assert state.sample(3, seed=1) == textgan_lit.load(played).sample(3, seed=1)


def test_another_base_under_its_name_is_refused(played, files):
    held = (files / "lm" / "model.safetensors").read_bytes()
    try:
        tiny_lm.save(files / "lm", letters="abcd ", seed=1)
        with pytest.raises(UserError, match=r"stands on pretrained weights of sha256 .*Give that model as it was"):
            textgan_lit.load(played)
        done = play(files / "run", "resume=run", "model.schedule.adversarial_steps=5")
        assert done.returncode != 0
        assert "stands on pretrained weights of sha256" in done.stderr
    finally:
        (files / "lm" / "model.safetensors").write_bytes(held)


@pytest.mark.slow
@pytest.mark.parametrize("critic", CRITICS)
def test_killed_it_goes_on_to_the_last_bit(files, tmp_path, critic):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    game = overrides(files, "+callbacks.death._target_=tests.helpers.dying.Death", critic=critic)
    assert play(whole, *game, f"hydra.run.dir={whole}").returncode == 0
    assert play(cut, *game, f"hydra.run.dir={cut}", death="SIGKILL at 7 end").returncode < 0
    done = play(cut, *game, f"hydra.run.dir={cut}", "resume=true")
    assert done.returncode == 0, done.stderr
    same(left(cut), left(whole))


@pytest.mark.slow
@pytest.mark.parametrize("critic", ["encoder", "value_head"])
def test_two_processes_play_the_game_of_one(files, tmp_path, critic):
    """Their checkpoints hold what one's does, adapters and heads alone, and name what both players stand on."""
    states = []
    for name, more in (("one", "trainer=cpu"), ("two", "trainer=ddp_cpu")):
        folder = f"hydra.run.dir={tmp_path / name}"
        done = play(tmp_path / name, *overrides(files, "model/schedule=fixed", folder, more, critic=critic))
        assert done.returncode == 0, done.stderr
        states.append(read(kept(tmp_path / name / "checkpoints")[0]))
    one, two = ({name: x for name, x in state["state_dict"].items() if torch.is_tensor(x)} for state in states)
    assert one.keys() == two.keys()
    assert all(".lora_" in name or ".head." in name for name, weight in one.items() if weight.is_floating_point())
    torch.testing.assert_close(two, one, rtol=1e-2, atol=1e-3)
    bases = states[0]["textgan_lit"]["bases"]
    assert bases.keys() == {"generator", "discriminator"}
    assert (bases["generator"] == bases["discriminator"]) == (critic == "value_head")


@pytest.mark.slow
def test_every_beginning_is_judged(files, tmp_path):
    plain = [one for one in overrides(files) if "critic" not in one and one != "model=airl"]
    game = (*plain, "model=scratchgan", "model/discriminator=value_head", "model.discriminator.scores=token")
    done = play(tmp_path / "run", *game, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert textgan_lit.load(tmp_path / "run").sample(3, seed=1)


@pytest.mark.slow
def test_an_encoder_judges_what_a_small_generator_writes(files, tmp_path):
    others = [one for one in overrides(files) if not ("critic" in one or "generator.name" in one or "lm" in one)]
    game = (*others, "model=minimax", "model/generator=lstm", "data.tokenizer=char", "model/discriminator=encoder")
    done = play(tmp_path / "run", *game, f"model.discriminator.name={files}/encoder", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert read(kept(tmp_path / "run" / "checkpoints")[0])["textgan_lit"]["bases"].keys() == {"discriminator"}


class Players:
    """A language model of three letters beside a world of three tokens whose every sentence is listed."""

    def __init__(self, folder):
        self.oracle = Tiny(vocab_size=3, length=3, variable=True, seed=3)
        text = (folder / "tokenizer.json").read_text()
        vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
        self.generator = Pretrained(vocab, 3, str(folder), Lora(rank=2)).eval()
        self.policy = Categorical()
        self.enumeration = Enumeration(self.oracle, self)


def test_its_gradient_is_the_enumerated_one(tmp_path):
    """What ends a text and what begins one are rows beyond the tokens, so that these are the world's."""
    folder = tiny_lm.save(tmp_path, letters="abc", named=(), bos_token_id=3, eos_token_id=4, pad_token_id=4)
    torch.manual_seed(0)
    finding = descends(ScoreFunction(LogOdds(), Terminal(), BatchMean()), Players(folder))
    assert finding.passed, finding.summary
    assert finding.summary.startswith("unbiased")


@pytest.mark.parametrize(("kind", "reward", "passes"), [("llama", 1, True), ("gpt2", 1, True), ("llama", -1, False)])
def test_the_audit_holds_a_small_one_of_its_kind_to_the_enumerated_gradient(
    kind, reward, passes, tmp_path, monkeypatch
):
    folder = tiny_lm.save(tmp_path, kind)
    worth = Minimax.__call__
    monkeypatch.setattr(Minimax, "__call__", lambda self, score: reward * worth(self, score))
    players = ("model/generator=pretrained", f"model.generator.name={folder}", "model/discriminator=value_head")
    given = ["model=minimax", *players, "model.generator.lora.rank=2", "--batches", "100"]
    options = parser().parse_args(given)
    found = audited(composed([WORLDS["with eos"], *options.overrides]), options)
    assert [finding.player for finding in found] == ["D = D*", "taught D"]
    assert found[0].passed is passes, found[0].summary
    assert found[1].passed, found[1].summary  # whatever the reward, its gradient is the listed one of it


def test_the_audit_says_that_such_a_model_ends_its_sentences(tmp_path):
    players = ("model/generator=pretrained", f"model.generator.name={tiny_lm.save(tmp_path)}")
    with pytest.raises(UserError, match=r"ends its sentences\. Leave data\.oracle\.variable=false out"):
        audited(composed([WORLDS["fixed length"], "model=minimax", *players]), parser().parse_args([]))


def test_the_command_looks_at_the_one_world_in_which_such_a_model_ends(tmp_path, monkeypatch, capsys):
    players = ("model/generator=pretrained", f"model.generator.name={tiny_lm.save(tmp_path)}")
    assert textgan(monkeypatch, "audit", "model=mle", *players, "--batches", "20", "--json") == 0
    assert {finding["world"] for finding in json.loads(capsys.readouterr().out)["findings"]} == {"with eos"}
