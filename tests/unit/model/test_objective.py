"""Losses that need no discriminator."""

from math import exp, log

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import lively
from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.infilling import mixed
from textgan_lit.model.objective import Likelihood, Loss, ScheduledSampling
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

VOCAB = Vocab(("a", "b"), has_eos=True)


def game(generator, policy=None):
    return Game(generator, None, policy or Categorical(), Noise(0, "objective"))


@pytest.mark.parametrize("name", ["divergence", "bias", "fades", "per_token", "improper"])
def test_a_loss_that_claims_past_its_claim_is_refused(name):
    with pytest.raises(UserError, match=rf"Mine: nothing asks a loss for its {name}\. .* claim = Claim\({name}="):
        type("Mine", (Loss,), {name: "JSD(P‖G)"})


def test_likelihood_is_total_nats_per_total_tokens():
    # After bos: a ½, b ¼, eos ¼; after a: b ⅛, eos ⅞.  "a eos" and "a b b" would take b after b; leave it at ⅓.
    generator = Markov(VOCAB, 3)
    rows = {VOCAB.bos: [1 / 2, 1 / 4, 1 / 4], 0: [1e-30, 1 / 8, 7 / 8]}
    for row, probabilities in rows.items():
        generator.table.weight.data[row] = torch.tensor(probabilities).log()
    tokens = torch.tensor([[0, 2, 4], [0, 1, 1]])
    outcome = Likelihood()(game(generator), TextBatch(tokens, tokens != VOCAB.pad))
    nats = (log(2) + log(8 / 7)) + (log(2) + log(8) + log(3))
    assert_close(outcome.loss.item(), nats / 5)  # five tokens, eos among them
    assert_close(outcome.logs["nll"], outcome.loss.detach())
    assert not outcome.logs["nll"].requires_grad


def test_likelihood_is_that_of_the_network_under_its_policy():
    generator = Markov(VOCAB, 1)
    generator.table.weight.data[VOCAB.bos] = torch.tensor([0.0, log(2), -1e4])
    batch = TextBatch(torch.tensor([[1]]), torch.tensor([[True]]))
    # 1 : 2 at temperature 1, 1 : 4 at temperature ½
    assert_close(Likelihood()(game(generator), batch).loss.item(), log(3 / 2))
    assert_close(Likelihood()(game(generator, Categorical(0.5)), batch).loss.item(), log(5 / 4))


def test_at_the_data_distribution_the_likelihood_stands_still():
    # G = P on a world that a bigram table can hold: over P itself the gradient of the NLL is 0.
    oracle = Tiny(vocab_size=2, length=2, seed=5)
    generator = Markov(oracle.vocab, 2)
    generator.table.weight.data[[oracle.vocab.bos, 0, 1]] = oracle.table
    tokens = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    weight = oracle.logp(batch, Categorical()).sum(1).exp()
    loss = sum(
        w * Likelihood()(game(generator), TextBatch(*(x[i : i + 1] for x in batch))).loss for i, w in enumerate(weight)
    )
    (gradient,) = torch.autograd.grad(loss, generator.table.weight)
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-6)


# --- scheduled sampling -----------------------------------------------------------------------------------------------

SCHEDULES = {  # the data's share at steps 0, 5, 10, 20, 40 where ½ is reached after 10
    "linear": [1, 0.75, 0.5, 0, 0],
    "exponential": [1, 0.5**0.5, 0.5, 0.25, 0.0625],
    "inverse_sigmoid": [1 / (1 + exp(-10)), 1 / (1 + exp(-5)), 0.5, 1 / (1 + exp(10)), 1 / (1 + exp(30))],
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_datas_share_falls_and_is_a_half_after_so_many_steps(schedule):
    objective = ScheduledSampling(schedule, half_steps=10)
    assert [objective.chance(step) for step in (0, 5, 10, 20, 40)] == pytest.approx(SCHEDULES[schedule])
    assert [objective.chance(step) for step in range(60)] == sorted(map(objective.chance, range(60)), reverse=True)
    assert ScheduledSampling(schedule, half_steps=10, min_share=0.3).chance(10_000_000) == 0.3


@pytest.mark.parametrize("has_eos", [False, True])
def test_with_the_datas_tokens_alone_it_is_likelihood(has_eos):
    generator = lively(LSTM(Vocab(("a", "b"), has_eos), 3, embedding=3, hidden=4))
    batch = every_sentence(generator.vocab, 3)
    outcomes = [of(game(generator), batch) for of in (ScheduledSampling(min_share=1.0), Likelihood())]
    assert outcomes[0].loss.equal(outcomes[1].loss)
    gradients = [torch.autograd.grad(outcome.loss, list(generator.parameters())) for outcome in outcomes]
    assert all(one.equal(other) for one, other in zip(*gradients, strict=True))
    assert outcomes[0].logs["data_share"] == 1


def test_with_its_own_tokens_alone_it_is_likelihood_after_what_it_writes():
    """The data's tokens, each after a prefix of G's own: by the formula, with the prefixes that the noise names."""
    generator = lively(LSTM(VOCAB, 3, embedding=3, hidden=4))
    batch = every_sentence(VOCAB, 3)
    objective = ScheduledSampling("linear", half_steps=1)
    objective.played.fill_(2)
    outcome = objective(game(generator), batch)
    noise = Noise(0, "objective")
    noise.uniform(*batch.tokens.shape)  # who keeps the data's token: nobody
    own = mixed(
        generator, batch.tokens, torch.zeros_like(batch.mask), noise.uniform(*batch.tokens.shape), Categorical()
    )
    assert not own.equal(batch.tokens)
    read = torch.cat([torch.full((len(own), 1), VOCAB.bos), own[:, :-1]], 1)
    logp = generator.logits(read).log_softmax(-1).gather(2, batch.tokens.masked_fill(~batch.mask, 0).unsqueeze(2))
    wanted = -logp.squeeze(2)[batch.mask].mean()
    assert_close(outcome.loss, wanted)
    gradients = [torch.autograd.grad(loss, list(generator.parameters())) for loss in (outcome.loss, wanted)]
    assert_close(*gradients)
    assert not torch.allclose(outcome.loss, Likelihood()(game(generator), batch).loss)


def test_the_share_of_tokens_that_are_the_datas_is_the_chance(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "textgan_lit.model.objective.mixed",
        lambda generator, tokens, keep, *_: seen.append(keep.float().mean()) or tokens,
    )
    generator, tokens = Markov(VOCAB, 3), torch.zeros(3000, 3, dtype=torch.long)
    objective = ScheduledSampling("exponential", half_steps=1)
    batch = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    shares = [objective(game(generator), batch).logs["data_share"].item() for _ in range(3)]
    assert shares == [1.0, 0.5, 0.25]
    assert seen[0] == 1
    assert_close(torch.stack(seen), torch.tensor(shares), rtol=0, atol=0.03)  # 6 standard errors


def test_how_far_it_has_come_is_saved():
    objective, resumed = ScheduledSampling(half_steps=10), ScheduledSampling(half_steps=10)
    generator, batch = Markov(VOCAB, 3), every_sentence(VOCAB, 3)
    for _ in range(5):
        objective(game(generator), batch)
    resumed.load_state_dict(objective.state_dict())
    assert resumed(game(generator), batch).logs["data_share"].item() == 0.75
