"""Two processes play as one: global batches, dealt like cards."""

import pytest
import torch
from torch import distributed as dist
from torch.testing import assert_close

from textgan_lit.data.tiny import Tiny
from textgan_lit.model.baseline import BatchMean, LeaveOneOut, MovingAverage, SelfNormalised, Standardised
from textgan_lit.model.control import Shuffled
from textgan_lit.model.credit import MonteCarlo, RewardToGo, Terminal
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator_loss import Mediation, Minimax, Relativistic
from textgan_lit.model.estimator.exact import Exact
from textgan_lit.model.estimator.relaxed import Relaxed
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.estimator.self_play import SelfPlay
from textgan_lit.model.estimator.taylor import Taylor
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.objective import Likelihood, ScheduledSampling
from textgan_lit.model.penalty import R1, GradientPenalty
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds, Ratio
from textgan_lit.model.reward import Minimax as Reward
from textgan_lit.noise import Noise
from textgan_lit.run.distributed import all_mean, gather, greatest_of, rank, shard, world_size
from textgan_lit.truth.held_out_check import take
from textgan_lit.types import TextBatch, Vocab

RANKS, ROWS, LENGTH = 2, 6, 4
VOCAB = Vocab(("a", "b", "c"), has_eos=True)


def lively(module):
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5, generator=stream)
    return module.eval()


def objectives(generator, conv, recurrent) -> dict[str, tuple]:
    """Losses, with whose parameters they teach and which discriminator judges."""
    weighed = {"clip_range": None, "importance_sampling_level": "sentence", "sampling_temperature": 0.5}
    mediator = lively(Mediator(VOCAB, LENGTH, LSTM(VOCAB, LENGTH, embedding=3, hidden=5)))
    scheduled = ScheduledSampling("exponential", half_steps=1)
    scheduled.played += 1
    return {
        "likelihood": (Likelihood(), generator, None),
        "a score a sentence": (Minimax(), conv, conv),
        "a score a token": (Minimax(), recurrent, recurrent),
        "batch mean": (ScoreFunction(Reward(), Terminal(), BatchMean()), generator, conv),
        "leave one out": (ScoreFunction(Reward(), MonteCarlo(2), LeaveOneOut()), generator, conv),
        "moving average": (ScoreFunction(Reward(), RewardToGo(), MovingAverage()), generator, recurrent),
        "shuffled": (ScoreFunction(Shuffled(Reward()), Terminal(), BatchMean()), generator, conv),
        "standardised": (ScoreFunction(Reward(), Terminal(), Standardised()), generator, conv),
        "self-normalised": (ScoreFunction(Ratio(), Terminal(), SelfNormalised()), generator, conv),
        "importance weights": (ScoreFunction(Reward(), Terminal(), LeaveOneOut(), **weighed), generator, conv),
        "pairs of sentences": (Relativistic(R1()), conv, conv),
        "pairs of tokens": (Relativistic(), recurrent, recurrent),
        "between sentences": (Minimax(GradientPenalty(weight=0.01)), conv, conv),
        "mediation": (Mediation(), mediator, mediator),
        "exact": (Exact(LogOdds(), future=0.5), generator, mediator),
        "exact, shuffled": (Exact(Shuffled(LogOdds()), future=0.5), generator, mediator),
        "taylor": (Taylor(Reward()), generator, conv),
        "relaxed": (Relaxed(Shuffled(Reward())), generator, recurrent),
        "self-play": (SelfPlay(generator), generator, None),
        "scheduled sampling": (scheduled, generator, None),
    }


def learnt(game, objective, player, real) -> list[torch.Tensor]:
    """Loss, gradients and logs, averaged as DDP and the log do."""
    loss, logs, _ = objective(game, real)
    gradients = torch.autograd.grad(loss, list(player.parameters()))
    return [all_mean(part) for part in (loss.detach(), *gradients, *logs.values())]


def everything() -> dict[str, torch.Tensor | list[torch.Tensor]]:
    """Whatever must be the same however many processes share the work; this process's part of it."""
    noise = Noise(0, "dealt")
    uniform = noise.uniform(ROWS // world_size(), 3)
    generator = lively(LSTM(VOCAB, LENGTH, embedding=3, hidden=4))
    conv, recurrent = lively(Conv(VOCAB, LENGTH, embedding=3)), lively(Recurrent(VOCAB, LENGTH, embedding=3, hidden=4))
    real = generator.sample(torch.rand(ROWS, LENGTH, generator=torch.Generator().manual_seed(4)), Categorical()).batch
    own = TextBatch(*map(shard, real))
    assert real.mask[::2].sum() != real.mask[1::2].sum()  # two ranks read unequally many tokens
    found = {
        "gathered": gather(uniform),
        "drawn": torch.tensor(noise.drawn),
        "permutation": noise.permutation(ROWS),
        "mean": all_mean(shard(torch.arange(float(ROWS))).mean()),
    }
    played = objectives(generator, conv, recurrent)
    for name, (objective, player, critic) in played.items():
        found[name] = learnt(Game(generator, critic, Categorical(), Noise(0, name)), objective, player, own)
    found["average"] = played["moving average"][0].baseline.average
    game = Game(generator, conv, Categorical(), Noise(0, "reading"))
    reading = take(game, real, ROWS, {"generator": 0}, Tiny(vocab_size=3, length=LENGTH - 1, variable=True))
    numbers = reading.bce, reading.bound, reading.bound_se, reading.accuracy, reading.regret
    found["reading"] = torch.tensor(numbers)
    return found


def one_of_two(number: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=number, world_size=RANKS)
    assert (rank(), world_size()) == (number, RANKS)
    assert greatest_of(number == 1, torch.device("cpu")) == 1  # which the other has not seen
    torch.save(everything(), f"{folder}/{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What each of two processes says."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.start_processes(one_of_two, (str(folder),), RANKS, start_method="fork")
    return [torch.load(folder / f"{number}.pt") for number in range(RANKS)]


@pytest.fixture(scope="module")
def single():
    return everything()


def test_both_processes_say_the_same(shared):
    assert_close(*shared, rtol=0, atol=0)


def test_two_processes_say_what_one_says(shared, single):
    assert shared[0].keys() == single.keys()
    for name, wanted in single.items():
        assert_close(shared[0][name], wanted, msg=lambda text, name=name: f"{name}: {text}")


def test_a_single_process_has_it_all(single):
    assert (rank(), world_size()) == (0, 1)
    assert single["gathered"].equal(Noise(0, "dealt").uniform(ROWS, 3))
    assert shard(single["gathered"]) is single["gathered"]
    assert single["mean"] == 2.5
    assert greatest_of(7, torch.device("cpu")) == 7
