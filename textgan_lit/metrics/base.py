"""What every metric of whole sets is: real sentences and samples, collected batch by batch, looked at once."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric

from textgan_lit.distributed import dealt
from textgan_lit.types import TextBatch

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


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A list before ranks are synchronised and a tensor after."""
    return dealt(state) if isinstance(state, Tensor) else torch.cat(state)
