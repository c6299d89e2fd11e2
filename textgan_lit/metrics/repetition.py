"""Repetition within sentences: the symptom of a generator that is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from textgan_lit.functional.ngram import counts
from textgan_lit.metrics.base import Orders, Remembered, SetMetric, without_eos
from textgan_lit.types import TextBatch, Vocab


@final
class Repetition(SetMetric):
    """Sentences that say n tokens twice in a row, and the share of a sentence's n-grams that it has said before.

    The latter is seq-rep-n (Welleck et al. 2019, arXiv:1908.04319), a mean over sentences that have n tokens. Neither
    depends on how many sentences there are.
    """

    def __init__(self, vocab: Vocab, stutters: Orders = (1, 2), orders: Orders = (2, 3)):
        super().__init__()
        self.vocab, self.stutters, self.orders = vocab, tuple(stutters), tuple(orders)
        self.real = Remembered(self._of)

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        sides = ("", self._of(fake)), ("_real", self.real(real))
        found = {f"{key}{side}": value for side, told in sides for key, value in told.items()}
        return {key: value for key, value in found.items() if value is not None}

    def _of(self, batch: TextBatch) -> dict[str, Tensor | None]:
        batch = without_eos(batch, self.vocab)
        found = {f"quality/stutter{n}": stutter(batch, n) for n in self.stutters}
        return found | {
            f"quality/repeats{n}": said for n, said in zip(self.orders, repeats(batch, self.orders), strict=True)
        }


def stutter(batch: TextBatch, n: int) -> Tensor | None:
    """The share of sentences with the same n tokens twice in a row; None where no sentence has 2n tokens."""
    tokens, mask = batch
    if 2 * n > tokens.shape[1] or not mask[:, 2 * n - 1].any():
        return None
    same = (tokens[:, n:] == tokens[:, :-n]) & mask[:, n:]
    return same.unfold(1, n, 1).all(2).any(1).double().mean()


def repeats(batch: TextBatch, orders: Sequence[int]) -> list[Tensor | None]:
    """For each n of ``orders`` the mean share of n-grams that stand further ahead in their sentence, too; None where
    no sentence has n tokens."""
    length, found = batch.mask.sum(1), []
    counted = list(counts(batch.tokens[batch.mask], length, max(orders)))
    for n in orders:
        sentence = counted[n - 1].sentence
        different = torch.zeros_like(length).index_add_(0, sentence, torch.ones_like(sentence))
        grams = length - n + 1
        found.append((1 - different / grams)[grams > 0].double().mean() if len(sentence) else None)
    return found
