"""Whose token earned what."""

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.model import credit
from textgan_lit.model.control import Constant
from textgan_lit.model.credit import MonteCarlo, RewardToGo, Terminal, continuations
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.policy import Categorical, Nucleus
from textgan_lit.model.reward import LogOdds, Minimax, Probability
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LENGTH, ROLLOUTS = 4, 3
GENERATORS = [
    (Markov, {"order": 2, "positional": True}),
    (LSTM, {"embedding": 3, "hidden": 5, "layers": 2}),
    (Transformer, {"width": 8, "heads": 2}),
]


class Critic(Discriminator):
    """Scores sentences by ``of(tokens)``, one number a sentence or one a token."""

    def __init__(self, vocab, of, scores="sentence"):
        super().__init__(vocab, LENGTH)
        self.of, self.scores = of, scores

    def forward(self, tokens, mask, density=None):
        return self.of(tokens).float()


def lively(module):
    """Weights under which no two tokens look alike."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5)
    return module.eval()


@pytest.fixture(params=[False, True], ids=["fixed", "eos"])
def vocab(request):
    return Vocab(("a", "b", "c"), has_eos=request.param)


@pytest.fixture(params=GENERATORS, ids=lambda case: case[0].__name__)
def generator(request, vocab):
    kind, options = request.param
    return lively(kind(vocab, LENGTH, **options))


@pytest.fixture
def markov(vocab):
    return lively(Markov(vocab, LENGTH, positional=True))


@pytest.fixture
def conv(vocab):
    return lively(Conv(vocab, LENGTH, filters=[(1, 3), (2, 4), (3, 4)], embedding=3))


def game(generator, critic, policy=None, name="credit"):
    return Game(generator, critic, policy or Categorical(), Noise(0, name))


@torch.no_grad()
def one_by_one(reward, game, rollout, noise):
    """What MonteCarlo does all at once, word for word: every prefix of every sentence, finished N times."""
    value = torch.zeros(rollout.tokens.shape)
    for b, sentence in enumerate(rollout.tokens.tolist()):
        tokens = sum(rollout.mask[b].tolist())
        value[b, tokens - 1 :] = reward(alone(game, sentence[:tokens]))
        for t in range(1, LENGTH):
            ends = [finished(game, sentence[: min(t, tokens)], t, noise[b, :, n]) for n in range(ROLLOUTS)]
            value[b, t - 1] = sum(reward(alone(game, end)) for end in ends) / ROLLOUTS
    return value * rollout.mask


def finished(game, tokens, t, uniform):
    """A prefix, written to its end by teacher forcing. At step s all prefixes of 1 … s tokens get one more."""
    for step in range(t, LENGTH):
        if tokens[-1] == game.vocab.eos:
            break
        inputs = torch.tensor([[game.vocab.bos, *tokens]])
        logits = game.policy(game.generator.logits(inputs)[:, -1])
        tokens = [*tokens, draw(logits, uniform[step * (step - 1) // 2 + t - 1].view(1))[0].item()]
    return tokens


def alone(game, tokens):
    padded = torch.tensor([tokens + [game.vocab.pad] * (LENGTH - len(tokens))])
    return game.sentence_logit(TextBatch(padded, padded != game.vocab.pad))[0]


# --- terminal, reward to go -------------------------------------------------------------------------------------------


@pytest.fixture
def said(vocab, markov):
    """Three sentences; in the world with eos they have 4, 2 and 1 tokens."""
    rollout = game(markov, None).sample(3)
    if vocab.eos is None:
        return rollout
    tokens = torch.tensor([[0, 1, 2, 0], [1, 3, 5, 5], [3, 5, 5, 5]])
    return rollout._replace(tokens=tokens, mask=tokens != vocab.pad)


def test_terminal_pays_every_token_what_the_sentence_earned(vocab, markov, said):
    first = game(markov, Critic(vocab, lambda tokens: tokens[:, 0]))
    assert Terminal()(LogOdds(), first, said).equal(said.tokens[:, :1] * said.mask.float())


def test_terminal_takes_the_last_token_of_one_that_scores_tokens(markov, vocab):
    said = (
        game(markov, None)
        .sample(2)
        ._replace(
            tokens=torch.zeros(2, 4, dtype=torch.long), mask=torch.tensor([[True] * 4, [True, True, False, False]])
        )
    )
    growing = game(markov, Critic(vocab, lambda tokens: torch.tensor([1.0, 2.0, 4.0, 8.0]).expand(2, -1), "token"))
    assert Terminal()(LogOdds(), growing, said).tolist() == [[8, 8, 8, 8], [2, 2, 0, 0]]


def test_reward_to_go_by_hand(markov, vocab):
    # Rewards 1 2 4 8, gamma ½: 8; 4 + 4; 2 + 4; 1 + 3. Cut after two tokens: 2; 1 + 1, whatever stands on padding.
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    said = game(markov, None).sample(2)._replace(tokens=torch.zeros(2, 4, dtype=torch.long), mask=mask)
    growing = game(markov, Critic(vocab, lambda tokens: torch.tensor([1.0, 2.0, 4.0, 8.0]).expand(2, -1), "token"))
    assert RewardToGo(gamma=0.5)(LogOdds(), growing, said).tolist() == [[4, 6, 8, 8], [2, 2, 0, 0]]
    assert RewardToGo(gamma=1.0)(LogOdds(), growing, said).tolist() == [[15, 14, 12, 8], [3, 2, 0, 0]]
    assert RewardToGo(gamma=0.0)(LogOdds(), growing, said).tolist() == [[1, 2, 4, 8], [1, 2, 0, 0]]


# --- Monte Carlo ------------------------------------------------------------------------------------------------------


def test_rollouts_equal_the_same_done_one_by_one(generator, conv):
    rollout = game(generator, conv).sample(7)
    value = MonteCarlo(ROLLOUTS)(Probability(), game(generator, conv, name="rollouts"), rollout)
    noise = Noise(0, "rollouts").uniform(7, LENGTH * (LENGTH - 1) // 2, ROLLOUTS)
    assert_close(value, one_by_one(Probability(), game(generator, conv), rollout, noise))
    assert value[rollout.mask].std() > 0.01


def test_rollouts_are_written_under_the_policy(generator, conv):
    players = generator, conv, Nucleus(0.6)
    rollout = game(*players).sample(5)
    value = MonteCarlo(ROLLOUTS)(Minimax(), game(*players, name="rollouts"), rollout)
    noise = Noise(0, "rollouts").uniform(5, LENGTH * (LENGTH - 1) // 2, ROLLOUTS)
    assert_close(value, one_by_one(Minimax(), game(*players), rollout, noise))


def test_sentences_are_kept_apart(vocab, generator):
    """A critic of the first token, which every continuation keeps: each sentence gets its own value, everywhere."""
    players = game(generator, Critic(vocab, lambda tokens: tokens[:, 0]))
    rollout = players.sample(50)
    value = MonteCarlo(ROLLOUTS)(LogOdds(), players, rollout)
    assert_close(value, rollout.tokens[:, :1] * rollout.mask.float(), rtol=0, atol=1e-6)
    assert len(rollout.tokens[:, 0].unique()) == vocab.size


def test_positions_are_kept_apart(vocab, generator):
    """A critic of the t-th token: from there on its value is certain, and before it is not."""
    for t in range(LENGTH):
        players = game(generator, Critic(vocab, lambda tokens, t=t: tokens[:, t]))
        rollout = players.sample(50)
        value, own = MonteCarlo(ROLLOUTS)(LogOdds(), players, rollout), rollout.tokens[:, t : t + 1]
        assert_close(value[:, t:], own * rollout.mask[:, t:].float(), rtol=0, atol=1e-6)
        assert t == 0 or (value[:, :t] - own * rollout.mask[:, :t]).abs().max() > 0.1


def test_prefixes_are_kept_and_ends_are_sentences(vocab, generator):
    players = game(generator, None)
    tokens = players.sample(9).tokens
    written = continuations(players, tokens, torch.rand(9, LENGTH * (LENGTH - 1) // 2, ROLLOUTS))
    assert written.shape == (LENGTH - 1, 9, ROLLOUTS, LENGTH)
    for t in range(1, LENGTH):
        assert written[t - 1, :, :, :t].equal(tokens[:, None, :t].expand(-1, ROLLOUTS, -1))
    if vocab.eos is None:
        assert written.max() < vocab.size
    else:  # padding after eos, and nowhere else
        ended = (written == vocab.eos).cumsum(-1) - (written == vocab.eos).long() > 0
        assert ended.equal(written == vocab.pad)
    assert not written[:, :, 0].equal(written[:, :, 1])  # rollouts differ


@pytest.mark.parametrize("vocab", [True], ids=["eos"], indirect=True)
def test_a_finished_sentence_is_its_own_continuation(markov, conv, said):
    players = game(markov, conv)
    value, own = MonteCarlo(ROLLOUTS)(Minimax(), players, said), Minimax()(players.sentence_logit(said.batch)).detach()
    assert_close(value[1, 1], own[1])  # "b eos": at eos nothing is left to be written
    assert_close(value[2, 0], own[2])
    assert (value[~said.mask] == 0).all()


def test_the_last_token_is_paid_what_the_sentence_earned(generator, conv):
    players = game(generator, conv)
    rollout = players.sample(20)
    value = MonteCarlo(ROLLOUTS)(Minimax(), players, rollout)
    last = rollout.mask.sum(1, keepdim=True) - 1
    assert_close(value.gather(1, last).squeeze(1), Minimax()(players.sentence_logit(rollout.batch)))


@pytest.mark.parametrize("rows", [1, 9, 10, 40, 10**6])
def test_how_many_rows_are_held_at_once_changes_nothing(generator, conv, monkeypatch, rows):
    rollout, values = game(generator, conv).sample(11), []
    for max_rows in (rows, 50_000):
        monkeypatch.setattr(credit, "MAX_ROWS", max_rows)
        values.append(MonteCarlo(ROLLOUTS)(Probability(), game(generator, conv), rollout))
    assert_close(*values)


@pytest.mark.parametrize(("rows", "sentences"), [(1, 1), (4 * (LENGTH - 1) * ROLLOUTS, 4), (10**6, 11)])
def test_so_many_rollouts_are_scored_at_once_and_no_more(generator, conv, monkeypatch, rows, sentences):
    scored, logits = [], Game.sentence_logits
    monkeypatch.setattr(
        Game, "sentence_logits", lambda self, written: scored.append(written.shape[1]) or logits(self, written)
    )
    rollout = game(generator, conv).sample(11)
    monkeypatch.setattr(credit, "MAX_ROWS", rows)
    MonteCarlo(ROLLOUTS)(Probability(), game(generator, conv), rollout)
    assert max(scored) == sentences
    assert sum(scored) == 11


def test_many_rollouts_come_near_the_expectation(vocab, markov):
    """The value of a prefix is E[reward | prefix]: here the chance that the second token is "a"."""
    players = game(markov, Critic(vocab, lambda tokens: tokens[:, 1] == 0))
    rollout = players.sample(8)
    n = 2000
    value = MonteCarlo(n)(LogOdds(), players, rollout)[:, 0]
    open_ = rollout.tokens[:, 0] != vocab.size - 1 if vocab.has_eos else torch.ones(8, dtype=torch.bool)
    inputs = torch.stack([torch.full((8,), vocab.bos), rollout.tokens[:, 0]], 1)
    chance = markov.logits(inputs)[:, 1].softmax(-1)[:, 0].detach() * open_
    error = (chance * (1 - chance) / n).sqrt()
    assert ((value - chance).abs() <= 4 * error + 1e-6).all()


def test_every_uniform_number_is_counted(markov, conv):
    players = game(markov, conv)
    rollout = players.sample(5)
    assert players.noise.drawn == 5 * LENGTH
    MonteCarlo(ROLLOUTS)(Constant(), players, rollout)
    assert players.noise.drawn == 5 * LENGTH + 5 * ROLLOUTS * LENGTH * (LENGTH - 1) // 2


def test_a_world_of_one_token(vocab):
    generator = lively(LSTM(vocab, 1, embedding=3, hidden=5))
    players = game(generator, Critic(vocab, lambda tokens: tokens[:, 0]))
    rollout = players.sample(6)
    for kind in (MonteCarlo(ROLLOUTS), Terminal()):
        assert kind(LogOdds(), players, rollout).equal(rollout.tokens.float())
