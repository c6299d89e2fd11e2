"""Numbers that no player may learn from, found on whichever rank they are."""

import math

import pytest
import torch
from torch import distributed as dist

from textgan_lit.faults import KINDS, Fault, Faults

FINE = {"reward": torch.tensor(-3.0), "advantage_rms": torch.tensor(2.0)}


def weight(slope):
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([0.0, slope, 1.0])
    return parameter


def seen(loss=1.0, slope=1.0, **logs):
    found = Faults(reward=10.0).look(
        torch.tensor(loss), FINE | {key: torch.tensor(value) for key, value in logs.items()}, [weight(slope)]
    )
    return found and found[0]


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_a_fault(bad):
    assert seen() is None
    assert seen(loss=bad) == "loss"
    assert seen(slope=bad) == "gradient"
    assert seen(reward=bad) == seen(advantage_rms=bad) == "reward"


def test_the_first_cause_is_named():
    assert seen(reward=math.nan, loss=math.nan, slope=math.nan) == "reward"
    assert seen(loss=math.nan, slope=math.nan) == "loss"


def test_a_reward_has_a_limit_and_nothing_else_but_infinity_has():
    assert seen(reward=-10.0) is seen(reward=10.0) is seen(loss=1e30, slope=1e30) is None
    assert seen(reward=-10.1) == seen(reward=10.1) == seen(advantage_rms=10.1) == "reward"


def test_an_update_without_a_reward_and_weights_without_a_gradient_are_no_fault():
    assert Faults().look(torch.tensor(1.0), {"nll": torch.tensor(1.0)}, [torch.nn.Parameter(torch.zeros(2))]) is None


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_name_the_step_the_cause_and_the_way_out(kind):
    line = Fault("generator", 1234, kind, 2.0, 3e9).said(None)
    assert line.startswith("Step 1,234 (generator): ")
    assert "Likely cause: " in line
    assert "Way out: " in line
    wanted = {
        "reward": "faults.reward",
        "loss": "model.optim.generator.max_grad_norm=5",
        "gradient": "model.optim.generator.max_grad_norm=5",
    }
    assert wanted[kind] in line
    assert "max_grad_norm" not in Fault("generator", 1234, kind, 2.0, 3e9).said(5.0)


def one_of_two(number: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=number, world_size=2)
    mine = [seen(), seen(loss=math.nan if number else 1.0), seen(reward=1.0 if number else math.inf)]
    torch.save(mine, f"{folder}/{number}.pt")
    dist.destroy_process_group()


def test_a_fault_of_one_rank_is_a_fault_of_all(tmp_path):
    torch.multiprocessing.start_processes(one_of_two, (str(tmp_path),), 2, start_method="fork")
    for number in range(2):
        assert torch.load(tmp_path / f"{number}.pt") == [None, "loss", "reward"]
