"""A user's own sentences as training, validation and test data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, final

import numpy as np
import pytorch_lightning as pl
from annotated_types import Ge, Interval

from textgan_lit import distributed
from textgan_lit.data import files
from textgan_lit.data.corpus import Corpus, OnDisk, Recipe, Sentences, prepared
from textgan_lit.data.datamodule import LARGEST, Number, Split
from textgan_lit.data.loader import Endless, InOrder, Shuffled
from textgan_lit.errors import UserError
from textgan_lit.types import Length, TextBatch

LONGEST_BY_DEFAULT = 100  # positions
DUPLICATES_TOLD, UNKNOWN_TOLD = 0.01, 0.05  # shares from which on they are worth a line


@final
class TextData(pl.LightningDataModule):
    """Sentences from files: one a line (.txt), or one a row of a ``column`` (.jsonl, .csv, .parquet).

    ``path`` is a file, several, or a glob. Validation and test sentences come from files of their own or are drawn from
    ``path`` by ``seed``, a tenth of the lines each and at most ``valid`` and ``test``. The tokenizer (``word``,
    ``char``, ``bpe``, ``unigram``, or a tokenizer.json) is trained on the training sentences alone. ``max_length``
    counts positions, eos included (null: what the longest training sentence needs, at most 100); what ``too_long``
    says happens to longer ones. What was prepared is kept in ``cache``. ``versions``: how the sha256 of known files
    begins → what they are.

    It keeps the contract of docs/extending.md; training sentences stay on the disk.
    """

    def __init__(
        self,
        path: str | list[str],
        valid_path: str | list[str] | None = None,
        test_path: str | list[str] | None = None,
        column: str | None = None,
        tokenizer: str = "word",
        vocabulary: Annotated[int, Interval(ge=2, le=2**20)] = 10_000,
        min_count: Annotated[int, Ge(1)] = 1,
        max_length: Length | None = None,
        too_long: Literal["truncate", "drop", "error"] = "truncate",
        train: Number | None = None,
        valid: Number = 5_000,
        test: Number = 10_000,
        seed: int = 0,
        evaluation_batch: Number = 1_000,
        workers: Annotated[int, Interval(ge=0, le=1000)] = 0,
        cache: str = "~/.cache/textgan_lit",
        versions: dict[str, str] | None = None,
    ):
        super().__init__()
        given = {"train": path, "valid": valid_path, "test": test_path}
        where = {"train": "data.path", "valid": "data.valid_path", "test": "data.test_path"}
        sources = {name: files.source(value, column, where[name]) for name, value in given.items() if value is not None}
        recipe = Recipe(tokenizer, vocabulary, min_count, train, valid, test, seed)
        self.corpus = prepared(sources, recipe, Path(cache).expanduser())
        self.vocab = self.corpus.vocab
        self.max_length = max_length or min(self.corpus.found["longest"]["train"] + 1, LONGEST_BY_DEFAULT)
        self.seed, self.evaluation_batch, self.workers = seed, evaluation_batch, workers
        self.batch: int | None = None
        self.position = 0
        self.on_disk: dict[Split, Sentences] = {name: self.corpus.split(name) for name in ("train", "valid", "test")}
        self.rows, touched = self._kept(too_long)
        self.sizes: dict[Split, int | None] = {name: len(rows) for name, rows in self.rows.items()}
        self.story = [
            *version(self.corpus, versions or {}),
            *story(self.corpus, self.sizes, self.max_length, touched, too_long),
        ]

    def _kept(self, too_long: str) -> tuple[dict[Split, np.ndarray], int]:
        """The rows of each split that are used, and how many sentences were too long."""
        rows, touched = {}, 0
        for name, sentences in self.on_disk.items():
            long = sentences.lengths() >= self.max_length  # no room for eos
            touched += int(long.sum())
            rows[name] = np.flatnonzero(~long) if too_long == "drop" else np.arange(len(long))
            if too_long == "error" and long.any():
                raise UserError(
                    f"data.max_length={self.max_length}: {int(long.sum()):,} sentences of the {name} split are longer. "
                    f"Give {self.corpus.found['longest'][name] + 1}, or data.too_long=truncate or drop."
                )
            if not len(rows[name]):
                raise UserError(
                    f"data.max_length={self.max_length} leaves no sentence in the {name} split. Give a larger one, or "
                    "data.too_long=truncate."
                )
        return rows, touched

    def with_batch(self, batch: int) -> TextData:
        """Sets the global batch of the training loader. One larger than the training split repeats sentences."""
        self.batch = batch
        return self

    def sentences(self, split: Split) -> TextBatch:
        """All sentences of a split, in order, on the CPU."""
        if self.sizes[split] * self.max_length > LARGEST:
            raise UserError(
                f"The {split} split has {self.sizes[split]:,} sentences of {self.max_length} positions, more than "
                f"memory is likely to hold. Give data.{split}=1000000, or a part that does not ask for all of them."
            )
        return self.on_disk[split].batch(self.rows[split], self.max_length, self.vocab)

    def train_dataloader(self) -> Endless:
        if self.batch is None:
            raise RuntimeError("TextData.with_batch(n) comes before train_dataloader()")
        order = Shuffled(self.sizes["train"], self.batch, self._share(), "data", self.seed, "train", "order")
        return Endless(
            OnDisk(self.on_disk["train"], self.rows["train"], self.max_length, self.vocab),
            order,
            self.position,
            self.workers,
        )

    def val_dataloader(self) -> InOrder:
        return InOrder(self.sentences("valid"), self.evaluation_batch, self._share())

    def test_dataloader(self) -> InOrder:
        return InOrder(self.sentences("test"), self.evaluation_batch, self._share())

    def _share(self) -> slice:
        processes = distributed.world()
        if self.evaluation_batch % processes:
            raise UserError(
                f"{processes} processes cannot share data.evaluation_batch={self.evaluation_batch} equally."
            )
        return slice(distributed.rank(), None, processes)

    @property
    def fingerprint(self) -> str:
        """Of the sentences: a checkpoint knows which ones it was taught."""
        return ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(self.corpus.found["fingerprint"].items()))


def story(corpus: Corpus, sizes: dict[Split, int], width: int, touched: int, too_long: str) -> Iterator[str]:
    """What a user should know of the sentences before the run begins."""
    found = corpus.found
    told = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
    yield f"Text: {told} sentences; {len(corpus.vocab.words):,} words, at most {width} positions."
    if touched:
        done = {"truncate": "cut", "drop": "left out"}[too_long]
        yield f"Too long: {touched:,} sentences were {done} (data.max_length)."
    if found["blank"]:
        yield f"Blank lines left out: {found['blank']:,}."
    twice = found["duplicates"]["train"] / found["sizes"]["train"]
    if twice > DUPLICATES_TOLD:
        yield f"{found['duplicates']['train']:,} training sentences ({twice:.0%}) repeat an earlier one."
    for name in ("valid", "test"):
        share = found["leaked"][name] / found["sizes"][name]
        if share == 1:
            yield f"Warning: every {name} sentence is a training sentence: its numbers say nothing about new text."
        elif share > DUPLICATES_TOLD:
            yield f"{found['leaked'][name]:,} {name} sentences ({share:.0%}) are training sentences, too."
    unknown = {name: found["unknown"][name] / found["words"][name] for name in sizes}
    if max(unknown.values()) > UNKNOWN_TOLD:
        rates = ", ".join(f"{share:.1%} of {name}" for name, share in unknown.items())
        yield f"Unknown words: {rates}. A larger data.vocabulary or data.tokenizer=bpe (or char) would know more."


def version(corpus: Corpus, versions: dict[str, str]) -> Iterator[str]:
    """Which version of a published data set these files are."""
    for name, digest in corpus.found["fingerprint"].items():
        if versions:
            known = next((told for start, told in versions.items() if digest.startswith(start)), None)
            yield f"{name}: {known or f'no version that is known here (sha256 {digest[:12]}…)'}."
