"""Gradients through soft tokens: against differences of what is said to be ascended, and against limits by hand."""

from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import Additive, Dealt, lively
from textgan_lit.errors import UserError
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.estimator.relaxed import Relaxed
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.relational_memory import RelationalMemory
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds, Minimax, Score
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LENGTH = 3
GENERATORS = [
    (LSTM, {"embedding": 3, "hidden": 4}),
    (Transformer, {"width": 4, "heads": 2}),
    (RelationalMemory, {"embedding": 3, "slots": 2, "width": 6, "heads": 2}),
]


@pytest.fixture(params=["fixed", "eos"])
def vocab(request):
    return Vocab(("a", "b", "c"), has_eos=request.param == "eos")


@pytest.fixture(params=GENERATORS, ids=lambda case: case[0].__name__)
def generator(request, vocab):
    kind, options = request.param
    return lively(kind(vocab, LENGTH, **options), seed=1)


@pytest.fixture
def judge(vocab):
    return lively(Recurrent(vocab, LENGTH, embedding=3, hidden=4), seed=2)


def game(generator, judge, noise=None):
    return Game(generator, judge, Categorical(), noise or Noise(0, "relaxed"))


def rows(n, length=LENGTH):
    tokens = torch.zeros(n, length, dtype=torch.long)
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def gradient(objective, players, n=8):
    return torch.autograd.grad(objective(players, rows(n)).loss, list(players.generator.parameters()))


class Seen(Discriminator):
    """Keeps what it is shown."""

    accepts_soft = True

    def forward(self, tokens, mask, density=None):
        self.tokens, self.mask = tokens.detach(), mask
        return tokens.sum((1, 2))


# --- what is ascended -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocab", ["fixed"], indirect=True)  # where sentences end is not differentiated
def test_of_soft_tokens_it_is_the_gradient_of_the_mean_reward(generator, judge):
    """Through D, through the tokens, and through what they lead to: the difference of the reward for the same noise."""
    objective = Relaxed(Minimax(), temperature=0.8, final_temperature=0.8, hard=False)
    found = gradient(objective, game(generator, judge))
    size = sum(part.square().sum() for part in found).sqrt()
    assert size > 1e-3
    values, step = [], 0.02
    for sign in (1, -2):
        with torch.no_grad():
            for weight, part in zip(generator.parameters(), found, strict=True):
                weight += sign * step * part / size
        values.append(-objective(game(generator, judge), rows(8)).logs["reward"])
    assert_close((values[0] - values[1]) / (2 * step), size, rtol=2e-2, atol=1e-4)


def test_a_token_is_blamed_for_what_it_leads_to(generator, vocab, monkeypatch):
    """D looks at the last token only, and yet the first one's chances update."""
    judge, logits, head = Additive(vocab, LENGTH), [], generator.head
    judge.weight.data[:-1] = 0
    monkeypatch.setattr(generator, "head", lambda features: logits.append(head(features)) or logits[-1])
    loss = Relaxed(LogOdds())(game(generator, judge), rows(8)).loss
    gradients = torch.autograd.grad(loss, logits)
    assert len(gradients) == LENGTH
    assert all(part.abs().max() > 1e-6 for part in gradients)


class Curved(Discriminator):
    """r(y) = tanh(3 x·y − 2) of one token: the example of docs/theory.md."""

    accepts_soft, values = True, torch.tensor([1.0, -0.5])

    def forward(self, tokens, mask, density=None):
        return (3 * tokens[:, 0] @ self.values - 2).tanh()


class Grid(Noise):
    """Two uniform numbers a sentence, all of a fine grid of them."""

    def uniform(self, rows, *shape):
        grid = (torch.arange(400) + 0.5) / 400
        return torch.cartesian_prod(grid, grid)


def of_one_token(judge, temperature, hard):
    """The expected gradient of one token of two, with chances 0.6 and 0.4, in the first one's logit."""
    generator = Markov(Vocab(("a", "b")), 1)
    generator.table.weight.data[generator.vocab.bos] = torch.tensor([0.6, 0.4]).log()
    objective = Relaxed(Score(), temperature, temperature, hard=hard)
    loss = objective(Game(generator, judge, Categorical(), Grid(0)), rows(400**2, 1)).loss
    return -torch.autograd.grad(loss, generator.table.weight)[0][generator.vocab.bos, 0].item()


def test_cold_soft_tokens_have_the_true_gradient_and_straight_through_the_trapezoid():
    # d/dl0 of Σ p r = p0 p1 (r0 − r1); straight-through has ½ (r0' + r1') · (x0 − x1) in place of r0 − r1.
    r0, r1 = torch.tensor([1.0, -3.5]).tanh().tolist()
    true = 0.24 * (r0 - r1)
    trapezoid = 0.24 * 0.5 * (3 * (1 - r0**2) + 3 * (1 - r1**2)) * 1.5
    judge = Curved(Vocab(("a", "b")), 1)
    assert abs(true - trapezoid) > 0.1
    assert of_one_token(judge, 0.03, hard=False) == pytest.approx(true, rel=0.02)
    assert of_one_token(judge, 0.03, hard=True) == pytest.approx(trapezoid, rel=0.02)


