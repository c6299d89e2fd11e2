"""Large matrix products by the quicker of the two libraries that torch brings for CPUs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


def one_dnn() -> Callable[..., Tensor] | None:
    """oneDNN's linear layer as torch calls it, or None where this torch has none that answers 2 × 3, and + 1, rightly,
    also by a weight that is laid out for it.

    What is called here is private to torch and may change with its version, so that it is tried first.
    """
    one = torch.ones(1, 1)
    try:
        torch._C._are_functorch_transforms_active()
        operator = torch.ops.mkldnn._linear_pointwise
        weights = 3 * one, torch.ops.mkldnn._reorder_linear_weight(3 * one)
        asked = itertools.product(weights, (None, one[0]))
        answers = [operator(2 * one, weight, bias, "none", [], "").item() for weight, bias in asked]
    except Exception:  # whatever another version does with this call
        return None
    return operator if answers == 2 * [6, 7] else None


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
        and "forward" not in vars(layer)  # or with a product of its own
        and not (layer._forward_pre_hooks or layer._forward_hooks)
    )
    if not by_one_dnn:
        return layer(features)
    rows = features.reshape(-1, layer.in_features)
    return _Linear.apply(rows, layer.weight, layer.bias).view(*features.shape[:-1], layer.out_features)


def laid_out(weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None) -> Callable[[Tensor], Tensor]:
    """``linear(features, weight, bias)`` of many small batches, equal to rounding, without gradients: where it is
    quicker the weight is copied once into the order in which oneDNN reads it.

    32 rows take four fifths of the time in fp32 and 85 % in bfloat16, 8 rows two thirds.
    """
    by_one_dnn = (
        ONE_DNN is not None
        and torch.backends.mkldnn.enabled
        and weight.device.type == "cpu"
        and (weight.dtype == torch.float32 or (weight.dtype == torch.bfloat16 and _knows_bfloat16()))
        and not torch.is_autocast_enabled("cpu")
    )
    if not by_one_dnn:
        return lambda features: torch.nn.functional.linear(features, weight, bias)
    ordered = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
    return lambda features: ONE_DNN(features, ordered, bias, "none", [], "")


def _knows_bfloat16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


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
