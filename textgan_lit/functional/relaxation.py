"""Tokens that a gradient can pass: points between the one-hot vectors of the vocabulary."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 2**-25  # half a step of the uniform numbers' 24 bits: keeps both logarithms finite


def embed(embedding: nn.Embedding, tokens: Tensor) -> Float[Tensor, "*tokens E"]:
    """The rows of ``embedding``: looked up for tokens Int[…], mixed by the weights of soft tokens Float[… V].

    Soft tokens are made of what can be emitted, so the rows of bos and padding, which come last, have no part in them.

    >>> import torch
    >>> table = nn.Embedding.from_pretrained(torch.tensor([[1.0], [3.0], [9.0]]))
    >>> embed(table, torch.tensor([[0.5, 0.5]])), embed(table, torch.tensor([2]))
    (tensor([[2.]]), tensor([[9.]]))
    """
    if not tokens.is_floating_point():
        return embedding(tokens)
    return tokens @ embedding.weight[: tokens.shape[-1]]


def one_hot(tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"], size: int) -> Float[Tensor, "B T V"]:
    """Hard tokens as soft ones; zeros on padding.

    >>> import torch
    >>> one_hot(torch.tensor([[1, 7]]), torch.tensor([[True, False]]), 2)
    tensor([[[0., 1.],
             [0., 0.]]])
    """
    return F.one_hot(tokens.masked_fill(~mask, 0), size).float() * mask.unsqueeze(-1)


def gumbel_softmax(
    logits: Float[Tensor, "*rows V"], uniform: Float[Tensor, "*rows V"], temperature: float, hard: bool
) -> Float[Tensor, "*rows V"]:
    r"""A relaxed draw from softmax(logits), one uniform number a token of the vocabulary.

    .. math:: y = \mathrm{softmax}\big((\log\mathrm{softmax}(l) + g) / \tau\big), \qquad g = -\log(-\log u)

    Its largest entry is an exact draw at every temperature. ``hard`` returns that token's one-hot vector with the
    gradient of y (straight-through): exact tokens, but a bias that stays as τ → 0, unless what reads them is linear.
    Without it tokens are soft, and their softness and its bias vanish together.
    Source: Jang et al. 2017, arXiv:1611.01144; Maddison et al. 2017, arXiv:1611.00712.

    >>> import torch
    >>> gumbel_softmax(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.2, 0.9]]), 0.5, hard=True)
    tensor([[0., 1.]])
    """
    gumbel = -(-uniform.clamp_min(SMALLEST).log()).clamp_min(SMALLEST).log()
    soft = ((logits.log_softmax(-1) + gumbel) / temperature).softmax(-1)
    if not hard:
        return soft
    chosen = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    return chosen - soft.detach() + soft
