"""Time for memory: work on many rows whose inner results are too large to be kept for the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.utils.checkpoint import checkpoint

Work = Callable[..., Tensor]
Weights = Callable[[], Sequence[Tensor]]


def in_parts(
    work: Work,
    rows: int,
    features: Float[Tensor, "R *H"],
    others: Sequence[Shaped[Tensor, "R ..."]],
    weights: Weights,
) -> Float[Tensor, " R"]:
    """``work(features, *others)``, a number a row, for ``rows`` of them at a time; backward does each part anew.

    Differentiable once, in ``features`` and in ``weights()``, which must name all that ``work`` uses, and the same
    tensors on the way back. ``work`` may not be random. As ``torch.utils.checkpoint`` on each part, but with nothing
    left over from a part when the next begins: then the memory of one part serves all of them.
    """
    return _InParts.apply(work, rows, len(others), weights, features, *others, *weights())


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, work: Work, rows: int, n: int, weights: Weights, features: Tensor, *rest: Tensor
    ) -> Tensor:
        device = features.device.type
        ctx.work, ctx.rows, ctx.n, ctx.weights = work, rows, n, weights
        ctx.cast = {"dtype": torch.get_autocast_dtype(device), "enabled": torch.is_autocast_enabled(device)}
        ctx.save_for_backward(features, *rest)
        # Room for all results beforehand: one small result after each large part would lie in the next one's way.
        first, *parts = _split(rows, features, *rest[:n])
        result = work(*first)
        found = result.new_empty(len(features))
        found[:rows] = result
        for into, part in zip(found.split(rows)[1:], parts, strict=True):
            into.copy_(work(*part))
        return found

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True: what follows would be taken for a constant
            raise RuntimeError("in_parts can be differentiated once.")
        features, *rest = ctx.saved_tensors
        others, saved = rest[: ctx.n], rest[ctx.n :]
        if any(then.data_ptr() != now.data_ptr() for then, now in zip(saved, ctx.weights(), strict=True)):
            raise RuntimeError("in_parts: other weights than on the way forward (torch.func.functional_call?).")
        learning = [weight for weight in saved if weight.requires_grad]
        totals: list[Tensor | None] = [None] * len(learning)
        for_features = torch.empty_like(features)
        for share, into, part, *other in _split(ctx.rows, gradient, for_features, features, *others):
            with torch.enable_grad(), torch.autocast(features.device.type, **ctx.cast):
                part = part.detach().requires_grad_()
                found = ctx.work(part, *other)
            of_part, *new = torch.autograd.grad(found, (part, *learning), share, allow_unused=True)
            into.copy_(of_part)
            totals = [_sum(total, more) for total, more in zip(totals, new, strict=True)]
        gradients = iter(totals)
        returned = [next(gradients) if weight.requires_grad else None for weight in saved]
        return None, None, None, None, for_features, *(None for _ in others), *returned


def micro_batches(
    network: Callable[..., Tensor], size: int | None, *inputs: Shaped[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """``network(*inputs)``, for ``size`` rows at a time; None: for all of them at once.

    Where there are more rows than that, nothing that the network computes on its way is kept: backward does each part
    anew, and the activations of one part are all that there ever are. The gradient of whatever is made of the result is
    that of the whole batch, to rounding. ``network`` may not be random.
    """
    if size is None or len(inputs[0]) <= size:
        return network(*inputs)
    parts = zip(*(some.split(size) for some in inputs), strict=True)
    return torch.cat([checkpoint(network, *part, use_reentrant=False) for part in parts])


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total.add_(more)


def _split(rows: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)
