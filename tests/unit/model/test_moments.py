"""What an optimizer has learnt is saved without its settings, and comes back as it was."""

import functools

import pytest
import torch

from tests.helpers.lives import same
from textgan_lit.errors import UserError
from textgan_lit.model.moments import check_moments, kept, whole

KINDS = {
    "adam": functools.partial(torch.optim.Adam, lr=0.1, betas=[0.5, 0.9]),
    "amsgrad": functools.partial(torch.optim.AdamW, lr=0.1, amsgrad=True),
    "sgd": functools.partial(torch.optim.SGD, lr=0.1),
    "momentum": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "rmsprop": functools.partial(torch.optim.RMSprop, lr=0.1, centered=True),
    "adagrad": functools.partial(torch.optim.Adagrad, lr=0.1),
    "adadelta": functools.partial(torch.optim.Adadelta, lr=0.1),
    "nadam": functools.partial(torch.optim.NAdam, lr=0.1),
}


class Slow(torch.optim.Optimizer):
    """Somebody's own, which keeps a number in its group, and cannot do without numbers in its weights."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr, "played": 0})

    def step(self):
        for group in self.param_groups:
            group["played"] += 1
            for weight in group["params"]:
                self.state[weight]["seen"] = float(weight.sum())
                weight.data -= group["lr"] / group["played"] * weight.grad


def weights():
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(2, 3)), torch.nn.Parameter(torch.randn(4))]


def learn(optimizer, steps):
    params = optimizer.param_groups[0]["params"]
    for step in range(steps):
        for weight in params:
            weight.grad = (weight + step).detach()
        optimizer.step()
    return params


@pytest.mark.parametrize("make", [*KINDS.values(), Slow], ids=[*KINDS, "slow"])
def test_it_goes_on_where_it_was(make):
    first, second = make(weights()), make(weights())
    learn(first, 5)
    learn(second, 3)
    second.param_groups[0]["lr"] *= 0.5  # as pretraining does
    first_of_half = make(weights())
    learn(first_of_half, 3)
    first_of_half.param_groups[0]["lr"] *= 0.5
    saved = kept(second)
    assert "betas" not in saved["param_groups"][0]
    check_moments(saved, make, weights(), "x")
    third = make([torch.nn.Parameter(weight.detach().clone()) for weight in second.param_groups[0]["params"]])
    third.load_state_dict(whole(saved, third))
    same(third.state_dict(), second.state_dict())
    for optimizer in (first_of_half, third):
        for weight in optimizer.param_groups[0]["params"]:
            weight.grad = torch.ones_like(weight)
        optimizer.step()
    same(*([weight.detach() for weight in one.param_groups[0]["params"]] for one in (first_of_half, third)))


def test_settings_are_the_configurations():
    adam = KINDS["adam"](weights())
    other = torch.optim.Adam(weights(), lr=0.1, betas=(0.1, 0.2), weight_decay=0.5)
    other.load_state_dict(whole(kept(adam), other))
    assert (other.param_groups[0]["betas"], other.param_groups[0]["weight_decay"]) == ((0.1, 0.2), 0.5)


def test_a_weight_that_has_learnt_nothing_yet_is_fine_and_another_optimizers_memory_is_not():
    adam = KINDS["adam"](weights())
    check_moments(kept(adam), KINDS["adam"], weights(), "x")
    learn(adam, 1)
    saved = kept(adam)
    del saved["state"][1]
    check_moments(saved, KINDS["adam"], weights(), "x")
    for name in KINDS.keys() - {"adam"}:
        with pytest.raises(UserError, match=r"x\.state\.0 knows \['exp_avg', 'exp_avg_sq', 'step'\], wanted"):
            check_moments(saved, KINDS[name], weights(), "x")


def test_weights_of_one_kind_are_tried_once():
    """Adapters are hundreds of few kinds, and a step on torch's meta device takes a millisecond for each."""
    many, asked = [*weights(), *weights()], []
    optimizer = torch.optim.Adam(many)
    for weight in many:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    make = lambda given: asked.append(len(given)) or torch.optim.Adam(given)  # noqa: E731
    check_moments(kept(optimizer), make, many, "moments")
    assert asked == [4, 2]
