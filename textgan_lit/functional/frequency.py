r"""How far apart two sets of sentences are by how often each n-gram occurs in them.

.. math:: \mathrm{JSD}_n = \tfrac12 \sum_g p_g \log \tfrac{2 p_g}{p_g + q_g} + q_g \log \tfrac{2 q_g}{p_g + q_g}
   \qquad
   \mathrm{MSJ}_N = \Big( \prod_{n=1}^N \frac{\sum_g \min(a_g, b_g)}{\sum_g \max(a_g, b_g)} \Big)^{1/N}

p_g and q_g are the shares of a set's n-grams that are g; a_g and b_g say how often g occurs in a sentence on average.

Both know the sets, not where they come from: two sets from one source differ, too, the more the smaller they are.

Sources: Lin 1991, *Divergence measures based on the Shannon entropy*; Montahaei et al. 2019, *Jointly measuring
diversity and quality in text generation models*, arXiv:1904.03971 (MS-Jaccard).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from textgan_lit.functional.ngram import counts


def ngram_jsd(
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    others: Int[Tensor, "R S"],
    others_mask: Bool[Tensor, "R S"],
    orders: Sequence[int],
) -> Float64[Tensor, " orders"]:
    """In nats, from 0 to log 2, for each n of ``orders``; NaN where a set has no n-gram.

    >>> one, other = torch.tensor([[1, 2, 3]]), torch.tensor([[3, 2, 1]])
    >>> mask = torch.ones(1, 3, dtype=torch.bool)
    >>> ngram_jsd(one, mask, other, mask, orders=(1, 2))  # the same tokens, no bigram in common
    tensor([0.0000, 0.6931], dtype=torch.float64)
    """
    found = []
    for both in _totals(tokens, mask, others, others_mask, max(orders)):
        p = both / both.sum(1, keepdim=True)
        jsd = (torch.xlogy(p, p) - torch.xlogy(p, p.mean(0))).sum() / 2
        found.append(jsd.where(both.any(1).all(), torch.nan))
    return torch.stack(found)[[n - 1 for n in orders]]


def ms_jaccard(
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    others: Int[Tensor, "R S"],
    others_mask: Bool[Tensor, "R S"],
    orders: Sequence[int],
) -> Float64[Tensor, " orders"]:
    """From 0 (no n-gram of the highest order in common) to 1, for each N of ``orders``; NaN where neither set has one.

    >>> one, other = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 4]])
    >>> mask = torch.ones(1, 3, dtype=torch.bool)
    >>> ms_jaccard(one, mask, other, mask, orders=(1, 2))  # 2 of 4 tokens, 1 of 3 bigrams
    tensor([0.5000, 0.4082], dtype=torch.float64)
    """
    scores = []
    for both in _totals(tokens, mask, others, others_mask, max(orders)):
        often = both / torch.tensor([[len(tokens)], [len(others)]], device=both.device)
        scores.append(often.amin(0).sum() / often.amax(0).sum())
    n = torch.arange(1, len(scores) + 1, device=tokens.device)
    mean = (torch.stack(scores).log().cumsum(0) / n).exp()
    return mean[[order - 1 for order in orders]]


def _totals(
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    others: Int[Tensor, "R S"],
    others_mask: Bool[Tensor, "R S"],
    highest: int,
) -> Iterator[Float64[Tensor, "2 grams"]]:
    """For n = 1 … highest: how often each n-gram occurs in either set."""
    flat, length = torch.cat([tokens[mask], others[others_mask]]), torch.cat([mask.sum(1), others_mask.sum(1)])
    for sentence, gram, count in counts(flat, length, highest):
        both = torch.zeros(2, int(gram.max()) + 1 if len(gram) else 0, dtype=torch.double, device=flat.device)
        yield both.index_put_(((sentence >= len(tokens)).long(), gram), count.double(), accumulate=True)
