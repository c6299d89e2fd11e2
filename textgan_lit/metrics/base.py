"""What every metric of whole sets is: real sentences and samples, collected batch by batch, looked at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

import torch
from annotated_types import Ge, Len
from torch import Tensor
from torchmetrics import Metric

from textgan_lit.run.distributed import unshard
from textgan_lit.types import TextBatch, Vocab

Orders = Annotated[list[Annotated[int, Ge(1)]], Len(1)]  # of n-grams
Some = Annotated[int, Ge(2)] | None  # so many sentences at most; None: all
Answer = TypeVar("Answer")
STATES = ("real_tokens", "real_mask", "fake_tokens", "fake_mask")


class SetMetric(Metric, ABC):
    """Numbers about two sets of sentences, the same however many processes collected them.

    All metrics of a :class:`torchmetrics.MetricCollection` have the same states, so there is one copy of the sentences.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        for state in STATES:
            self.add_state(state, [], "cat")

    def update(self, real: TextBatch, fake: TextBatch) -> None:
        for state, rows in zip(STATES, (*real, *fake), strict=True):
            getattr(self, state).append(rows)

    def compute(self) -> dict[str, Tensor]:
        """Scalars by the keys of docs/metrics.md; what could not be measured is absent."""
        real_tokens, real_mask, fake_tokens, fake_mask = (_joined(getattr(self, state)) for state in STATES)
        return self.measure(TextBatch(real_tokens, real_mask), TextBatch(fake_tokens, fake_mask))

    @abstractmethod
    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        """The numbers, from all sentences of all processes in the order of one."""


class Remembered(Generic[Answer]):
    """Work on sentences whose last answer is kept: the real ones of an evaluation are the same at the next."""

    def __init__(self, work: Callable[..., Answer]):
        self.work = work
        self.seen: tuple[Tensor, ...] = ()
        self.answer: Answer | None = None

    def __call__(self, *batches: TextBatch) -> Answer:
        given = tuple(leaf for batch in batches for leaf in batch)
        if len(given) != len(self.seen) or not all(map(torch.equal, given, self.seen)):
            self.seen, self.answer = tuple(leaf.clone() for leaf in given), self.work(*batches)
        return self.answer


def without_eos(batch: TextBatch, vocab: Vocab) -> TextBatch:
    """Without eos: published BLEU and the like do not count it."""
    return batch if vocab.eos is None else TextBatch(batch.tokens, batch.mask & (batch.tokens != vocab.eos))


def halves(real: TextBatch, fake: TextBatch) -> tuple[tuple[str, TextBatch, TextBatch], ...]:
    """Every second real sentence beside as many samples; and, ``_real``, beside the real sentences between them.

    What two samples of one source seem to differ by depends on their size, so the floor is measured at the same one.
    """
    size = min(len(real.tokens) // 2, len(fake.tokens))
    even, odd = (TextBatch(real.tokens[at::2], real.mask[at::2]).first(size) for at in (0, 1))
    return ("", even, fake.first(size)), ("_real", even, odd)


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A list before ranks are synchronised and a tensor after."""
    return unshard(state) if isinstance(state, Tensor) else torch.cat(state)
