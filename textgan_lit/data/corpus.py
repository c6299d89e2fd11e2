"""Sentences of a user's own, prepared once: ids in flat files that are mapped into memory, and their tokenizer.

A corpus is a folder of the cache, named after the files and settings that it was made from:

::

    SPLIT.ids     int32, the sentences of a split one after another, without eos
    SPLIT.ends    int64, where each of them ends
    tokenizer.json, corpus.json (what was found on the way)

It is made under another name and moved when it is whole, by the first process that needs it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from filelock import FileLock
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import Dataset

from textgan_lit import tokenizer as tokenizers
from textgan_lit.data import files
from textgan_lit.errors import UserError
from textgan_lit.noise import stream
from textgan_lit.types import TextBatch, Vocab

VERSION = 1  # of the folder's layout and of how it is made
SPLITS = ("train", "valid", "test")
LEAST = 4  # sentences of a split that is judged
FEW = 40  # lines: fewer are too few for a validation and a test split of their own
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
Lines = Callable[[], Iterator[list[str]]]  # of a split, in batches; asked for twice: to train the tokenizer, to use it


@dataclass(frozen=True)
class Recipe:
    """All that a corpus depends on besides the files. Sizes are the most that a split may have."""

    tokenizer: str
    vocabulary: int
    min_count: int
    train: int | None
    valid: int
    test: int
    seed: int


class Corpus(NamedTuple):
    """A prepared folder."""

    folder: Path
    found: dict[str, Any]  # corpus.json: fingerprint, sizes, blank, duplicates, leaked, unknown, longest
    vocab: Vocab

    def split(self, name: str) -> Sentences:
        return Sentences(self.folder / name, self.found["sizes"][name])


@final
class Sentences:
    """A split on the disk."""

    def __init__(self, path: Path, size: int):
        self.ids = np.memmap(path.with_suffix(".ids"), np.int32, "r")
        self.ends = np.memmap(path.with_suffix(".ends"), np.int64, "r", shape=(size,))

    def __len__(self) -> int:
        return len(self.ends)

    def lengths(self) -> np.ndarray:
        """Words of each, without eos."""
        return np.diff(self.ends, prepend=0)

    def batch(self, rows: np.ndarray, width: int, vocab: Vocab) -> TextBatch:
        """Those sentences, ended by eos where they have room for it, cut at ``width`` positions."""
        ends = self.ends[rows]
        starts = np.where(rows > 0, self.ends[np.maximum(rows, 1) - 1], 0)
        length = np.minimum(ends - starts, width)[:, None]
        place = np.arange(width)[None]
        last = max(len(self.ids) - 1, 0)
        tokens = np.where(place < length, self.ids[np.minimum(starts[:, None] + place, last)], vocab.pad)
        tokens = np.where(place == length, vocab.eos, tokens)
        return TextBatch(torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(place <= length))


@final
class OnDisk(Dataset):
    """Some sentences of a split, read a batch at a time."""

    def __init__(self, sentences: Sentences, rows: np.ndarray, width: int, vocab: Vocab):
        self.sentences, self.rows, self.width, self.vocab = sentences, rows, width, vocab

    def __getitems__(self, numbers: list[int]) -> TextBatch:
        return self.sentences.batch(self.rows[np.asarray(numbers)], self.width, self.vocab)


def prepared(sources: dict[str, files.Source], recipe: Recipe, cache: Path) -> Corpus:
    """The corpus of these files: from the cache, or made now.

    ``sources`` has ``train``; where it has no ``valid`` or no ``test``, those are drawn from train's lines.
    """
    told = [VERSION, {name: source.describe() for name, source in sources.items()}, asdict(recipe)]
    if Path(recipe.tokenizer).suffix == ".json" and Path(recipe.tokenizer).is_file():
        told.append(Path(recipe.tokenizer).read_text(encoding="utf-8", errors="replace"))
    folder = cache / hashlib.blake2b(json.dumps(told).encode(), digest_size=12).hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "corpus.json").exists():
            building = folder.with_suffix(".building")
            shutil.rmtree(building, ignore_errors=True)  # of somebody who was killed
            building.mkdir()
            try:
                _make(building, sources, recipe)
                building.rename(folder)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return Corpus(folder, json.loads((folder / "corpus.json").read_text()), tokenizers.vocabulary(text))


def _make(folder: Path, sources: dict[str, files.Source], recipe: Recipe) -> None:
    found = {"fingerprint": {name: files.fingerprint(source) for name, source in sources.items()}}
    tables = {name: files.lines(source, folder / "datasets") for name, source in sources.items()}
    splits, found["blank"] = _dealt(tables, recipe)
    if not len(splits["train"][1]):
        raise UserError(
            f"{sources['train'].paths[0]}: no sentence is left to train on. Give more lines that hold words."
        )
    with Progress(*COLUMNS, transient=True) as progress:
        train = _lines(*splits["train"])
        text = tokenizers.trained(
            recipe.tokenizer,
            _followed(train, progress, "tokenizer"),
            recipe.vocabulary,
            recipe.min_count,
            len(splits["train"][1]),
        )
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
        vocab = tokenizers.vocabulary(text)
        if len(vocab.words) - (tokenizers.UNKNOWN in vocab.words) < 2:
            raise UserError(f"{sources['train'].paths[0]} holds one distinct word. There is nothing to learn from it.")
        hashes = {}
        for name, (table, rows) in splits.items():
            written = _write(folder / name, _followed(_lines(table, rows), progress, name), text)
            hashes[name] = written.pop("hashes")
            for key, value in written.items():
                found.setdefault(key, {})[name] = value
    found["duplicates"] = {name: int(len(own) - len(np.unique(own))) for name, own in hashes.items()}
    found["leaked"] = {name: int(np.isin(hashes[name], hashes["train"]).sum()) for name in ("valid", "test")}
    shutil.rmtree(folder / "datasets", ignore_errors=True)
    (folder / "corpus.json").write_text(json.dumps(found, indent=2))


Rows = tuple[Any, np.ndarray]  # a table, and which of its lines


def _dealt(tables: dict[str, Any], recipe: Recipe) -> tuple[dict[str, Rows], int]:
    """Which lines belong to which split, in the order of the file, and how many are blank."""
    full = {name: _not_blank(table) for name, table in tables.items()}
    blank = sum(len(tables[name]) - len(rows) for name, rows in full.items())
    left = full["train"][torch.randperm(len(full["train"]), generator=stream("corpus", recipe.seed)).numpy()]
    lines, chosen = len(left), {}
    for name, most in (("valid", recipe.valid), ("test", recipe.test)):
        if name in tables:
            order = torch.randperm(len(full[name]), generator=stream("corpus", recipe.seed, name)).numpy()
            chosen[name] = (tables[name], np.sort(full[name][order[:most]]))
        elif name == "test" and "valid" not in tables and lines < FEW:
            chosen[name] = chosen["valid"]
        else:
            size = _rounded(min(most, max(LEAST, lines // 10)))
            chosen[name], left = (tables["train"], np.sort(left[:size])), left[size:]
        if len(chosen[name][1]) < LEAST:
            raise UserError(
                f"data: {lines:,} lines with words leave {len(chosen[name][1])} sentences for the {name} split, and it "
                f"takes {LEAST} to judge anything. Give more lines, or a larger data.{name}."
            )
    return {"train": (tables["train"], np.sort(left[: recipe.train])), **chosen}, blank


def _rounded(size: int) -> int:
    """Down to what 2, 4 or 8 processes can share, where that costs little."""
    return size - size % 8 if size >= 80 else size


def _not_blank(table: Any) -> np.ndarray:
    kept = [np.array([bool(line) for line in batch], dtype=bool) for batch in files.batches(table)]
    return np.flatnonzero(np.concatenate(kept)) if kept else np.zeros(0, np.int64)


def _lines(table: Any, rows: np.ndarray) -> Lines:
    wanted = np.zeros(len(table), dtype=bool)
    wanted[rows] = True

    def read() -> Iterator[list[str]]:
        first = 0
        for batch in files.batches(table):
            yield [line for line, here in zip(batch, wanted[first : first + len(batch)], strict=True) if here]
            first += len(batch)

    return read


def _followed(read: Lines, progress: Progress, name: str) -> Iterator[list[str]]:
    """The same, with a bar."""
    task = progress.add_task(name, total=None)
    for batch in read():
        yield batch
        progress.advance(task, len(batch))
    progress.update(task, total=progress.tasks[task].completed)


def _write(path: Path, batches: Iterator[list[str]], text: str) -> dict[str, Any]:
    """Writes a split; its size, words, unknown words and longest sentence, and a hash of each line.

    A batch is encoded on all cores by the tokenizer itself.
    """
    tokenizer = tokenizers.opened(text)
    unknown = tokenizer.token_to_id(tokenizers.UNKNOWN)
    sizes, words, missed, longest, hashes = 0, 0, 0, 0, []
    with path.with_suffix(".ids").open("wb") as ids_file, path.with_suffix(".ends").open("wb") as ends_file:
        for batch in batches:
            if not batch:
                continue
            ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
            lengths = np.array([len(row) for row in ids], np.int64)
            flat = np.fromiter((token for row in ids for token in row), np.int32, int(lengths.sum()))
            ids_file.write(flat.tobytes())
            ends_file.write((lengths.cumsum() + words).tobytes())
            missed += 0 if unknown is None else int((flat == unknown).sum())
            sizes, words, longest = sizes + len(ids), words + len(flat), max(longest, int(lengths.max()))
            hashes.append(np.array([_hash(line) for line in batch], np.uint64))
    joined = np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)
    return {"sizes": sizes, "words": words, "unknown": missed, "longest": longest, "hashes": joined}


def _hash(line: str) -> int:
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "little")
