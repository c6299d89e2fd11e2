"""LM scores and the Fréchet distance of one reader, on a world whose truth is known."""

import math

import pytest
import torch

from textgan_lit.data.mixture import Mixture
from textgan_lit.data.oracle_lstm import OracleLSTM
from textgan_lit.functional.frechet import frechet
from textgan_lit.metrics import reference_lm
from textgan_lit.metrics.frechet import Frechet
from textgan_lit.metrics.language_model import LanguageModel
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import stream
from textgan_lit.types import TextBatch, Vocab

WORLD = Mixture(seed=1)


def text(name: str, temperature: float = 1.0, n: int = 600, world=WORLD) -> TextBatch:
    noise = torch.rand(n, world.max_length, generator=stream(name))
    return world.sample(noise, Categorical(temperature)).batch


def held_out(split: str) -> TextBatch:
    assert split == "valid"
    return text("valid")


def scores(fake: TextBatch, sentences=held_out) -> dict[str, float]:
    found = LanguageModel(WORLD.vocab, WORLD.max_length, sentences).measure(text("real"), fake)
    return {key.removeprefix("quality/").replace("_600", ""): float(value) for key, value in found.items()}


@pytest.mark.slow
def test_samples_of_the_data_itself_score_as_the_data_do():
    found = scores(text("fake"))
    for name in ("lm_score", "reverse_lm_score"):
        se = math.hypot(found[f"{name}_se"], found["lm_score_real_se"])
        assert abs(found[name] - found["lm_score_real"]) < 4 * se
    entropy = -(WORLD.logp(text("more"), Categorical()).sum() / text("more").mask.sum())
    assert found["lm_score_real"] > float(entropy)  # nobody reads better than who wrote it


@pytest.mark.slow
def test_repetition_flatters_the_score_and_not_its_reverse():
    same, noise = text("fake"), torch.randint(0, WORLD.vocab.size, (600, 8), generator=stream("noise"))
    dull = TextBatch(same.tokens[:1].expand(600, -1).clone(), same.mask)
    repeated, random, real = (scores(fake) for fake in (dull, TextBatch(noise, same.mask), same))
    assert repeated["lm_score"] < random["lm_score"]
    assert repeated["reverse_lm_score"] > real["reverse_lm_score"] + 1
    assert random["lm_score"] > real["lm_score"] + 0.3


@pytest.mark.slow
def test_the_distance_between_samples_of_the_data_is_its_floor_and_grows_from_there():
    world = OracleLSTM(vocab_size=50, length=6, seed=1)

    def sentences(split: str) -> TextBatch:
        return text(split, world=world)

    metric = Frechet(world.vocab, world.max_length, sentences)
    found = []
    for temperature in (1.0, 0.7, 0.4):
        value, floor = metric.measure(text("real", world=world), text("fake", temperature, world=world)).values()
        found.append(float(value) / float(floor))
    assert 0.5 < found[0] < 2
    assert found[0] < found[1] < found[2]
    assert found[2] > 2


def small(split: str = "valid") -> TextBatch:
    tokens = torch.randint(0, 4, (20, 5), generator=stream(split))
    mask = torch.arange(5) < torch.randint(1, 6, (20, 1), generator=stream(split, "length"))
    return TextBatch(tokens.masked_fill(~mask, 6), mask)


def test_the_held_out_reader_is_taught_once_and_the_run_does_not_notice(monkeypatch):
    vocab, taught, learn = Vocab(tuple("abcd"), has_eos=True), [], reference_lm.taught

    def spy(vocab, max_length, text):
        taught.append(text)
        return learn(vocab, max_length, text)

    monkeypatch.setattr(reference_lm, "taught", spy)
    torch.manual_seed(1)
    with torch.inference_mode():
        first = LanguageModel(vocab, 5, small).measure(small("real"), small("fake"))
        Frechet(vocab, 5, small).measure(small("real"), small("fake"))
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.rand(3).equal(drawn)
    assert LanguageModel(vocab, 5, small).measure(small("real"), small("fake")) == first
    assert [part.tokens.equal(small().tokens) for part in taught] == [True, False, False]


def test_the_standard_error_is_that_of_many_draws():
    vocab = Vocab(tuple("abcd"), has_eos=True)
    model = reference_lm.taught(vocab, 5, small())
    tokens = torch.randint(0, 4, (40_000, 5), generator=stream("many"))
    mask = torch.arange(5) < torch.randint(1, 6, (40_000, 1), generator=stream("lengths"))
    parts = [TextBatch(*part) for part in zip(tokens.split(200), mask.split(200), strict=True)]
    found = [reference_lm.surprise(model, part) for part in parts]
    spread = torch.stack([value for value, _ in found]).std()
    assert float(torch.stack([se for _, se in found]).mean()) == pytest.approx(float(spread), rel=0.15)


def test_padding_does_not_change_what_a_sentence_looks_like():
    vocab = Vocab(tuple("abcd"), has_eos=True)
    batch, model = small(), reference_lm.taught(Vocab(tuple("abcd"), has_eos=True), 5, small())
    other = TextBatch(batch.tokens.where(batch.mask, torch.randint(0, 4, (20, 5))), batch.mask)
    assert vocab.pad == 6
    torch.testing.assert_close(reference_lm.features(model, other), reference_lm.features(model, batch))
    assert float(frechet(reference_lm.features(model, batch), reference_lm.features(model, other))) == pytest.approx(
        0, abs=1e-6
    )


def test_too_few_sentences_are_not_measured():
    vocab, few = Vocab(tuple("abcd"), has_eos=True), small().first(9)
    assert LanguageModel(vocab, 5, small).measure(few, few) == {}
    assert Frechet(vocab, 5, small).measure(few, few) == {}
