"""The two models that packages of the index hold, as players: played where SMOLLM2 and MINILM name their folders."""

import os
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

import textgan_lit
from tests.helpers.lives import play
from textgan_lit import tokenizer
from textgan_lit.commands.fetch_model import MODELS, WEIGHTS
from textgan_lit.data.oracle_lm import OracleLM
from textgan_lit.model import hugging_face
from textgan_lit.model.generator.base import DecodeState
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.noise import Noise
from textgan_lit.truth.models import Models, measure
from textgan_lit.types import TextBatch, Vocab

FOLDERS = {name: os.environ.get(name.upper()) for name in ("smollm2", "minilm")}
pytestmark = [pytest.mark.lm, pytest.mark.usefixtures("unchecked_shapes")]
needs = {
    name: pytest.mark.skipif(not folder, reason=f"{name.upper()} names no folder: textgan fetch-model {name} DIR")
    for name, folder in FOLDERS.items()
}
CAPTIONS = "A man riding a wave on top of a surfboard.", "Two dogs are sleeping\non a red couch <|im_end|>"
BEGINNING = "<|endoftext|>A photo of"


@pytest.fixture(scope="module")
def writer():
    """SmolLM2 with adapters that have learned something."""
    text = Path(FOLDERS["smollm2"], "tokenizer.json").read_text()
    vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
    torch.manual_seed(0)
    made = Pretrained(vocab, 24, FOLDERS["smollm2"], Lora(8), beginning=BEGINNING, ends_at_newline=True).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.01)
    return made


class Brief(Policy):
    """Sentences end early, each at its own place."""

    def __call__(self, logits):
        return torch.cat([logits[..., :-1], logits[..., -1:] + 4.0], -1)


@pytest.mark.parametrize(
    ("name", "auto"),
    [
        pytest.param("smollm2", "AutoModelForCausalLM", marks=needs["smollm2"]),
        pytest.param("minilm", "AutoModel", marks=needs["minilm"]),
    ],
)
def test_a_fetched_folder_is_the_model_that_is_known(name, auto):
    opened = hugging_face.opened(FOLDERS[name], auto, "float32", name)
    assert opened.digest == MODELS[name].weights == hugging_face.digest([Path(FOLDERS[name], WEIGHTS)])


