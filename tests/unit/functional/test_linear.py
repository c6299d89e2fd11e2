"""A linear layer by another library is the same linear layer."""

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.functional import linear as room
from textgan_lit.functional.linear import laid_out, linear

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(params=[True, False], ids=["bias", "no bias"])
def layer(request, monkeypatch):
    monkeypatch.setattr(room, "LARGE", 1)
    torch.manual_seed(0)
    return torch.nn.Linear(32, 500, bias=request.param)


def as_matrix(layer):
    return lambda features: torch.nn.functional.linear(features, layer.weight, layer.bias)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (300,), (2, 3), (1, 1, 4)])
def test_it_is_the_layer(layer, shape):
    features = torch.randn(*shape, 32)
    assert_close(linear(features, layer), as_matrix(layer)(features))
    turned = torch.randn(32, *shape).movedim(0, -1)  # not contiguous
    assert_close(linear(turned, layer), as_matrix(layer)(turned))


def test_it_has_the_layers_gradient(layer):
    features = torch.randn(7, 3, 32, requires_grad=True)
    inputs = [features, *layer.parameters()]
    losses = (work(features).sin().sum() for work in (lambda x: linear(x, layer), as_matrix(layer)))
    assert_close(*(torch.autograd.grad(loss, inputs) for loss in losses), **CLOSE)


def test_a_frozen_layer_hands_the_gradient_on(layer):
    layer.requires_grad_(False)
    features = torch.randn(7, 32, requires_grad=True)
    linear(features, layer).sum().backward()
    assert_close(features.grad, layer.weight.sum(0).expand(7, 32), **CLOSE)


def test_it_can_be_differentiated_twice(layer):
    """As a gradient penalty does."""
    features = torch.randn(7, 32, requires_grad=True)

    def penalty(work):
        (gradient,) = torch.autograd.grad(work(features).sin().sum(), features, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), [features, layer.weight])

    assert_close(penalty(lambda x: linear(x, layer)), penalty(as_matrix(layer)), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.double])
def test_other_numbers_go_torchs_own_way(layer, dtype):
    layer = layer.to(dtype)
    features = torch.randn(7, 32, dtype=dtype)
    assert linear(features, layer).equal(layer(features))


@torch.no_grad()
def test_autocast_keeps_its_say(layer):
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(7, 32), layer).dtype == torch.bfloat16


@pytest.fixture
def asked(monkeypatch):
    """How often oneDNN was asked."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    calls, operator = [], room.ONE_DNN
    monkeypatch.setattr(room, "ONE_DNN", lambda *given: calls.append(1) or operator(*given))
    return calls


@torch.no_grad()
def test_large_products_are_onednns(layer, asked, monkeypatch):
    features = torch.randn(7, 32)
    linear(features, layer)
    assert len(asked) == 1
    monkeypatch.setattr(room, "LARGE", 7 * 32 * 500 + 1)
    linear(features, layer)
    assert len(asked) == 1


@pytest.mark.filterwarnings("ignore:TF32")  # about Intel GPUs, from switching oneDNN off
def test_layers_that_are_more_than_a_product_go_their_own_way(layer, asked):
    hooked = []
    layer.register_forward_hook(lambda *_: hooked.append(1))
    linear(torch.randn(7, 32), layer)
    normed = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(32, 500))
    linear(torch.randn(7, 32), normed).sum().backward()
    assert normed.parametrizations.weight.original.grad is not None
    own = torch.nn.Linear(32, 500)
    own.forward = lambda features: hooked.append(1) or features
    linear(torch.randn(7, 32), own)
    with torch.backends.mkldnn.flags(enabled=False):
        linear(torch.randn(7, 32), torch.nn.Linear(32, 500))
    assert (len(hooked), len(asked)) == (2, 0)


def test_function_transforms_see_through_it(layer):
    features = torch.randn(3, 32)
    gradient = torch.func.vmap(torch.func.grad(lambda x: linear(x, layer).sum()))(features)
    assert_close(gradient, layer.weight.sum(0).expand(3, 32), **CLOSE)


def by_hand(features, weight, bias, *_):
    return torch.nn.functional.linear(features, weight, bias)


@pytest.mark.parametrize(
    "operators",
    [
        {},
        {"_linear_pointwise": torch.ops.aten.linear},
        {"_linear_pointwise": lambda features, weight: features @ weight.t()},
        {"_linear_pointwise": lambda features, weight, bias, *_: features @ weight + bias + 1},
        {"_linear_pointwise": lambda features, weight, bias, *_: features @ weight.t() + bias},
        {"_linear_pointwise": lambda features, weight, bias, how, *_: {"relu": torch.relu}[how](features)},
        {"_linear_pointwise": by_hand, "_reorder_linear_weight": lambda weight, rows: weight},
    ],
    ids=[
        "gone",
        "asked otherwise",
        "asked for less",
        "answers otherwise",
        "wants a bias",
        "knows no none",
        "orders less",
    ],
)
def test_a_torch_whose_onednn_is_another_will_do(layer, monkeypatch, operators):
    operators = {"_reorder_linear_weight": lambda weight: weight} | operators
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(**operators))
    monkeypatch.setattr(room, "ONE_DNN", room.one_dnn())
    features = torch.randn(7, 32, requires_grad=True)
    assert linear(features, layer).equal(layer(features))
    gradients = [torch.autograd.grad(work(features).sum(), features)[0] for work in (lambda x: linear(x, layer), layer)]
    assert gradients[0].equal(gradients[1])


def test_a_torch_whose_transforms_cannot_be_asked_for_will_do(layer, monkeypatch):
    monkeypatch.delattr(torch._C, "_are_functorch_transforms_active")
    monkeypatch.setattr(room, "ONE_DNN", room.one_dnn())
    features = torch.randn(7, 32)
    assert linear(features, layer).equal(layer(features))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.double])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (2, 3), (2, 1, 4)])
def test_a_weight_that_is_laid_out_is_the_same_weight(layer, dtype, shape):
    layer = layer.to(dtype)
    features = torch.randn(*shape, 32).to(dtype)
    for weight in (layer.weight, layer.weight.t().contiguous().t()):
        close = {"atol": 0.02, "rtol": 0.02} if dtype == torch.bfloat16 else {}
        assert_close(laid_out(weight, layer.bias)(features), layer(features), **close)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_beside_fewer_rows_a_row_comes_out_to_the_same_bit(dtype):
    """As sentences need that go on while others have ended: ``Pretrained.fewest_rows``."""
    features = torch.randn(32, 576).to(dtype)
    for weight in (torch.randn(1536, 576).to(dtype), torch.randn(192, 576).to(dtype)):
        work = laid_out(weight, None)
        assert all(work(features[:rows]).equal(work(features)[:rows]) for rows in range(8, 32))


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:TF32")
def test_where_onednn_is_not_asked_for_weights_stay_as_they_lie(layer, asked):
    features = torch.randn(7, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert laid_out(layer.weight, layer.bias)(features).dtype == torch.bfloat16
    with torch.backends.mkldnn.flags(enabled=False):
        assert laid_out(layer.weight, layer.bias)(features).equal(layer(features))
    assert not asked
    laid_out(layer.weight, layer.bias)(features)
    assert asked
