"""What every data module is: sentences in three splits, and the loaders that follow from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytorch_lightning as pl
from torch.utils.data import Dataset

from textgan_lit.data.loader import Endless, InOrder, Sentences, Shuffled, share
from textgan_lit.types import TextBatch, Vocab

Split = Literal["train", "valid", "test"]


class DataModule(pl.LightningDataModule, ABC):
    """Three splits of sentences. Sizes and batches count sentences over all processes together.

    A subclass gives :meth:`sentences`. Its loaders resume exactly and deal rows to several processes.

    ::

        vocab, max_length    the tokens, and the most positions of a sentence, eos included
        sizes                sentences by split; None for "train": endless fresh ones
        batch                global batch of the training loader, set by with_batch before fitting
        position             steps already played, set by the system before fitting
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        sizes: Mapping[str, int | None],
        seed: int = 0,
        eval_batch_size: int = 1_000,
        workers: int = 0,
    ):
        super().__init__()
        self.vocab, self.max_length, self.sizes = vocab, max_length, sizes
        self.seed, self.eval_batch_size, self.workers = seed, eval_batch_size, workers
        self.batch: int | None = None
        self.position = 0

    @abstractmethod
    def sentences(self, split: Split) -> TextBatch:
        """All sentences of a split, in order, on the CPU."""

    def with_batch(self, batch: int) -> DataModule:
        """Sets the global batch of the training loader; a larger one than there are sentences repeats them."""
        self.batch = batch
        return self

    def train_dataloader(self) -> Endless:
        """Never ends: from batch number ``position`` on."""
        if self.batch is None:
            raise RuntimeError(f"{type(self).__name__}.with_batch(n) comes before train_dataloader()")
        return Endless(*self._training(self._share(batch=self.batch)), self.position, self.workers)

    def val_dataloader(self) -> InOrder:
        return InOrder(self.sentences("valid"), self.eval_batch_size, self._share())

    def test_dataloader(self) -> InOrder:
        return InOrder(self.sentences("test"), self.eval_batch_size, self._share())

    def _training(self, share: slice) -> tuple[Dataset, Callable[[int], Any]]:
        """What training batches are fetched from, and what of it the n-th one is."""
        train = Sentences(self.sentences("train"))
        return train, Shuffled(len(train), self.batch, share, *self._name, "order")

    @property
    def _name(self) -> tuple[str, int, str]:
        """Of what is drawn for training batches."""
        return "data", self.seed, "train"

    def _share(self, **batch: int) -> slice:
        evaluation = {name: self.sizes[name] for name in ("valid", "test")}
        return share(**batch, **evaluation, eval_batch_size=self.eval_batch_size)
