"""Log-probabilities of words and sentences, in nats."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def token_logp(
    logits: Float[Tensor, "B T V"], tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """log softmax(logits) at each token; 0 on padding.

    >>> token_logp(torch.zeros(1, 2, 4), torch.tensor([[3, 9]]), torch.tensor([[True, False]]))
    tensor([[-1.3863,  0.0000]])
    """
    words = tokens.masked_fill(~mask, 0).unsqueeze(-1)
    chosen = logits.gather(-1, words).squeeze(-1) - logits.logsumexp(-1)
    return chosen.masked_fill(~mask, 0.0)


def nll(logp: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Negative log-likelihood in nats per word: total nats / total words, eos included."""
    return -logp.sum() / mask.sum().clamp_min(1)


def inputs_of(tokens: Int[Tensor, "B T"], bos: int) -> Int[Tensor, "B T"]:
    """What a left-to-right generator reads in order to predict ``tokens``: bos, then every word but the last.

    >>> inputs_of(torch.tensor([[4, 5, 6]]), bos=9)
    tensor([[9, 4, 5]])
    """
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, :-1]], 1)
