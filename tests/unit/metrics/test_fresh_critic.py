"""The fresh critic's bound on worlds whose true JSD is known."""

import math

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.mixture import Mixture
from textgan_lit.data.oracle_lstm import OracleLSTM
from textgan_lit.data.tiny import Tiny
from textgan_lit.functional.divergence import LOG2
from textgan_lit.metrics import fresh_critic
from textgan_lit.metrics.fresh_critic import FreshCritic, compared
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import stream
from textgan_lit.truth.models import Models, measure
from textgan_lit.types import TextBatch, Vocab


def text(world, n: int, name: str, temperature: float = 1.0) -> TextBatch:
    noise = torch.rand(n, world.max_length, generator=stream(name))
    return world.sample(noise, Categorical(temperature)).batch


def bound(world, real: TextBatch, fake: TextBatch) -> tuple[float, float]:
    found = FreshCritic(world.vocab, world.max_length).measure(real, fake)
    n = len(real.tokens)
    assert found.keys() == {f"quality/fresh_bound_{n}", f"quality/fresh_bound_{n}_se"}
    value, se = found.values()
    return float(value), float(se)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "temperature", "least"),
    [
        (Tiny(vocab_size=4, length=3, variable=True, seed=1), 0.3, 0.8),
        (Tiny(vocab_size=4, length=3, sharpness=2.0, seed=2), 0.5, 0.6),
        (OracleLSTM(vocab_size=50, length=6, seed=1), 0.5, 0.6),
        (Mixture(seed=1), 0.5, 0.6),
    ],
)
def test_the_bound_lies_below_the_truth_and_finds_most_of_it(world, temperature, least):
    models = Models(world, world, Categorical(temperature))
    noise = torch.rand(4000, world.max_length, generator=stream("more"))
    truth = measure(models, text(world, 4000, "truth"), noise).compute()
    value, se = bound(world, text(world, 1000, "real"), text(world, 1000, "fake", temperature))
    assert value <= float(truth["truth/jsd"]) + 3 * math.hypot(se, float(truth["truth/jsd_se"]))
    assert value >= least * float(truth["truth/jsd"])


@pytest.mark.slow
def test_nothing_is_found_between_samples_of_the_data_itself_and_the_error_covers_the_spread():
    world = Mixture(seed=1)
    for temperature, truth in ((1.0, 0.0), (0.6, 0.0621)):
        found = [
            bound(world, text(world, 400, f"real {seed}"), text(world, 400, f"fake {seed}", temperature))
            for seed in range(6)
        ]
        values, errors = torch.tensor(found).unbind(1)
        assert (values <= truth + 3 * errors).all()
        assert values.std() < 2 * errors.mean()


@pytest.mark.slow
def test_sentences_without_a_token_in_common_are_told_apart():
    world = Mixture(seed=1)
    real = text(world, 600, "real")
    value, _ = bound(world, TextBatch(real.tokens % 10, real.mask), TextBatch(10 + real.tokens % 10, real.mask))
    assert 0.6 < value <= math.log(2)


def small() -> tuple[FreshCritic, TextBatch, TextBatch]:
    tokens = torch.randint(0, 6, (80, 5), generator=stream("tokens"))
    mask = torch.ones_like(tokens, dtype=torch.bool)
    return FreshCritic(Vocab(tuple("abcdef")), 5), TextBatch(tokens[:40], mask[:40]), TextBatch(tokens[40:], mask[40:])


def test_the_run_does_not_notice_and_the_number_is_always_the_same():
    critic, real, fake = small()
    torch.manual_seed(1)
    with torch.inference_mode():  # as at the end of Lightning's test
        first = critic.measure(real, fake)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.rand(3).equal(drawn)
    torch.manual_seed(2)
    assert critic.measure(real, fake) == first


def test_only_the_first_of_many_sentences_are_looked_at_and_too_few_are_not():
    critic, real, fake = small()
    critic.max_sentences = 20
    assert critic.measure(real, fake) == critic.measure(real.first(20), fake.first(21))
    assert critic.measure(real.first(15), fake) == {}


def test_a_sentence_never_judges_the_critic_that_it_taught(monkeypatch):
    """What the other sentences of its fold are told does not depend on it; those of other folds have learnt from it."""
    critic, real, fake = small()
    monkeypatch.setitem(fresh_critic.RECIPE, "epochs", 2)
    monkeypatch.setattr(fresh_critic, "FARTHEST", 50.0)
    before = critic.logits(real, fake)
    real.tokens[0] = 5 - real.tokens[0]
    after = critic.logits(real, fake)
    assert after[0, 0] != before[0, 0]
    others = torch.arange(40) % fresh_critic.FOLDS != 0
    same = ~others
    same[0] = False
    assert after[:, same][0].equal(before[:, same][0])
    assert after[1, ~others].equal(before[1, ~others])
    assert (after[:, others] != before[:, others]).any(1).all()


def test_every_sentence_is_read_by_the_counts_of_three_folds_whether_it_teaches_or_is_judged(monkeypatch):
    """Two are left out of five: the one that is judged, and another one."""
    critic, real, fake = small()
    left_out, evidence = [], fresh_critic.evidence

    def spy(found, fold, without, vocabulary):
        left_out.append((without, set(fold.tolist())))
        return evidence(found, fold, without, vocabulary)

    monkeypatch.setattr(fresh_critic, "evidence", spy)
    monkeypatch.setitem(fresh_critic.RECIPE, "epochs", 1)
    critic.logits(real, fake)
    every = set(range(fresh_critic.FOLDS))
    assert left_out == [(judged, every - {judged}) for judged in every for _ in every - {judged}]


def test_the_error_is_that_of_the_sentences_or_of_the_folds():
    sure = torch.tensor([1.0, -1.0]).unsqueeze(1) * torch.full((2, 20), 50.0)
    value, se = fresh_critic.proved(sure)
    assert (float(value), float(se)) == (pytest.approx(math.log(2)), 0.0)
    fold = torch.arange(20) % fresh_critic.FOLDS
    value, se = fresh_critic.proved(sure * (fold == 0))  # one critic of five knows all, the others nothing
    assert float(value) == pytest.approx(math.log(2) / 5)
    assert float(se) == pytest.approx(math.log(2) / 5)  # √(1/5 · variance of (1, 0, 0, 0, 0)) = 1/5
    right = torch.tensor([1.0, -1.0]).repeat_interleave(fresh_critic.FOLDS).repeat(2)  # half of each fold: folds agree
    value, se = fresh_critic.proved(torch.stack([50 * right, torch.zeros(20)]))
    # real sentences prove log 2 or log 2 − 50, ten times each: ½ √(variance / 20), variance 25² · 20/19
    assert float(se) == pytest.approx(25 / math.sqrt(19) / 2)


def test_two_generators_are_compared_on_the_same_real_sentences():
    before = torch.zeros(2, 10)  # log-odds: nothing is told apart …
    after = before.clone()
    after[0, :5], after[1, :5] = 1.0, -1.0  # … and then half of all sentences, one of each fold
    difference, se = compared(before, after)
    gained = LOG2 - math.log1p(math.exp(-1.0))  # of each of those
    assert_close(difference.item(), gained / 2)
    assert_close(se.item(), gained * math.sqrt(10 / 36) / math.sqrt(10))
    assert compared(after, after) == (0, 0)
    assert_close(compared(after, before)[0], -difference)
