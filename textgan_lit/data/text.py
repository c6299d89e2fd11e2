"""Sentences of your own as training, validation and test data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, final

import numpy as np
import torch
from annotated_types import Interval
from torch.utils.data import Dataset

from textgan_lit import tokenizer as tokenizers
from textgan_lit.data import corpus
from textgan_lit.data.base import DataModule, Split
from textgan_lit.data.format import Format, Kind
from textgan_lit.data.loader import Bucketed, Shuffled
from textgan_lit.data.notes import notes
from textgan_lit.data.prepare import LEAST, SPLITS, Recipe, default_cache, prepared
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.noise import stream
from textgan_lit.run import model_folder
from textgan_lit.types import MANY, Length, TextBatch, Vocab

Number = Annotated[int, Interval(ge=1, le=MANY)]  # of sentences
Share = Annotated[float, Interval(gt=0, lt=1)]
Valid = Annotated[int, Interval(ge=LEAST["valid"], le=MANY)] | Share | None
Test = Annotated[int, Interval(ge=LEAST["test"], le=MANY)] | Share | None
Paths = str | list[str] | None
LARGEST = 2**27  # positions of a split that is taken into memory whole
LONGEST = 256  # positions at most, where nobody gives a max_length


@final
class TextData(DataModule):
    """Files of sentences, or a dataset of the Hub.

    ``train``, ``valid`` and ``test`` are numbers of sentences, or fractions; null: what docs/data.md says. A sentence
    that is cut (``too_long=truncate``) ends without eos, since it did not end there. ``max_length`` null: what the
    longest training sentence needs, at most 256. ``versions``: how the sha256 of known files begins → what they are.
    """

    def __init__(
        self,
        path: Paths = None,
        valid_path: Paths = None,
        test_path: Paths = None,
        name: str | None = None,
        subset: str | None = None,
        revision: str | None = None,
        format: Kind | None = None,
        column: str | int | None = None,
        separator: str | None = None,
        quote: str | None = None,
        tokenizer: str = "auto",
        vocabulary: Annotated[int, Interval(ge=3, le=tokenizers.MOST)] = 10_000,
        min_count: Annotated[int, Interval(ge=1, le=MANY)] = 1,
        lowercase: bool = False,
        max_length: Length | None = None,
        too_long: Literal["truncate", "drop", "error"] = "truncate",
        train: Number | None = None,
        valid: Valid = None,
        test: Test = None,
        bucket: Annotated[int, Interval(ge=0, le=10_000)] = 0,
        seed: int = 0,
        eval_batch_size: Number = 1_000,
        workers: Annotated[int, Interval(ge=0, le=64)] = 0,  # a process each, and more are no faster
        cache: str | None = None,
        versions: dict[str, str] | None = None,
    ):
        room = Path(os.path.expanduser(cache)) if cache else default_cache()
        paths = {"path": path, "valid_path": valid_path, "test_path": test_path}
        form = Format(column, format, separator, quote)
        source = corpus.source(paths, {"name": name, "subset": subset, "revision": revision}, form, room)
        wanted = {"train": train, "valid": valid, "test": test}
        recipe = Recipe(source, _learned(tokenizer, lowercase), vocabulary, min_count, lowercase, wanted, seed)
        self.prepared = prepared(recipe, room)
        self.fingerprint = source.fingerprint
        spelling = self.prepared.tokenizer
        self.vocab = Vocab(tokenizers.tokens(spelling), has_eos=True, tokenizer=spelling)
        cut = self._fit(source, max_length, too_long)
        sizes = {split: len(lines) for split, lines in self._lines.items()}
        super().__init__(self.vocab, self.max_length, sizes, seed, eval_batch_size, workers)
        sources = self.prepared.facts["rows"]  # of their own; validation's sentences are the training file's where not
        self.test_is_elsewhere = "test" in sources and "valid" not in sources
        self.bucket = bucket
        self._summary = [self._said(too_long, cut), *notes(recipe, self.prepared.facts, self.sizes, versions)]

    def _fit(self, source: corpus.Source, max_length: int | None, too_long: str) -> dict[str, int]:
        """Settles the length; how many sentences of each split are longer, which are cut, left out or refused."""
        lengths = {split: np.array(some) for split, some in self.prepared.facts["lengths"].items()}
        self.max_length = max_length or min(len(lengths["train"]), LONGEST)  # eos included
        self._lines = {split: Lines(self.prepared.tables[split], self.vocab, self.max_length) for split in SPLITS}
        cut = {split: int(some[self.max_length :].sum()) for split, some in lengths.items()}
        if too_long == "error" and sum(cut.values()):
            self._refuse(cut, source, len(max(lengths.values(), key=len)))
        if too_long == "drop":
            self._drop()
        return cut

    def _said(self, too_long: str, cut: Mapping[str, int]) -> str:
        sizes = ", ".join(f"{size:,} {split}" for split, size in self.sizes.items())
        return (
            f"Text: {sizes} sentences; {len(self.vocab.tokens):,} tokens; {self.max_length} positions, eos included "
            f"({sum(cut.values()):,} longer: {'dropped' if too_long == 'drop' else 'cut'})."
        )

    def _refuse(self, cut: Mapping[str, int], source: corpus.Source, needed: int) -> NoReturn:
        """Says which sentence is the first that is too long, and where it stands."""
        split = next(split for split in SPLITS if cut[split])
        length, row = self._lines[split].first_long()
        rows = self.prepared.facts["rows"]
        origin = split if split in rows else "train"
        where = source.origin(origin, rows[origin], row)
        others = sum(cut.values()) - 1
        raise UserError(
            f"{where}, has {length:,} tokens, and with eos they do not fit into data.max_length={self.max_length}"
            + (f"; nor do {others:,} more sentences" if others else "")
            + f". Give data.max_length={needed}, or data.too_long=truncate or drop."
        )

    def _drop(self) -> None:
        for split, lines in self._lines.items():
            lines.drop()
            if not len(lines):
                raise UserError(
                    f"data.too_long=drop with data.max_length={self.max_length} leaves no {split} sentence. Give a "
                    "greater data.max_length, or data.too_long=truncate."
                )

    @property
    def summary(self) -> list[str]:
        """What a user should know of the sentences, a few plain lines."""
        n = self.sizes["train"]
        if self.batch is None or self.batch <= n:
            return self._summary
        return [*self._summary, f"Batches of {self.batch:,} from {n:,} sentences: some come more than once."]

    def sentences(self, split: Split, most: int | None = None) -> TextBatch:
        """All sentences of a split, or ``most`` of them, on the CPU, in an order drawn by ``seed``.

        Files are often sorted, and what looks at the first sentences of a split means any of them.
        """
        size = min(self.sizes[split], most or self.sizes[split])
        if size * self.max_length > LARGEST:
            raise UserError(
                f"{size:,} sentences of {self.max_length} positions are too many to be taken into memory at once, as "
                f"something that wants the whole {split} split does. Give data.{split}={LARGEST // self.max_length}, "
                "or parts that read batches alone."
            )
        order = torch.randperm(self.sizes[split], generator=stream("corpus", self.seed, split, "order"))
        return self._lines[split].__getitems__(order[:size].tolist())

    def _training(self, share: slice) -> tuple[Dataset, Callable[[int], Any]]:
        lines, name = self._lines["train"], (*self._name, "order")
        if not self.bucket:
            return lines, Shuffled(len(lines), self.batch, share, *name)
        order = Shuffled(len(lines), self.batch, slice(None), *name)
        return lines, Bucketed(order, lines.widths, self.bucket, share, *name)


def _learned(tokenizer: str, lowercase: bool) -> str:
    """The kind of tokenizer that is to be trained, or the text of a tokenizer.json."""
    if tokenizer in (*tokenizers.KINDS, tokenizers.AUTO):
        return tokenizer
    if lowercase:
        raise UserError(
            f"data.lowercase=true: {shown(tokenizer, PATH)} says itself whether it does that. Leave it out, or use "
            f"data.tokenizer={', '.join(tokenizers.KINDS)}."
        )
    instead = f"{', '.join(tokenizers.KINDS)}, or the path of a tokenizer.json{model_folder.or_fetch(tokenizer)}"
    return tokenizers.read(model_folder.tokenizer_of(tokenizer), "data.tokenizer", instead)


@final
class Lines(Dataset):
    """A table of ids on disk, of which batches are read into memory."""

    def __init__(self, table: Any, vocab: Vocab, max_length: int):
        self.table, self.vocab, self.max_length = table, vocab, max_length
        self.kept: np.ndarray | None = None  # rows, where some are dropped

    def __len__(self) -> int:
        return len(self.table if self.kept is None else self.kept)

    def drop(self) -> None:
        """Leaves out the sentences that are too long."""
        parts = [part.value_lengths().to_numpy() < self.max_length for part in self.table.data.column("ids").chunks]
        keep = np.concatenate(parts)
        self.kept = None if keep.all() else keep.nonzero()[0]

    def first_long(self) -> tuple[int, int]:
        """The tokens of the first sentence that is too long, and the row of its source that it stood in."""
        lengths = (part.value_lengths().to_numpy() for part in self.table.data.column("ids").chunks)
        lengths = np.concatenate(list(lengths))
        number = int((lengths >= self.max_length).argmax())
        return int(lengths[number]), self.table[number]["row"][0].as_py()

    def widths(self, rows: list[int]) -> torch.Tensor:
        """How many positions each of these sentences takes, eos included."""
        return torch.from_numpy(self._read(rows)[1] + 1).clamp_max(self.max_length)

    def __getitems__(self, plan: list[int] | tuple[list[int], int]) -> TextBatch:
        rows, width = plan if isinstance(plan, tuple) else (plan, self.max_length)
        values, lengths = self._read(rows)
        place, starts = np.arange(width), lengths.cumsum() - lengths
        inside = place < np.minimum(lengths, width)[:, None]
        tokens = np.full(inside.shape, self.vocab.pad, dtype=np.int64)
        tokens[inside] = values[(starts[:, None] + place)[inside]]
        ended = (lengths < width).nonzero()[0]
        tokens[ended, lengths[ended]] = self.vocab.eos
        tokens = torch.from_numpy(tokens)
        return TextBatch(tokens, tokens != self.vocab.pad)

    def _read(self, rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of some sentences, end to end, and how many each has."""
        numbers = np.asarray(rows) if self.kept is None else self.kept[np.asarray(rows)]
        found = self.table[numbers.tolist()]["ids"].combine_chunks()
        return found.flatten().to_numpy(), found.value_lengths().to_numpy().astype(np.int64)
