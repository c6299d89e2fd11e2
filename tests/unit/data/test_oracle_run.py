"""A finished run's generator as the data distribution: what it writes, and how likely that is."""

import shutil
from types import SimpleNamespace

import pytest
import torch

import textgan_lit
from tests.helpers.command import run, smoke
from textgan_lit.data.oracle_run import OracleRun
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.one_shot import OneShot
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab

VOCAB, FIXED = Vocab(("a", "b", "c"), has_eos=True), Vocab(("a", "b", "c"))


def oracle(generator, policy=None, **settings):
    opened = SimpleNamespace(generator=generator, policy=policy or Categorical())
    return OracleRun("runs/mine", lambda _: opened, **settings)


@pytest.fixture
def writer():
    torch.manual_seed(0)
    made = LSTM(VOCAB, 4)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.5)
    return made


def test_it_writes_what_the_run_writes_and_knows_how_likely_that_is(writer):
    noise = Noise(0, "test").uniform(64, 4)
    mine, its = oracle(writer).sample(noise, Categorical()), writer.sample(noise, Categorical())
    assert mine.batch.tokens.equal(its.batch.tokens)
    torch.testing.assert_close(oracle(writer).logp(its.batch, Categorical()), its.logp)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_temperature_is_of_each_token(writer, temperature):
    sentences = every_sentence(VOCAB, 4)
    logp = oracle(writer, temperature=temperature).logp(sentences, Categorical()).double().sum(1)
    assert logp.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    logits = writer.logits(inputs_of(sentences.tokens, VOCAB.bos)) / temperature
    wanted = logits.log_softmax(-1).gather(2, sentences.tokens.clamp(max=VOCAB.size - 1).unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(logp.float(), (wanted * sentences.mask).sum(1))


def test_what_the_runs_policy_leaves_out_is_no_part_of_the_data(writer):
    sentences = every_sentence(VOCAB, 4)
    logp = oracle(writer, TopK(2)).logp(sentences, Categorical()).sum(1)
    assert logp.isneginf().any()
    assert logp.double().exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_nothing_of_it_learns_or_is_left_to_chance():
    torch.manual_seed(0)
    dropping = oracle(Transformer(VOCAB, 4, width=16, heads=2, layers=1, dropout=0.5)).train()
    sentences = every_sentence(VOCAB, 4)
    assert dropping.logp(sentences, Categorical()).equal(dropping.logp(sentences, Categorical()))
    assert not any(weight.requires_grad for weight in dropping.parameters())


def test_other_weights_are_another_world(writer):
    before = oracle(writer).fingerprint()
    assert oracle(writer).fingerprint() == before
    with torch.no_grad():
        next(writer.parameters()).add_(0.1)
    assert oracle(writer).fingerprint() != before


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: VAE(VOCAB, 4), r"data.run=runs/mine needs log G\(x\), which VAE knows only a bound on"),
        (lambda: OneShot(VOCAB, 4), "data.run=runs/mine "),
        (lambda: LSTM(FIXED, 4, order="r2l"), "LSTM writes in another order than one reads. Give a run of"),
        (lambda: Transformer(FIXED, 4, any_order=True), "writes in another order than one reads"),
    ],
    ids=["a bound", "no density", "backwards", "any order"],
)
def test_a_run_whose_density_is_not_known_is_refused(make, said):
    with pytest.raises(UserError, match=said):
        oracle(make())


# --- a run on a run -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run on somebody's text."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "my.txt").write_text("".join(f"{'ab' * (k % 3)}c{'d' * (k % 5)}\n" for k in range(400)))
    with pytest.MonkeyPatch.context() as monkeypatch:
        text = "data=text", f"data.path={folder / 'my.txt'}", "data.tokenizer=char"
        smoke(monkeypatch, folder / "run", *text, "model=mle", "metrics=none")
    return folder / "run"


ON_IT = "data=oracle_run", "data.train=64", "data.valid=32", "data.test=64", "model=reinforce"
ON_IT += tuple(f"model.optim.{update}.batch_size=8" for update in ("pretrain", "discriminator", "generator"))


@pytest.mark.slow
def test_a_method_is_judged_on_a_runs_text_with_the_truth(monkeypatch, tmp_path, source):
    smoke(monkeypatch, tmp_path / "run", *ON_IT, f"data.run={source}", "trainer.max_steps=4")
    mine, its = textgan_lit.load(tmp_path / "run"), textgan_lit.load(source)
    assert (mine.vocab, mine.generator.max_length) == (its.vocab, its.generator.max_length)
    assert all("truth/jsd" in row for row in mine.metrics("truth/jsd"))
    run(monkeypatch, f"resume={tmp_path / 'run'}", "trainer.max_steps=6")


@pytest.mark.slow
def test_another_run_in_its_place_is_refused(monkeypatch, tmp_path, source):
    mine = shutil.copytree(source, tmp_path / "source")
    smoke(monkeypatch, tmp_path / "run", *ON_IT, f"data.run={mine}", "trainer.max_steps=4")
    shutil.rmtree(mine)
    with pytest.raises(SystemExit, match="source"):
        run(monkeypatch, f"resume={tmp_path / 'run'}")
    with pytest.MonkeyPatch.context() as other:
        text = "data=text", f"data.path={source.parent / 'my.txt'}", "data.tokenizer=char"
        smoke(other, mine, *text, "model=mle", "metrics=none", "seed=2")
    with pytest.raises(SystemExit, match=r"learned from other sentences .* Give the files as they were"):
        run(monkeypatch, f"resume={tmp_path / 'run'}")


@pytest.mark.slow
def test_it_is_opened_as_every_run_is(monkeypatch, tmp_path, source):
    forged = shutil.copytree(source, tmp_path / "source")
    for path in (forged / "checkpoints").iterdir():
        path.write_bytes(b"PK\x03\x04" + b"a pickle")
    with pytest.raises(SystemExit, match="a pickle can hold code, so none is read"):
        smoke(monkeypatch, tmp_path / "run", *ON_IT, f"data.run={forged}")
