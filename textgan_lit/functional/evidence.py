r"""What counts of n-grams on two sides say of every token: whose it is, how sure that is, and how usual the token.

Sentences are dealt into folds. The counts that a token is looked up in hold neither its own fold nor a second one, so
that they say nothing of the sentence itself, and of no sentence of the second fold either.

A token w after a context c (the tokens 1, 2, 3 before it, the second or the third before it alone, its position, or
nothing) has the probabilities

.. math:: \hat m(w|c) = \frac{n(cw) + 3\, \hat m(w|c')}{n(c) + 3}, \qquad
          \hat p_s(w|c) = \frac{n_s(cw) + 5\, \hat m(w|c)}{n_s(c) + 5}

m̂ on both sides together, smoothed towards the shorter context c', and p̂_s on side s, smoothed towards m̂: where little
was seen, the two sides do not differ. Smoothing by Dirichlet priors: MacKay & Peto 1995, *A hierarchical Dirichlet
language model*.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

POSITION = (0,)
# which tokens before (1: the last one) → the context that it is smoothed towards
CONTEXTS = {(): None, (1,): (), (2, 1): (1,), (3, 2, 1): (2, 1), (2,): (), (3,): (), POSITION: ()}
FARTHEST = 3
TOGETHER, APART = 3.0, 5.0  # tokens' worth of prior: of both sides, of one
EACH = 5  # numbers a context
NUMBERS = EACH * len(CONTEXTS)


class Tally(NamedTuple):
    """How often each context, and each token after it, occurs on each side and in each fold."""

    context: Int[Tensor, " W"]  # ids, one a token
    gram: Int[Tensor, " W"]
    contexts: Float[Tensor, "2 folds C"]
    grams: Float[Tensor, "2 folds N"]


def tallies(
    tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"], side: Int[Tensor, " B"], fold: Int[Tensor, " B"]
) -> list[Tally]:
    """A tally for each of ``CONTEXTS``; a token for each True of the mask, row by row. ``side`` is 0 or 1."""
    outside = int(tokens.max()) + 1  # what stands before a sentence
    before, token = F.pad(tokens, (FARTHEST, 0), value=outside), tokens[mask]
    place = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)[mask]
    folds = int(fold.max()) + 1
    cell = (side * folds + fold).repeat_interleave(mask.sum(1))
    found = []
    for context in CONTEXTS:
        key = place if context == POSITION else torch.zeros_like(token)
        for back in () if context == POSITION else context:
            column = before[:, FARTHEST - back :][:, : tokens.shape[1]][mask]
            key = (key * (outside + 1) + column).unique(return_inverse=True)[1]
        gram = (key * (outside + 1) + token).unique(return_inverse=True)[1]
        found.append(Tally(key, gram, *(_count(ids, cell, folds) for ids in (key, gram))))
    return found


def evidence(found: list[Tally], fold: Int[Tensor, " W"], without: int, vocabulary: int) -> Float[Tensor, "W N"]:
    """For every token and context: log p̂_0/p̂_1, log m̂, log(1 + n) of the token on either side and of the context.

    Counts leave out the fold ``without``, and for each token the one that ``fold`` says (its own, as a rule).

    >>> tokens, side = torch.tensor([[0], [1]]).repeat(3, 1), torch.tensor([0, 1]).repeat(3)  # 0 says 0, 1 says 1
    >>> fold = torch.arange(3).repeat_interleave(2)
    >>> found = tallies(tokens, torch.ones(6, 1, dtype=torch.bool), side, fold)
    >>> evidence(found, fold, 2, vocabulary=2)[:2, 0] > 0  # two sentences of fold 0, as fold 1 shows them
    tensor([ True, False])
    """
    smooth: dict[tuple[int, ...], Tensor] = {}
    numbers = []
    for (context, shorter), tally in zip(CONTEXTS.items(), found, strict=True):
        n_context, n_gram = (
            _elsewhere(counts, ids, fold, without)
            for counts, ids in ((tally.contexts, tally.context), (tally.grams, tally.gram))
        )
        prior = torch.full_like(n_gram[0], 1 / vocabulary) if shorter is None else smooth[shorter]
        both = smooth[context] = (n_gram.sum(0) + TOGETHER * prior) / (n_context.sum(0) + TOGETHER)
        each = (n_gram + APART * both) / (n_context + APART)
        numbers += [(each[0] / each[1]).log(), both.log(), *n_gram.log1p(), n_context.sum(0).log1p()]
    return torch.stack(numbers, 1)


def _count(ids: Int[Tensor, " W"], cell: Int[Tensor, " W"], folds: int) -> Float[Tensor, "2 folds N"]:
    size = int(ids.max()) + 1
    return torch.bincount(cell * size + ids, minlength=2 * folds * size).view(2, folds, size).float()


def _elsewhere(counts: Tensor, ids: Int[Tensor, " W"], fold: Int[Tensor, " W"], without: int) -> Float[Tensor, "2 W"]:
    kept = counts.clone()
    kept[:, without] = 0
    return kept.sum(1)[:, ids] - kept[:, fold, ids]
