"""How far the best reward moves, by enumeration, and what an evaluation leaves for the next."""

import pytest
import torch

from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.divergence import drift
from textgan_lit.model.game import Game
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.run.schema import check
from textgan_lit.truth import target


@pytest.fixture(params=["fixed", "eos"])
def generators(request):
    return [Tiny(vocab_size=3, length=3, variable=request.param == "eos", seed=seed) for seed in (1, 2)]


def game(generator):
    return Game(generator, None, Categorical(), Noise(0, "target"))


def enumerated(then, now):
    """The standard deviation of log G_then − log G_now over what G_then writes."""
    sentences = every_sentence(then.vocab, then.max_length)
    before, after = (one.logp(sentences, Categorical()).double().sum(1) for one in (then, now))
    chance, change = before.exp(), before - after
    mean = (chance * change).sum()
    return (chance * (change - mean).square()).sum().sqrt()


def taken(generator, n=2000, seed=0):
    return target.take(game(generator), game(generator).sample(n).batch)


def test_it_is_the_enumerated_one(generators, monkeypatch):
    monkeypatch.setattr(target, "KEPT", 2000)
    then, now = generators
    found = target.moved(game(now), taken(then))
    value, error = found["truth/target_drift"], found["truth/target_drift_se"]
    wanted = enumerated(then, now)
    assert 0 < error < 0.1 * wanted
    assert abs(value - wanted) < 3 * error


def test_a_reward_without_bounds_has_moved_without_bounds():
    assert [*map(float, drift(torch.tensor([0.0, -1.0]), torch.tensor([0.0, -torch.inf])))] == [torch.inf, torch.inf]


def test_who_stays_has_moved_by_nothing(generators):
    for generator in generators:
        assert [*target.moved(game(generator), taken(generator)).values()] == [0.0, 0.0]


def test_the_first_sentences_are_kept_as_they_are_written(generators):
    written = game(generators[0]).sample(300)
    kept = target.take(game(generators[0]), written.batch)
    assert len(kept.tokens) == len(kept.logp) == target.KEPT
    assert kept.tokens == [row[mask].tolist() for row, mask in zip(*written.batch, strict=True)][: target.KEPT]
    torch.testing.assert_close(torch.tensor(kept.logp), written.logp.sum(1)[: target.KEPT])


@pytest.mark.parametrize(
    ("tokens", "logp"), [([[9]], [0.0]), ([[]], [0.0]), ([], []), ([[-1]], [0.0]), ([[0.5]], [0.0]), ([[0]], ["a"])]
)
def test_what_is_no_target_is_refused(generators, tokens, logp):
    with pytest.raises(UserError):
        check({"tokens": tokens, "logp": logp}, target.saved(generators[0].vocab), "target")


def test_sentences_of_another_length_are_no_trouble(generators):
    """A state that somebody wrote may hold longer ones, and fewer numbers than sentences."""
    found = target.moved(game(generators[0]), target.Target([[0] * 50, [0], [1]], [-1.0, -2.0]))
    assert len(found) == 2
