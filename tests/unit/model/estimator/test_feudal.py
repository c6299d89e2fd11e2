"""LeakGAN's two gradients against their definitions, token by token, and what they must leave alone."""

import math
from itertools import permutations

import pytest
import torch
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from tests.helpers.enumeration import Dealt, lively
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.baseline import BatchMean, LeaveOneOut, MovingAverage, Zero
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.credit import MonteCarlo, Terminal
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.estimator.feudal import Feudal
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.manager_worker import ManagerWorker
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import Probability
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LENGTH, HORIZON = 4, 2


@pytest.fixture(params=["fixed", "eos"])
def vocab(request):
    return Vocab(("a", "b", "c"), has_eos=request.param == "eos")


@pytest.fixture
def players(vocab):
    def judge():
        return Conv(vocab, LENGTH, filters=[(1, 3), (2, 5)], embedding=3)

    generator, discriminator = lively(ManagerWorker(vocab, LENGTH, judge, 3, 4, 3, HORIZON), 2), lively(judge(), 1)
    generator.sync_with(discriminator.eval())
    return generator.eval(), discriminator


def game(players, noise=None):
    return Game(*players, Categorical(), noise or Noise(0, "feudal"))


def played(players, objective, n=12, noise=None):
    """What was written, with the gradient for each of the generator's weights."""
    generator, _ = players
    batch = TextBatch(*(part[:1].expand(n, -1) for part in every_sentence(generator.vocab, LENGTH)))
    learning = {name: weight for name, weight in generator.named_parameters() if weight.requires_grad}
    loss = objective(game(players, noise), batch).loss
    found = torch.autograd.grad(loss, list(learning.values()))
    return game(players).sample(n), dict(zip(learning, found, strict=True))


def of_manager(name):
    return name.startswith(("manager.", "aim."))


def features(judge, beginning):
    """Of a beginning: what each filter made of it, where it is long enough for one."""
    tokens, pooled = torch.tensor([beginning], dtype=torch.long), []
    for convolution in judge.convolutions:
        fits = convolution.kernel_size[0] <= len(beginning)
        response = convolution(judge.embedding(tokens).transpose(1, 2)) if fits else None
        pooled.append(response.amax(2).relu() if fits else torch.zeros(1, convolution.out_channels))
    return judge._pass(torch.cat(pooled, 1))[0]


def along(change, goal):
    return cosine_similarity(change, goal, dim=0) if change.norm() > 1e-5 else goal.sum() * 0


def by_definition(players, written, advantage):
    """The two losses of Guo et al. 2018, eq. 8 to 10, with the advantage for Q, one token after another."""
    generator, judge = players
    workers, managers = torch.zeros(()), torch.zeros(())
    for tokens, mask, share in zip(written.tokens, written.mask, advantage, strict=True):
        length = int(mask.sum())
        ids = tokens[:length].tolist()
        seen = [features(judge, ids[:t]).detach() for t in range(length + 1)]
        inputs = torch.tensor([[generator.vocab.bos, *ids[:-1]]])
        goals = generator.goals(torch.stack(seen[:-1]).unsqueeze(0))[0]
        assert_close(goals.norm(dim=1), torch.ones(length))
        logits = generator.head(generator.work(inputs, goals.detach().unsqueeze(0)))[0]
        for t in range(1, length + 1):
            followed = [along(seen[t] - seen[t - i], goals[t - i].detach()) for i in range(1, min(HORIZON, t) + 1)]
            weight = share[t - 1] * (1 + sum(followed) / len(followed)) / 2
            workers = workers - weight * logits[t - 1].log_softmax(0)[ids[t - 1]]
        for t in range(length):
            end = min(t + HORIZON, length)
            managers = managers - share[end - 1] * along(seen[end] - seen[t], goals[t])
    return workers / len(advantage), managers / len(advantage)


def test_the_worker_is_paid_for_following_and_the_manager_for_where_it_led(players):
    written, found = played(players, Feudal(Probability(), Terminal(), LeaveOneOut()))
    value = game(players).sentence_logit(written.batch).sigmoid().unsqueeze(1) * written.mask
    advantage = LeaveOneOut()(value, written.mask) * written.mask
    workers, managers = by_definition(players, written, advantage.detach())
    assert len({len(row[row < players[0].vocab.size]) for row in written.tokens}) > players[0].vocab.has_eos
    for name, gradient in found.items():
        (wanted,) = torch.autograd.grad(
            managers if of_manager(name) else workers, players[0].get_parameter(name), retain_graph=True
        )
        assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)
        assert gradient.abs().max() > 1e-5


@pytest.mark.parametrize("credit", [Terminal(), MonteCarlo(3)])
def test_nobody_updates_the_discriminator_or_the_eyes_it_lends(players, credit):
    generator, judge = players
    batch = TextBatch(*(part[:5] for part in every_sentence(generator.vocab, LENGTH)))
    Feudal(Probability(), credit, LeaveOneOut())(game(players), batch).loss.backward()
    assert all(weight.grad is None for weight in (*judge.parameters(), *generator.leaked_discriminator.parameters()))
    assert all(
        weight.grad.any()
        for name, weight in generator.named_parameters()
        if not name.startswith("leaked_discriminator.")
    )


@pytest.mark.parametrize("baseline", [LeaveOneOut, BatchMean])
def test_where_all_rewards_are_alike_nothing_updates(players, baseline):
    _, found = played(players, Feudal(Constant(), Terminal(), baseline()))
    assert not any(gradient.any() for gradient in found.values())


def test_rewards_of_other_sentences_teach_nothing_on_average(players):
    """Over all ways to deal three rewards out, whatever was said."""
    total, largest = {}, 0.0
    for order in permutations(range(3)):
        _, found = played(players, Feudal(Shuffled(Probability()), Terminal(), BatchMean()), 3, Dealt(order))
        total = {name: total.get(name, 0) + gradient for name, gradient in found.items()}
        largest = max(largest, *(gradient.abs().max().item() for gradient in found.values()))
    assert largest > 1e-3
    for gradient in total.values():
        assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-6)


@pytest.mark.parametrize("baseline", [Zero, MovingAverage])
@pytest.mark.parametrize("reward", [Constant(), Shuffled(Probability())])
def test_a_control_that_would_pay_for_following_goals_is_refused(reward, baseline):
    with pytest.raises(UserError, match=rf"{baseline.__name__}.*is no null control. Use model/baseline=leave_one_out"):
        Feudal(reward, Terminal(), baseline())


def test_who_has_no_manager_is_refused(vocab):
    with pytest.raises(UserError, match=r"LSTM has neither. Use model/generator=manager_worker, or .*score_function"):
        Feudal(Probability(), Terminal(), LeaveOneOut()).check(LSTM(vocab, LENGTH), None)


def test_how_far_goals_were_followed_is_told(players):
    batch = TextBatch(*(part[:50] for part in every_sentence(players[0].vocab, LENGTH)))
    logs = Feudal(Probability(), Terminal(), LeaveOneOut())(game(players), batch).logs
    assert logs.keys() == {"reward", "advantage_rms", "entropy", "followed"}
    assert 1e-3 < abs(logs["followed"]) < 1
    assert not math.isnan(logs["followed"])
