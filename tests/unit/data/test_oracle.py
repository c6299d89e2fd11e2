"""What holds for every oracle, in worlds whose sentences can all be listed."""

import importlib
import pkgutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.testing import assert_close

import textgan_lit.data
from tests.helpers import tiny_lm
from textgan_lit.data.dyck import Dyck
from textgan_lit.data.mixture import Mixture
from textgan_lit.data.oracle import FrozenGenerator, Oracle
from textgan_lit.data.oracle_lm import OracleLM
from textgan_lit.data.oracle_lstm import OracleLSTM
from textgan_lit.data.oracle_run import OracleRun
from textgan_lit.data.oracle_seqgan import OracleSeqGAN
from textgan_lit.data.tiny import OneSentence, Tiny, every_sentence
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab


def seqgan(folder, seed=1):
    """A SeqGAN oracle of 4 tokens, embedding 2, hidden 3, in a file of its own."""
    random, (v, e, h) = np.random.default_rng(seed), (4, 2, 3)
    shapes = {"emb": (v, e), "Wout": (h, v), "bout": (v,)}
    shapes |= {kind + gate: {"W": (e, h), "U": (h, h), "b": (h,)}[kind] for kind in "WUb" for gate in "ifoc"}
    np.savez(folder / "tiny.npz", **{k: random.normal(size=s).astype("f4") for k, s in shapes.items()})
    return OracleSeqGAN(str(folder / "tiny.npz"), length=3)