def test_straight_through_a_linear_d_is_unbiased_in_the_cold():
    judge = Additive(Vocab(("a", "b")), 1)
    judge.weight.data = torch.tensor([[2.0, -1.0]])
    assert of_one_token(judge, 0.03, hard=True) == pytest.approx(0.24 * 3, rel=0.01)
    assert of_one_token(judge, 1.0, hard=True) < 0.24 * 3 * 0.9  # warm tokens are nearer to each other than a and b


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hard", [False, True])
def test_sentences_end_at_eos_or_with_the_last_token(generator, hard):
    vocab, judge = generator.vocab, Seen(generator.vocab, LENGTH)
    Relaxed(LogOdds(), hard=hard)(game(generator, judge), rows(200))
    assert_close(judge.tokens.sum(2), judge.mask.float())  # weights of a token; nothing on padding
    chosen = judge.tokens.argmax(2)
    ended = (chosen == vocab.eos) & judge.mask if vocab.eos is not None else torch.zeros_like(judge.mask)
    assert judge.mask[:, 0].all()
    assert judge.mask[:, 1:].equal(judge.mask[:, :-1] & ~ended[:, :-1])
    if vocab.eos is not None:
        assert 0.2 < judge.mask.float().mean() < 0.95
    if hard:
        assert (judge.tokens.ne(0).sum(2) == judge.mask).all()


def test_hard_sentences_are_as_frequent_as_they_are_probable(generator):
    """The first two tokens of many: straight-through tokens are exact draws, also of what is read back."""
    judge, n = Seen(generator.vocab, LENGTH), 4000
    outcome = Relaxed(LogOdds(), temperature=2.0)(game(generator, judge), rows(n))
    tokens = judge.tokens.argmax(2).masked_fill(~judge.mask, generator.vocab.pad)
    found = generator.logp(TextBatch(tokens, judge.mask), Categorical()).detach()
    logits = generator.predict(TextBatch(tokens, judge.mask), Categorical())
    nats = torch.distributions.Categorical(logits=logits).entropy()[judge.mask]
    assert_close(outcome.logs["entropy"], nats.mean().detach(), rtol=1e-4, atol=1e-5)
    # −log G of what is written, on average its entropy: within four standard errors
    away = -found.sum(1) - (torch.distributions.Categorical(logits=logits).entropy() * judge.mask).sum(1)
    assert away.mean().abs() < 4 * away.std() / n**0.5


def test_the_temperature_falls_by_a_factor_a_step(generator, vocab):
    # from 1 to ¼ in 4 steps: a factor of 1/√2 each
    objective = Relaxed(LogOdds(), temperature=1.0, final_temperature=0.25, steps=4)
    seen = [objective(game(generator, Additive(vocab, LENGTH)), rows(2)).logs["temperature"].item() for _ in range(6)]
    assert seen == pytest.approx([1.0, 0.5**0.5, 0.5, 0.5**1.5, 0.25, 0.25])
    resumed = Relaxed(LogOdds(), temperature=1.0, final_temperature=0.25, steps=4)
    objective.played.fill_(3)
    resumed.load_state_dict(objective.state_dict())
    assert resumed(game(generator, Additive(vocab, LENGTH)), rows(2)).logs["temperature"].item() == pytest.approx(
        0.5**1.5
    )


# --- controls, and what is left alone ---------------------------------------------------------------------------------


@pytest.mark.parametrize("hard", [False, True])
def test_a_constant_is_no_gradient_at_all(generator, judge, hard):
    assert not any(part.any() for part in gradient(Relaxed(Constant(), hard=hard), game(generator, judge)))


class DealtOnly(Dealt):
    """Its uniform numbers are those of a name; its permutation is given."""

    def permutation(self, n):
        assert n == len(self.order)
        return self.order


@pytest.mark.parametrize("hard", [False, True])
def test_shuffled_teaches_nothing_over_all_permutations(generator, judge, hard):
    objective = Relaxed(Shuffled(LogOdds()), hard=hard)
    assert objective.null
    found = []
    for order in permutations(range(generator.vocab.size)):
        objective.played.zero_()
        found.append(gradient(objective, game(generator, judge, DealtOnly(order))))
    total = [torch.stack(parts).mean(0) for parts in zip(*found, strict=True)]
    largest = max(part.abs().max() for parts in found for part in parts)
    assert largest > 1e-3
    assert max(part.abs().max() for part in total) < 1e-4 * largest


def test_no_gradient_reaches_the_discriminator_and_dropout_is_silent(vocab):
    generator = LSTM(vocab, LENGTH, dropout=0.9).train()
    judge = Recurrent(vocab, LENGTH, dropout=0.9).train()
    losses = [Relaxed(LogOdds())(game(generator, judge), rows(20)).loss for _ in range(2)]
    assert losses[0].equal(losses[1])
    losses[0].backward()
    assert all(weight.grad is None for weight in judge.parameters())
    assert not generator.dropout.training
    assert not judge.dropout.training


def test_players_that_read_whole_tokens_only_are_refused(vocab):
    lstm, markov, conv = LSTM(vocab, LENGTH), Markov(vocab, LENGTH), Conv(vocab, LENGTH)
    Relaxed(LogOdds()).check(lstm, conv)
    with pytest.raises(
        UserError, match=r"Markov reads whole tokens only. Use model/generator=lstm, one_shot, .*or vae"
    ):
        Relaxed(LogOdds()).check(markov, conv)
    with pytest.raises(UserError, match=r"estimator=relaxed .*Optimal reads whole tokens only"):
        Relaxed(LogOdds()).check(lstm, Optimal(vocab, LENGTH, markov))
