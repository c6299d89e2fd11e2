"""Rows in parts, computed twice: the same numbers and gradients as all at once."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.allocations import kept_bytes
from textgan_lit.functional.recompute import in_parts, micro_batches


@pytest.fixture
def layers():
    torch.manual_seed(0)
    used, frozen, unused = torch.nn.Linear(4, 6).double(), torch.nn.Linear(6, 6).double(), torch.nn.Linear(2, 2)
    return used, frozen.requires_grad_(False), unused


@pytest.fixture
def work(layers):
    used, frozen, _ = layers
    return lambda features, token: frozen(used(features).tanh()).gather(-1, token.unsqueeze(-1)).squeeze(-1)


@pytest.fixture
def rows():
    stream = torch.Generator().manual_seed(1)
    features = torch.randn(10, 4, generator=stream, dtype=torch.double).requires_grad_()
    return features, torch.randint(0, 6, (10,), generator=stream)


def parameters(layers):
    return [weight for layer in layers for weight in layer.parameters()]


@pytest.mark.parametrize("at_once", [1, 3, 10, 99])
def test_parts_are_the_whole(layers, work, rows, at_once):
    features, tokens = rows
    leaves = [features, *layers[0].parameters()]
    weight = torch.arange(10.0).double()
    whole, parts = work(features, tokens), in_parts(work, at_once, features, (tokens,), lambda: parameters(layers))
    assert_close(parts, whole)
    assert_close(*(torch.autograd.grad((weight * found).sum(), leaves) for found in (parts, whole)))


def test_the_gradient_is_that_of_finite_differences(layers, work, rows):
    features, tokens = rows
    assert torch.autograd.gradcheck(lambda x: in_parts(work, 4, x, (tokens,), lambda: parameters(layers)), features)


def test_the_second_time_is_as_exact_as_the_first(rows):
    """Autocast holds while the loss is computed, and not while autograd goes back."""
    layer, features, seen = torch.nn.Linear(4, 6), rows[0].detach().float().requires_grad_(), []

    def work(features):
        logits = layer(features)
        seen.append(logits.dtype)
        return logits.float().sum(-1)

    with torch.autocast("cpu", torch.bfloat16):
        found = in_parts(work, 5, features, (), lambda: list(layer.parameters()))
    found.sum().backward()
    assert seen == [torch.bfloat16] * 4


def test_what_is_not_used_has_no_gradient(layers, work, rows):
    """None and not 0: an optimizer with weight decay would move it."""
    features, tokens = rows
    in_parts(work, 4, features, (tokens,), lambda: parameters(layers)).sum().backward()
    assert [weight.grad is None for weight in parameters(layers)] == [False, False, True, True, True, True]


def test_weights_that_were_replaced_meanwhile_are_refused(rows):
    """The way back would be another network's."""
    layer, features = torch.nn.Linear(4, 6).double(), rows[0]
    weights = {name: weight.detach().clone().requires_grad_() for name, weight in layer.named_parameters()}

    class Part(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return in_parts(lambda y: self.layer(y).sum(-1), 4, x, (), lambda: list(self.parameters()))

    replaced = {f"layer.{name}": weight for name, weight in weights.items()}
    found = torch.func.functional_call(Part(), replaced, (features,))
    with pytest.raises(RuntimeError, match="other weights"):
        found.sum().backward()


def test_nothing_is_kept_for_the_way_back(layers, rows):
    """Of 10 rows in 5 parts, never more than one part's inner result is alive."""
    features, alive, most = rows[0], [], []

    class Large(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            alive.append(1)
            most.append(len(alive))
            ctx.kept = Token()
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    class Token:
        def __del__(self):
            alive.pop()

    in_parts(lambda x: Large.apply(x).sum(-1), 2, features, (), list).sum().backward()
    assert (len(most), max(most)) == (10, 2)  # the last part's is let go when the next one's is there


def test_it_cannot_be_differentiated_twice_by_mistake(layers, work, rows):
    features, tokens = rows
    with pytest.raises(RuntimeError, match="once"):
        torch.autograd.grad(in_parts(work, 4, features, (tokens,), list).sum(), features, create_graph=True)


@pytest.mark.parametrize("size", [None, 1, 3, 10, 99])
def test_micro_batches_are_the_batch(layers, rows, size):
    """Also for a loss that no sum over rows makes."""
    used, frozen, _ = layers
    features, tokens = rows
    leaves = [features, *used.parameters()]

    def network(x, y):
        return frozen(used(x).tanh()) * y.unsqueeze(1)

    found = []
    for many in (size, None):
        score = micro_batches(network, many, features, tokens)
        loss = torch.nn.functional.softplus(score[:5] - score[5:]).sum() / score.std()
        found.append((score, *torch.autograd.grad(loss, leaves)))
    assert_close(*found)


def test_of_micro_batches_no_activations_are_kept_and_few_rows_are_worked_on(layers, rows):
    seen = []

    def network(x):
        seen.append(len(x))
        for _ in range(20):
            x = x.sin()
        return x

    features = rows[0]
    (_, whole), (found, parts) = (kept_bytes(micro_batches, network, many, features) for many in (None, 2))
    assert whole >= 19 * features.nbytes
    assert parts <= features.nbytes
    found.sum().backward()
    assert seen == [10] + [2] * 10  # each of five parts twice


def test_where_nothing_is_learnt_micro_batches_are_computed_once(rows):
    seen = []
    with torch.no_grad():
        micro_batches(lambda x: (seen.append(len(x)), x)[1], 4, rows[0])
    assert seen == [4, 4, 2]
