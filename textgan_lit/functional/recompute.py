"""Time for memory: work on many rows whose inner results are too large to be kept for the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.autograd.function import FunctionCtx

Work = Callable[..., Tensor]


def in_parts(
    work: Work,
    rows: int,
    features: Float[Tensor, "R *H"],
    others: Sequence[Shaped[Tensor, "R"]],
    parameters: Sequence[Tensor],
) -> Float[Tensor, " R"]:
    """``work(features, *others)``, a number a row, for ``rows`` of them at a time; backward does each part anew.

    Differentiable once, in ``features`` and in ``parameters``, which must hold all that ``work`` uses. ``work`` may
    not be random. As ``torch.utils.checkpoint`` on each part, but with nothing left over from a part when the next
    begins: then the memory of one part serves all of them.
    """
    return _InParts.apply(work, rows, len(others), features, *others, *parameters)


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, work: Work, rows: int, n: int, features: Tensor, *rest: Tensor) -> Tensor:
        device = features.device.type
        ctx.work, ctx.rows, ctx.n = work, rows, n
        ctx.cast = {"dtype": torch.get_autocast_dtype(device), "enabled": torch.is_autocast_enabled(device)}
        ctx.save_for_backward(features, *rest)
        # Room for all results beforehand: one small result after each large part would lie in the next one's way.
        found = features.new_empty(len(features), dtype=torch.promote_types(features.dtype, torch.float32))
        for into, *part in _split(rows, found, features, *rest[:n]):
            into.copy_(work(*part))
        return found

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True: what follows would be taken for a constant
            raise RuntimeError("in_parts can be differentiated once.")
        features, *rest = ctx.saved_tensors
        others, parameters = rest[: ctx.n], [leaf for leaf in rest[ctx.n :] if leaf.requires_grad]
        totals = [torch.zeros_like(parameter) for parameter in parameters]
        for_features = torch.empty_like(features)
        parts = _split(ctx.rows, gradient, for_features, features, *others)
        for weight, into, part, *other in parts:
            with torch.enable_grad(), torch.autocast(features.device.type, **ctx.cast):
                part = part.detach().requires_grad_()
                found = ctx.work(part, *other)
            of_part, *shares = torch.autograd.grad(found, (part, *parameters), weight, allow_unused=True)
            into.copy_(of_part)
            for total, share in zip(totals, shares, strict=True):
                if share is not None:
                    total += share
        gradients = iter(totals)
        returned = [next(gradients) if leaf.requires_grad else None for leaf in rest[ctx.n :]]
        return None, None, None, for_features, *(None for _ in others), *returned


def _split(rows: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)
