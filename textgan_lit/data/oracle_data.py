"""An oracle's sentences as training, validation and test data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, final

import torch
from annotated_types import Interval
from torch.utils.data import Dataset

from textgan_lit.data.base import DataModule, Split
from textgan_lit.data.loader import Fresh
from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import stream
from textgan_lit.types import MANY, TextBatch

Number = Annotated[int, Interval(ge=1, le=MANY)]  # of sentences
LARGEST = 2**30  # positions in a split
CHUNK = 5_000_000  # logits held at once while a split is written


@final
class OracleData(DataModule):
    """Three independent draws from an ``oracle``.

    ``train: null`` means that no sentence is seen twice: the n-th batch is written when it is asked for. Splits are
    written when first used, by the oracle where it is made, on the CPU, so they are the same on every machine.
    """

    def __init__(
        self,
        oracle: Oracle,
        train: Number | None = 27_000,
        valid: Number = 3_000,
        test: Number = 20_000,
        seed: int = 0,
        eval_batch_size: Number = 1_000,
        workers: Annotated[int, Interval(ge=0, le=1000)] = 0,
    ):
        for name, size in (("train", train), ("valid", valid), ("test", test)):
            if (size or 0) * oracle.max_length > LARGEST:
                raise UserError(
                    f"data.{name}={size} sentences of {oracle.max_length:,} positions are more than memory is likely "
                    f"to hold; at most {LARGEST:,} positions are allowed. Give fewer, or data.train=null."
                )
        sizes = {"train": train, "valid": valid, "test": test}
        super().__init__(oracle.vocab, oracle.max_length, sizes, seed, eval_batch_size, workers)
        self.oracle, self.fingerprint = oracle, oracle.fingerprint()
        self._written: dict[Split, TextBatch] = {}

    def with_batch(self, batch: int) -> OracleData:
        """Sets the global batch of the training loader; a larger one than there are sentences is refused."""
        size = self.sizes["train"]
        if size is not None and batch > size:
            raise UserError(
                f"A batch of {batch:,} sentences does not fit into data.train={size}. Use a batch of at most {size:,}, "
                "more training sentences, or data.train=null (endless fresh ones)."
            )
        return super().with_batch(batch)

    def setup(self, stage: str | None = None) -> None:
        """Writes the splits that ``stage`` reads; again, nothing."""
        splits = {"fit": ("train", "valid"), "validate": ("valid",), "test": ("test",)}.get(stage, tuple(self.sizes))
        for split in splits:
            if self.sizes[split] is not None:
                self.sentences(split)

    def sentences(self, split: Split) -> TextBatch:
        """All sentences of a split, in order, on the CPU."""
        size = self.sizes[split]
        if size is None:
            raise UserError(
                "data.train=null writes training sentences as they are needed, so there is no training set to look "
                "at. Give data.train a number of sentences, such as 27000."
            )
        if split not in self._written:
            self._written[split] = self._write(size, split)
        return self._written[split]

    def _training(self, share: slice) -> tuple[Dataset, Callable[[int], Any]]:
        if self.sizes["train"] is None:
            return Fresh(self.oracle, self.batch, share, *self._name), _one
        return super()._training(share)

    def _write(self, size: int, split: Split) -> TextBatch:
        noise = torch.rand(size, self.max_length, generator=stream("data", self.seed, split))
        chunks = noise.split(max(1, CHUNK // self.vocab.size))
        parts = [self.oracle.sample(chunk, Categorical()).batch for chunk in chunks]
        return TextBatch(*(torch.cat(leaves) for leaves in zip(*parts, strict=True)))


def _one(number: int) -> list[int]:
    return [number]
