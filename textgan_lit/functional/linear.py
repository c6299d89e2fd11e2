"""Large matrix products by the quicker of the two libraries that torch brings for CPUs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


def one_dnn() -> Callable[..., Tensor] | None:
    """oneDNN's linear layer as torch calls it, or None where this torch has none that answers 2 × 3, and + 1, rightly.

    What is called here is private to torch and may change with its version, so that it is tried first.
    """
    one = torch.ones(1, 1)
    try:
        torch._C._are_functorch_transforms_active()
        operator = torch.ops.mkldnn._linear_pointwise
        answers = [operator(2 * one, 3 * one, bias, "none", [], "").item() for bias in (None, one[0])]
    except Exception:  # whatever another version does with this call
        return None
    return operator if answers == [6, 7] else None


ONE_DNN = one_dnn()
LARGE = 2**20  # multiplications from which on the choice is worth its own cost


def linear(features: Float[Tensor, "*rows I"], layer: nn.Linear) -> Float[Tensor, "*rows O"]:
    """``layer(features)``, equal to rounding, with its gradients.

    torch multiplies fp32 matrices by MKL, which keeps to AVX2 on AMD's processors. Large ones go through oneDNN here,
    as in code that torch has compiled: there twice as quick. Other processors were not measured.
    """
    by_one_dnn = (
        ONE_DNN is not None
        and torch.backends.mkldnn.enabled
        and features.device.type == "cpu"
        and features.dtype == layer.weight.dtype == torch.float32
        and features.numel() * layer.out_features >= LARGE
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
        and type(layer) is nn.Linear  # and not one with a parametrisation or hooks, such as spectral norm
        and not (layer._forward_pre_hooks or layer._forward_hooks)
    )
    if not by_one_dnn:
        return layer(features)
    rows = features.reshape(-1, layer.in_features)
    return _Linear.apply(rows, layer.weight, layer.bias).view(*features.shape[:-1], layer.out_features)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, weight)
        return ONE_DNN(features, weight, bias, "none", [], "")

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        # create_graph=True: to be differentiated again, which oneDNN's operator cannot be
        product = torch.mm if torch.is_grad_enabled() else _mm
        for_features, for_weight, for_bias = ctx.needs_input_grad
        return (
            product(gradient, weight) if for_features else None,
            product(features.t(), gradient).t() if for_weight else None,
            gradient.sum(0) if for_bias else None,
        )


def _mm(left: Tensor, right: Tensor) -> Tensor:
    return ONE_DNN(left, right.t(), None, "none", [], "")
