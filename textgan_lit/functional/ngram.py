r"""Quality and variety by shared n-grams: BLEU and Self-BLEU of every sentence, from 0 to 1.

.. math:: \mathrm{BLEU}_n = \min(1, e^{1 - r/h}) \left(\prod_{k=1}^n p_k\right)^{1/n}

h is the sentence's length in tokens and r that of the reference closest in length (of two equally close, the shorter).
p_k is the share of the sentence's k-grams that a reference has too: one that occurs c times counts min(c, the most
that any single reference has). Where none counts, p_k = .1 / their number (.1 where the sentence is too short to have
any), but a sentence without a single token of the references scores 0.

The numbers are those of NLTK's ``sentence_bleu`` with ``SmoothingFunction().method1``. NLTK reads all references
anew for every sentence; here every different n-gram gets an id, and time and memory grow with the number of tokens.

Sources: Papineni et al. 2002, *BLEU: a method for automatic evaluation of machine translation*; Chen & Cherry 2014,
*A systematic comparison of smoothing techniques for sentence-level BLEU* (method 1); Zhu et al. 2018, *Texygen*,
arXiv:1802.01886 (Self-BLEU).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float64, Int
from torch import Tensor

ORDERS = (2, 3, 4, 5)
EPSILON = 0.1  # stands for 0 matches


class Counts(NamedTuple):
    """How often each n-gram occurs in each sentence that has it, for one n: an entry for each such pair."""

    sentence: Int[Tensor, " P"]
    gram: Int[Tensor, " P"]  # ids, from 0 on without a gap
    count: Int[Tensor, " P"]


def bleu(
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    reference_tokens: Int[Tensor, "R S"],
    reference_mask: Bool[Tensor, "R S"],
    orders: Sequence[int] = ORDERS,
    epsilon: float = EPSILON,
) -> Float64[Tensor, "B orders"]:
    """BLEU-n of every sentence against all references at once, one column for each n of ``orders``.

    A mask is True on tokens; padding comes last. With ``epsilon`` 0 nothing is smoothed: without a match of any one
    order BLEU is 0.

    >>> tokens, references = torch.tensor([[1, 2, 3], [1, 9, 3]]), torch.tensor([[1, 2, 3], [1, 4, 5]])
    >>> mask = torch.ones(2, 3, dtype=torch.bool)
    >>> bleu(tokens, mask, references, mask, orders=(1, 2))  # the second: ⅔ of its tokens, and .1 of its 2 bigrams
    tensor([[1.0000, 1.0000],
            [0.6667, 0.1826]], dtype=torch.float64)
    """
    if not len(reference_tokens):
        raise ValueError("BLEU needs at least one reference.")
    flat = torch.cat([tokens[mask], reference_tokens[reference_mask]])
    length, reference_length = mask.sum(1), reference_mask.sum(1)
    both, matches = torch.cat([length, reference_length]), []
    for sentence, gram, count in counts(flat, both, max(orders)):
        most = _most(gram, count.where(sentence >= len(tokens), 0))
        clipped = count.minimum(most[gram])
        matches.append(torch.zeros_like(both).index_add_(0, sentence, clipped)[: len(tokens)])
    return _score(matches, length, _closest(length, reference_length), orders, epsilon)


def self_bleu(
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    orders: Sequence[int] = ORDERS,
    epsilon: float = EPSILON,
) -> Float64[Tensor, "B orders"]:
    """BLEU-n of every sentence against all the others: 1 where all are alike, low where they vary.

    Only the sentence itself is left out: another that says the same stays in.

    >>> tokens = torch.tensor([[1, 2, 3], [1, 2, 3], [7, 8, 9]])
    >>> self_bleu(tokens, torch.ones(3, 3, dtype=torch.bool), orders=(2,))
    tensor([[1.],
            [1.],
            [0.]], dtype=torch.float64)
    """
    if len(tokens) == 1:
        raise ValueError("Self-BLEU needs at least two sentences.")
    length, matches = mask.sum(1), []
    for sentence, gram, count in counts(tokens[mask], length, max(orders)):
        most = _most(gram, count)
        owner = _most(gram, sentence.where(count == most[gram], 0))  # the last of those that have most
        second = _most(gram, count.masked_fill(sentence == owner[gram], 0))
        clipped = count.minimum(second[gram])  # the owner is clipped to the second, and nobody else has more than that
        matches.append(torch.zeros_like(length).index_add_(0, sentence, clipped))
    return _score(matches, length, _closest(length, length, itself=True), orders, epsilon)


def counts(tokens: Int[Tensor, " W"], length: Int[Tensor, " N"], highest: int) -> Iterator[Counts]:
    """Counts for n = 1 … highest, from the tokens of all sentences in a row.

    An n-gram is the (n−1)-gram at the same start and one token more: two ids, of which ``unique`` makes one.
    """
    vocabulary, tokens = tokens.unique(return_inverse=True)
    sentence = torch.arange(len(length), device=length.device).repeat_interleave(length)
    ahead = F.pad(sentence, (0, highest), value=-1)
    start, gram = torch.arange(len(tokens), device=tokens.device), torch.zeros_like(tokens)
    for further in range(highest):
        fits = ahead[start + further] == sentence[start]
        start, gram = start[fits], gram[fits]
        known, gram = (gram * len(vocabulary) + tokens[start + further]).unique(return_inverse=True)
        pair, count = (sentence[start] * len(known) + gram).unique(return_counts=True)
        yield Counts(pair // len(known), pair % len(known), count)


def _most(gram: Int[Tensor, " P"], value: Int[Tensor, " P"]) -> Int[Tensor, " P"]:
    """The largest value that each n-gram has, and at least 0. Room for P of them is enough."""
    return torch.zeros_like(value).scatter_reduce_(0, gram, value, "amax")


def _closest(length: Int[Tensor, " B"], others: Int[Tensor, " R"], itself: bool = False) -> Float64[Tensor, " B"]:
    """Of ``others`` the closest, the lower of two. ``itself``: a length is among them, and is left out once."""
    length, others = length.double(), others.double().sort().values
    others = F.pad(F.pad(others, (1, 0), value=-math.inf), (0, 1), value=math.inf)
    at = torch.searchsorted(others, length)  # the first that is not lower
    below, above = others[at - 1], others[at + itself]
    return torch.where(above - length < length - below, above, below)


def _score(
    matches: list[Tensor],
    length: Int[Tensor, " B"],
    closest: Float64[Tensor, " B"],
    orders: Sequence[int],
    epsilon: float,
) -> Float64[Tensor, "B orders"]:
    """``matches``: for n = 1, 2, … an Int[B], how many of each sentence's n-grams count."""
    found = torch.stack(matches, 1).double()
    n = torch.arange(1, len(matches) + 1, device=length.device)
    precision = found.where(found > 0, epsilon) / (length.unsqueeze(1) - n + 1).clamp_min(1)
    mean = (precision.log().cumsum(1) / n).exp()
    brevity = (1 - closest / length).clamp_max(0).exp().unsqueeze(1)
    score = (brevity * mean).masked_fill(found[:, :1] == 0, 0.0)
    return score[:, [order - 1 for order in orders]]
