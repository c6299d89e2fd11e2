"""Log-probabilities of tokens and sentences, in nats."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import FunctionCtx


def token_logp(
    logits: Float[Tensor, "*rows V"], tokens: Int[Tensor, "*rows"], mask: Bool[Tensor, "*rows"]
) -> Float[Tensor, "*rows"]:
    """log softmax(logits) at each token; 0 on padding. Can be differentiated once.

    >>> token_logp(torch.zeros(1, 2, 4), torch.tensor([[3, 9]]), torch.tensor([[True, False]]))
    tensor([[-1.3863,  0.0000]])
    """
    return _Chosen.apply(logits, tokens.masked_fill(~mask, 0).unsqueeze(-1)).masked_fill(~mask, 0.0)


class _Chosen(torch.autograd.Function):
    """log softmax at one token a row. Backward reuses the one softmax: it is quicker than torch's own cross-entropy,
    and rows of which a policy left out tokens (logits of −∞) have a gradient without NaN."""

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, token: Tensor) -> Tensor:
        weight = logits.softmax(-1)
        ctx.save_for_backward(weight, token)
        # The heaviest token's weight is 1 / Σ exp(logit − largest): what is small keeps its digits.
        below_top = logits.gather(-1, token) - logits.amax(-1, keepdim=True)
        return (below_top + weight.amax(-1, keepdim=True).log()).squeeze(-1)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():  # create_graph=True: what follows would be taken for a constant
            raise RuntimeError("token_logp can be differentiated once; log_softmax and gather can twice.")
        weight, token = ctx.saved_tensors
        gradient = gradient.unsqueeze(-1)
        return (weight * -gradient).scatter_add_(-1, token, gradient), None


def relative(logits: Float[Tensor, "*rows V"], reference: Float[Tensor, "*#rows #V"]) -> Float[Tensor, "*rows"]:
    r"""Σ_v g_v (log g_v − reference_v) of g = softmax(logits), summed over the vocabulary, in nats.

    Where ``reference`` holds log-probabilities this is the KL divergence of g from them, where it is 0 it is −H(g). Not
    differentiated in ``reference``, and in ``logits`` once. What g leaves out (logits of −∞) adds nothing.

    >>> half = torch.zeros(1, 2)  # ½ log ½/¼ + ½ log ½/¾; −log 2
    >>> relative(half, torch.tensor([[0.25, 0.75]]).log()), relative(half, torch.zeros(1, 1))
    (tensor([0.1438]), tensor([-0.6931]))
    """
    return _Relative.apply(logits, reference)


class _Relative(torch.autograd.Function):
    """The gradient in logit v, g_v (log g_v − reference_v − the sum), is all that is kept: one number per logit."""

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, reference: Tensor) -> Tensor:
        logp = logits.log_softmax(-1)
        weight = logp.exp()
        apart = logp.clamp_min_(torch.finfo(logp.dtype).min).sub_(reference)
        found = torch.linalg.vecdot(weight, apart)
        ctx.save_for_backward(apart.sub_(found.unsqueeze(-1)).mul_(weight))
        return found

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():  # create_graph=True: what follows would be taken for a constant
            raise RuntimeError("relative can be differentiated once; log_softmax can twice.")
        (slope,) = ctx.saved_tensors
        return slope * gradient.unsqueeze(-1), None


def nll(logp: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Negative log-likelihood in nats per token: total nats / total tokens, eos included."""
    return -logp.sum() / mask.sum().clamp_min(1)


def inputs_of(tokens: Int[Tensor, "B T"], bos: int) -> Int[Tensor, "B T"]:
    """What a left-to-right generator reads in order to predict ``tokens``: bos, then every token but the last.

    >>> inputs_of(torch.tensor([[4, 5, 6]]), bos=9)
    tensor([[9, 4, 5]])
    """
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, :-1]], 1)


def log_mean_exp(x: Float[Tensor, "B K"]) -> Float[Tensor, " B"]:
    """log of the mean of exp over the last axis.

    >>> log_mean_exp(torch.tensor([[0.0, 0.0], [1000.0, 1000.0]]))
    tensor([   0., 1000.])
    """
    return x.logsumexp(-1) - math.log(x.shape[-1])