@needs["smollm2"]
@torch.no_grad()
def test_scores_are_those_of_transformers():
    """Tokens of the text as letters, no special token written, and eos where <|im_end|> would end it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(FOLDERS["smollm2"]).eval()
    theirs = AutoTokenizer.from_pretrained(FOLDERS["smollm2"])
    text = Path(FOLDERS["smollm2"], "tokenizer.json").read_text()
    vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
    generator = Pretrained(vocab, 32, FOLDERS["smollm2"], None, beginning=BEGINNING).eval()
    first, end = theirs(BEGINNING, add_special_tokens=False).input_ids, theirs.convert_tokens_to_ids("<|im_end|>")
    special = torch.tensor([number for number in theirs.added_tokens_decoder if number != end])
    for caption in CAPTIONS:
        ids = theirs(caption, add_special_tokens=False, split_special_tokens=True).input_ids
        logits = network(torch.tensor([[*first, *ids]])).logits[0, len(first) - 1 :]
        logp = logits.index_fill(-1, special, -torch.inf).log_softmax(-1)
        wanted = logp.gather(1, torch.tensor([*ids, end]).unsqueeze(1)).squeeze(1)
        tokens = torch.tensor([[*vocab.encode(caption), vocab.eos]])
        found = generator.logp(TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool)), Categorical())[0]
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@needs["smollm2"]
@torch.no_grad()
def test_what_is_sampled_is_what_is_scored_whoever_else_has_ended(writer, monkeypatch):
    noise = torch.rand(16, writer.uniforms, generator=torch.Generator().manual_seed(0))
    rows, advance = [], Pretrained.advance
    monkeypatch.setattr(Pretrained, "advance", lambda *given: rows.append(len(given[1])) or advance(*given))
    written = writer.sample(noise, Brief())
    torch.testing.assert_close(writer.logp(written.batch, Brief()), written.logp, atol=1e-4, rtol=0)
    assert writer.fewest_rows <= min(rows) < max(rows) == 16
    monkeypatch.setattr(DecodeState, "unfinished", lambda decoding, fewest: slice(None))
    for one, other in zip(written, writer.sample(noise, Brief()), strict=True):
        assert one.equal(other)


@needs["smollm2"]
@torch.no_grad()
def test_in_bfloat16_what_is_sampled_is_scored_to_some_tenths_of_a_nat_and_without_a_bias():
    text = Path(FOLDERS["smollm2"], "tokenizer.json").read_text()
    vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
    player = Pretrained(vocab, 24, FOLDERS["smollm2"], Lora(8), "bfloat16", beginning=BEGINNING, ends_at_newline=True)
    noise = torch.rand(32, player.eval().uniforms, generator=torch.Generator().manual_seed(0))
    written = player.sample(noise, Categorical())
    apart = (player.logp(written.batch, Categorical()) - written.logp).sum(1)
    assert 0.1 < apart.std() < 0.6
    assert apart.mean().abs() < 3 * apart.std() / len(apart) ** 0.5


@needs["smollm2"]
def test_the_chain_rule_and_whole_sentences_say_the_same_of_49152_tokens(writer):
    """P is the model without the adapters that G has; the chain rule says it far more exactly."""
    oracle = OracleLM(FOLDERS["smollm2"], 24, beginning=BEGINNING, ends_at_newline=True)
    noise = [Noise(0, who).uniform(24, 24) for who in ("real", "fake")]
    real = oracle.sample(noise[0], Categorical()).batch
    found = measure(Models(oracle, writer, Categorical()), real, noise[1]).compute()
    chain, direct = ([found[f"truth/jsd_{name}{end}"].item() for end in ("", "_se")] for name in ("chain", "direct"))
    assert abs(chain[0] - direct[0]) < 3 * (chain[1] ** 2 + direct[1] ** 2) ** 0.5
    assert 0 < chain[1] < direct[1]


@needs["smollm2"]
def test_a_step_of_grpo_moves_adapters_alone_and_they_are_what_is_kept(tmp_path):
    (tmp_path / "my.txt").write_text("\n".join(f"a photo of {number} people who ride a horse" for number in range(80)))
    done = play(
        tmp_path,
        *(
            "model=grpo",
            "data=text",
            f"data.path={tmp_path / 'my.txt'}",
            f"data.tokenizer={FOLDERS['smollm2']}",
            "data.max_length=12",
        ),
        *("model/generator=pretrained", f"model.generator.name={FOLDERS['smollm2']}"),
        *("model/discriminator=conv", "model.discriminator.filters=[[1,8]]", "check_size=8", "metrics=none"),
        *("model.discriminator.embedding=4", "model.optim.discriminator.batch_size=4", "logger=none"),
        *("model.optim.generator.batch_size=4", "model.schedule.pretrain_steps=0", "model.schedule.k=1"),
        *("model.schedule.discriminator_pretrain_steps=1", "model.schedule.adversarial_steps=1"),
        *("~callbacks.closing", "~callbacks.choice", f"hydra.run.dir={tmp_path / 'run'}"),
    )
    assert done.returncode == 0, done.stderr
    generator = textgan_lit.load(tmp_path / "run").generator
    untouched = hugging_face.opened(FOLDERS["smollm2"], "AutoModelForCausalLM", "float32", "smollm2").network
    base = {name: weight for name, weight in generator.network.named_parameters() if ".lora_" not in name}
    assert len(base) == len(dict(untouched.named_parameters()))
    for name, weight in untouched.named_parameters():
        assert torch.equal(base.get(name, base.get(name.replace(".weight", ".base_layer.weight"))), weight), name
    moved = [name for name, weight in generator.named_parameters() if "lora_B" in name and weight.any()]
    assert len(moved) == 7 * 30
    saved = max((tmp_path / "run" / "checkpoints").glob("step-*.ckpt"))
    assert saved.stat().st_size < 45e6  # adapters, Adam's moments of them, and the reference's: 9.8 MB each
