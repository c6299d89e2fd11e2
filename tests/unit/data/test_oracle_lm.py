"""A pretrained language model as the data distribution, and as the generator that is measured against it."""

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

import textgan_lit
from tests.helpers import tiny_lm
from tests.helpers.command import run, smoke
from textgan_lit.data.oracle_lm import OracleLM
from textgan_lit.data.oracle_run import OracleRun
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.truth.models import Models, measure
from textgan_lit.truth.panel import Truth

LENGTH = 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two models whose tokens are three letters: with the end of a sentence, V = 4."""
    place = tmp_path_factory.mktemp("models")
    return [
        str(tiny_lm.save(place / name, letters="abc", seed=seed, **tiny_lm.LETTERS_ALONE))
        for seed, name in enumerate(("one", "other"))
    ]


@pytest.fixture
def oracle(folders):
    return OracleLM(folders[0], LENGTH)


def player(folder, vocab, lora=None, **settings):
    torch.manual_seed(0)
    return tiny_lm.learned(Pretrained(vocab, LENGTH, folder, lora, **settings).eval())


def of_a_run(generator, **settings):
    return OracleRun("runs/mine", lambda _: SimpleNamespace(generator=generator, policy=Categorical()), **settings)


def logp(player, sentences):
    return player.logp(sentences, Categorical()).double().sum(1)


def test_the_truth_between_two_language_models_is_the_enumerated_one(oracle, folders):
    generator = player(folders[1], oracle.vocab)
    sentences = every_sentence(oracle.vocab, LENGTH)
    p, g = logp(oracle, sentences), logp(generator, sentences)
    middle = torch.stack([p, g]).logsumexp(0) - torch.tensor(2.0).log()
    jsd = ((p.exp() * (p - middle)).sum() + (g.exp() * (g - middle)).sum()) / 2
    wanted = {"jsd": jsd, "jsd_direct": jsd, "kl_pg": (p.exp() * (p - g)).sum(), "kl_gp": (g.exp() * (g - p)).sum()}
    noise = Noise(0, "truth").uniform(2000, LENGTH)
    real = oracle.sample(Noise(1, "truth").uniform(2000, LENGTH), Categorical()).batch
    found = measure(Models(oracle, generator, Categorical()), real, noise).compute()
    for name, value in wanted.items():
        error = found[f"truth/{name}_se"]
        assert error < 0.1 * value
        assert abs(found[f"truth/{name}"] - value) < 3 * error, name


def test_it_is_the_model_itself_at_a_temperature(folders, oracle):
    sentences = every_sentence(oracle.vocab, LENGTH)
    torch.testing.assert_close(logp(oracle, sentences), logp(player(folders[0], oracle.vocab), sentences))
    cold = OracleLM(folders[0], LENGTH, temperature=0.5)
    own = player(folders[0], oracle.vocab).logp(sentences, Categorical(0.5)).double().sum(1)
    torch.testing.assert_close(logp(cold, sentences), own)


def test_nothing_of_it_is_kept_but_what_names_it(oracle):
    assert not oracle.state_dict()
    assert len(oracle.base) == 64


def test_adapters_count_as_often_as_they_are_told(folders, oracle):
    sentences, plain = every_sentence(oracle.vocab, LENGTH), player(folders[0], oracle.vocab)
    whole, half, none = (of_a_run(player(folders[0], oracle.vocab, Lora(rank=2)), scale=by) for by in (1.0, 0.5, 0.0))
    torch.testing.assert_close(logp(none, sentences), logp(plain, sentences))
    learned = player(folders[0], oracle.vocab, Lora(rank=2, alpha=8.0))  # half of what 16 is
    torch.testing.assert_close(logp(half, sentences), logp(learned, sentences))
    assert not torch.allclose(logp(whole, sentences), logp(half, sentences), atol=1e-2)
    assert len({some.fingerprint() for some in (whole, half, none)}) == 3


def test_without_adapters_there_is_nothing_to_scale(oracle):
    torch.manual_seed(0)
    with pytest.raises(UserError, match=r"data.scale=0.5 scales adapters, and the LSTM of data.run=runs/mine has none"):
        of_a_run(LSTM(oracle.vocab, LENGTH), scale=0.5)


@pytest.mark.parametrize("lora", [None, Lora(rank=2)], ids=["all", "adapters"])
def test_of_a_run_in_few_bits_p_is_in_float32(folders, oracle, lora):
    sentences, few = every_sentence(oracle.vocab, LENGTH), player(folders[0], oracle.vocab, lora, dtype="bfloat16")
    rough = logp(few, sentences)
    exact = of_a_run(few)
    assert {weight.dtype for weight in exact.parameters()} == {torch.float32}
    assert logp(exact, sentences).exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert not torch.allclose(rough, logp(exact, sentences), atol=1e-4)
    exact.fingerprint()


def test_a_generator_of_few_bits_is_judged_in_float32(folders, oracle):
    """Its weights are what and where they were: a step after an evaluation is a step without one."""
    few = player(folders[1], oracle.vocab, Lora(rank=2), dtype="bfloat16")
    same = player(folders[1], oracle.vocab, Lora(rank=2), dtype="bfloat16").float()
    before = [(weight.dtype, weight.data_ptr(), weight.clone()) for weight in few.parameters()]
    assert {dtype for dtype, *_ in before} == {torch.float32, torch.bfloat16}
    batch = oracle.sample(Noise(1, "truth").uniform(50, LENGTH), Categorical()).batch
    found = []
    for generator in (few, same):
        truth = Truth(LENGTH)
        Models(oracle, generator, Categorical()).add_to(truth, batch, batch)
        found.append(truth.compute())
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    for weight, (dtype, place, value) in zip(few.parameters(), before, strict=True):
        assert (weight.dtype, weight.data_ptr()) == (dtype, place)
        assert weight.equal(value)


def test_a_refusal_says_where_the_model_was_named(folders, tmp_path):
    with pytest.raises(UserError, match=r"^data\.name=.* reads 32 tokens, and its beginning has 1 and a sentence 40"):
        OracleLM(folders[0], 40)
    (tmp_path / "tokenizer.json").write_text(tiny_lm.spelling(["a", "b"]))
    with pytest.raises(UserError, match=r"^data\.name=.* has no config\.json"):
        OracleLM(str(tmp_path), LENGTH)


# --- a run on a model -----------------------------------------------------------------------------------------------

ON_IT = (
    "data=oracle_lm",
    "data.oracle.max_length=4",
    "data.train=64",
    "data.valid=32",
    "data.test=64",
    "model=reinforce",
)
ON_IT += tuple(f"model.optim.{update}.batch_size=8" for update in ("pretrain", "discriminator", "generator"))


@pytest.mark.slow
@pytest.mark.parametrize("train", ["256", "null"])
def test_every_method_can_be_judged_on_it(monkeypatch, tmp_path, folders, train):
    sizes = (one for one in ON_IT if "optim.discriminator" not in one)
    players = "model/discriminator=oracle", "~model/discriminator_loss"
    game = *sizes, *players, f"data.name={folders[0]}", "trainer.max_steps=6", f"data.train={train}"
    smoke(monkeypatch, tmp_path / "run", *game)
    assert all("truth/jsd" in row for row in textgan_lit.load(tmp_path / "run").metrics("truth/jsd"))
    run(monkeypatch, f"resume={tmp_path / 'run'}", "trainer.max_steps=8")


@pytest.mark.slow
def test_another_model_in_its_place_is_refused(monkeypatch, tmp_path):
    about = {"letters": "abc", **tiny_lm.LETTERS_ALONE}
    folder = tiny_lm.save(tmp_path / "lm", **about)
    smoke(monkeypatch, tmp_path / "run", *ON_IT, f"data.name={folder}", "trainer.max_steps=4")
    tiny_lm.save(folder, seed=5, **about)
    with pytest.raises(SystemExit, match=r"learned from other sentences .* Give the files as they were"):
        run(monkeypatch, f"resume={tmp_path / 'run'}")