def of_a_run(_, seed=1):
    """A run's network, as if it had been opened."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        opened = SimpleNamespace(generator=LSTM(Vocab(tuple("abc"), has_eos=True), 3, 2, 3), policy=Categorical())
    return OracleRun("runs/mine", lambda _: opened)


def language_model(folder, seed=1):
    """A random Llama of two layers whose tokens are letters."""
    pytest.importorskip("transformers", reason="pretrained models need the extra lm")
    with torch.random.fork_rng(devices=[]):
        lm = tiny_lm.save(folder / f"lm{seed}", letters="ab", seed=seed, **tiny_lm.LETTERS_ALONE)
    return OracleLM(str(lm), 3)


WORLDS = {
    "mixture": lambda _, **seed: Mixture(vocab_size=4, length=4, languages=3, successors=2, **seed),
    "mixture-sharp": lambda _, **seed: Mixture(vocab_size=5, length=4, successors=2, smoothing=0.0, **seed),
    "dyck": lambda _, **seed: Dyck(types=2, length=4, smoothing=0.1, **seed),
    "dyck-sharp": lambda _, **seed: Dyck(types=2, length=4, smoothing=0.0, **seed),
    "oracle_lm": language_model,
    "oracle_lstm": lambda _, **seed: OracleLSTM(vocab_size=5, length=3, embedding=3, hidden=4, **seed),
    "oracle_run": of_a_run,
    "oracle_seqgan": seqgan,
    "tiny": lambda _, **seed: Tiny(vocab_size=4, length=3, **seed),
    "tiny-variable": lambda _, **seed: Tiny(vocab_size=3, length=3, variable=True, sharpness=2.0, **seed),
    "one_sentence": lambda _: OneSentence("a b a"),
    "one_sentence-fixed": lambda _: OneSentence("a b a", variable=False),
    "one_sentence-long": lambda _: OneSentence("a b", max_length=4),
}


@pytest.fixture(params=WORLDS)
def oracle(request, tmp_path):
    return WORLDS[request.param](tmp_path)


@pytest.fixture(params=[name for name in WORLDS if "one_sentence" not in name])
def world(request, tmp_path):
    """world(seed=…): the same kind of world from another seed."""
    return lambda **seed: WORLDS[request.param](tmp_path, **seed)


@pytest.fixture
def sentences(oracle):
    return every_sentence(oracle.vocab, oracle.max_length)


def test_every_oracle_is_under_these_laws(tmp_path):
    for module in pkgutil.iter_modules(textgan_lit.data.__path__, "textgan_lit.data."):
        importlib.import_module(module.name)
    kinds = {*Oracle.__subclasses__(), *FrozenGenerator.__subclasses__()} - {FrozenGenerator}
    kinds = {kind for kind in kinds if kind.__module__.startswith("textgan_lit.")}
    assert kinds == {type(make(tmp_path)) for make in WORLDS.values()}


def test_all_sentences_together_have_probability_one(oracle, sentences):
    logp = oracle.logp(sentences, Categorical()).sum(1)
    assert not logp.isnan().any()
    assert_close(logp.double().exp().sum().item(), 1.0, rtol=0, atol=1e-5)


def test_stepping_equals_teacher_forcing(oracle, sentences):
    inputs = inputs_of(sentences.tokens, oracle.vocab.bos)
    state, rows = oracle.start(len(inputs)), []
    for token in inputs.unbind(1):
        features, state = oracle.advance(token, state)
        rows.append(oracle.head(features))
        assert {len(leaf) for leaf in state} == {len(inputs)}  # batch first
    assert_close(torch.stack(rows, 1), oracle.logits(inputs))


def test_a_state_kept_aside_still_stands_for_its_tokens(oracle, sentences):
    inputs = inputs_of(sentences.tokens, oracle.vocab.bos)
    _, kept = oracle.advance(inputs[:, 0], oracle.start(len(inputs)))
    before, state = oracle.advance(inputs[:, 1], kept)
    before = before.clone()
    for token in inputs[:, 2:].flip(0).unbind(1):
        _, state = oracle.advance(token, state)
    rows = torch.arange(len(inputs)).repeat_interleave(2)  # as where a state is repeated for rollouts
    again, _ = oracle.advance(inputs[rows, 1], tuple(leaf[rows] for leaf in kept))
    assert_close(again, before[rows])


def test_a_token_never_changes_the_logits_before_it(oracle, sentences):
    inputs = inputs_of(sentences.tokens, oracle.vocab.bos)
    logits = oracle.logits(inputs)
    for t in range(1, oracle.max_length):
        changed = inputs.clone()
        changed[:, t] = (changed[:, t] + 1) % oracle.vocab.size
        assert_close(oracle.logits(changed)[:, :t], logits[:, :t])


def test_every_conditional_is_a_distribution_even_after_what_cannot_happen(oracle, sentences):
    probability = oracle.logits(inputs_of(sentences.tokens, oracle.vocab.bos)).softmax(-1)
    assert_close(probability.sum(-1), torch.ones(sentences.tokens.shape))


def test_sentences_are_as_frequent_as_they_are_probable(oracle, sentences):
    n = 20_000
    rollout = oracle.sample(Noise(3, "frequencies").uniform(n, oracle.max_length), Categorical())
    assert_close(rollout.logp, oracle.logp(rollout.batch, Categorical()))
    seen = (rollout.tokens[:, None] == sentences.tokens).all(2).sum(0)
    assert seen.sum() == n  # nothing was written that is not a sentence
    expected = oracle.logp(sentences, Categorical()).sum(1).double().exp() * n
    assert seen[expected == 0].sum() == 0
    rare = expected < 5  # counted as one cell
    seen, expected = (torch.cat([x[~rare].double(), x[rare].sum().view(1)]) for x in (seen, expected))
    possible = expected > 0
    assert chisquare(seen[possible], expected[possible] * n / expected.sum()).pvalue > 0.001 or possible.sum() == 1


def test_nothing_in_an_oracle_can_be_trained(oracle, sentences):
    assert not any(parameter.requires_grad for parameter in oracle.parameters())
    assert not oracle.logits(inputs_of(sentences.tokens, oracle.vocab.bos)).requires_grad


def test_the_seed_alone_names_the_world(world):
    torch.manual_seed(5)
    first = world().fingerprint()
    torch.manual_seed(6)
    assert world().fingerprint() == first
    assert world(seed=2).fingerprint() != first
    assert world(seed=0).fingerprint() != world(seed=2).fingerprint()


def test_a_fingerprint_sees_every_number(oracle):
    before = oracle.fingerprint()
    for value in oracle.state_dict().values():
        flat = value.view(-1)
        kept = flat[-1].clone()
        flat[-1] = ~kept if value.dtype == torch.bool else kept + 1 if kept.isfinite() else 0
        assert oracle.fingerprint() != before
        flat[-1] = kept
    assert oracle.fingerprint() == before


def test_torchs_global_stream_is_left_alone(tmp_path):
    before = torch.get_rng_state()
    for make in WORLDS.values():
        oracle = make(tmp_path)
        oracle.sample(Noise(0, "any").uniform(10, oracle.max_length), Categorical())
    assert torch.get_rng_state().equal(before)
