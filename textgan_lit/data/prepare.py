"""Text → a tokenizer and tables of ids on disk: made once by one process, memory-mapped by all from then on.

A folder of the cache is named after all that its contents depend on, and gets its name when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from textgan_lit import tokenizer
from textgan_lit.data import corpus
from textgan_lit.data.file_reader import AT_ONCE
from textgan_lit.errors import UserError
from textgan_lit.noise import stream
from textgan_lit.run.files import lock, making, replace

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = ("train", "valid", "test")
CAP = 8192  # sentences held out where nobody says how many; a power of two, which processes can share
OWN_CAP = 10_000  # … of a file of its own
LEAST = {"train": 4, "valid": 4, "test": 2}  # sentences: a held-out check of D needs four, a mean with an error two
FORMAT = 6  # of the folders; another one is another folder

FEW = 100_000  # characters of which pieces of words cannot be learned
LONG_WORD = 12  # characters between blanks, on average, from where on blanks are no ends of words
PIECES = 300, 4000  # of bpe, at least and at most: one for so many …
A_PIECE = 500  # … characters


@final
@dataclass(frozen=True)
class Recipe:
    """All that the prepared sentences depend on."""

    source: corpus.Source
    tokenizer: str  # a kind, auto, or the text of a tokenizer.json
    vocabulary: int
    min_count: int
    lowercase: bool
    sizes: Mapping[str, int | float | None]
    seed: int

    @property
    def keep_breaks(self) -> bool:
        """Whether line breaks inside sentences can be learned: of those trained here all but ``whitespace`` can."""
        own = self.tokenizer not in (*tokenizer.KINDS, tokenizer.AUTO)
        return tokenizer.keeps_breaks(self.tokenizer) if own else self.tokenizer != "whitespace"

    def key(self) -> str:
        learned = [self.tokenizer, self.vocabulary, self.min_count, self.lowercase]
        parts = [self.source.identity(), *learned, dict(self.sizes), self.seed]
        made = [FORMAT, version("datasets")]  # an older one cannot open a newer one's tables
        return hashlib.sha256(json.dumps([made, parts], sort_keys=True).encode()).hexdigest()[:24]


@final
@dataclass
class Prepared:
    """Tables of ids by split, the tokenizer that made them, and what was seen on the way."""

    tables: dict[str, Dataset]
    tokenizer: str
    facts: dict[str, Any] = field(default_factory=dict)


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "textgan_lit"


def prepared(recipe: Recipe, cache: Path) -> Prepared:
    """What the cache holds for this recipe; else it is made, once, whichever process comes first."""
    folder = cache / recipe.key()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with lock(cache / f"{folder.name}.lock"):
            if not (folder / "facts.json").is_file():
                with making(folder) as work:
                    _make(recipe, work)
            return _open(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}. The prepared sentences need room there: give a "
            "folder that can be written, data.cache=FOLDER."
        ) from error


def _open(folder: Path) -> Prepared:
    from datasets import Dataset

    try:
        tables = {split: Dataset.from_file(str(folder / f"{split}.arrow")).with_format("arrow") for split in SPLITS}
        facts = json.loads((folder / "facts.json").read_text())
        return Prepared(tables, (folder / "tokenizer.json").read_text(encoding="utf-8"), facts)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is damaged ({error}). Remove it, or give another data.cache=FOLDER.") from error


def _make(recipe: Recipe, work: Path) -> None:
    texts, facts = _texts(recipe, work)
    spelling, size = recipe.tokenizer, recipe.vocabulary
    if spelling == tokenizer.AUTO:
        spelling, most = suiting(_batches(texts["train"]))
        facts["suiting"], size = spelling, min(size, most)
    if spelling in tokenizer.KINDS:
        sentences = _batches(texts["train"])
        spelling = tokenizer.trained(spelling, sentences, size, recipe.min_count, recipe.lowercase)
    ids = {split: _encoded(text, spelling, work / f"{split}.arrow") for split, text in texts.items()}
    known = len(tokenizer.tokens(spelling))
    counts = {split: _counts(table, known) for split, table in ids.items()}
    seen = counts["train"][1]
    if (seen > 0).sum() < 2:
        raise UserError(
            f"{recipe.source.where}: the training sentences have a single distinct token, so there is nothing to "
            "learn. Give other sentences, or another data.tokenizer (char for a language without blanks)."
        )
    unknown = tokenizer.unknown(spelling)
    facts["lengths"] = {split: lengths.tolist() for split, (lengths, _) in counts.items()}
    facts["rare"] = int(counts["train"][1][counts["train"][1] == recipe.min_count].sum())  # all but <unk>
    facts["tokens"] = {split: int(tokens.sum()) for split, (_, tokens) in counts.items()}
    facts["unknown"] = {split: 0 if unknown is None else int(tokens[unknown]) for split, (_, tokens) in counts.items()}
    replace(work / "tokenizer.json", spelling)
    replace(work / "facts.json", json.dumps(facts))
    keep = {*(f"{split}.arrow" for split in SPLITS), "tokenizer.json", "facts.json"}
    for path in work.iterdir():  # the text on its way
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def suiting(batches: Iterator[list[str]]) -> tuple[tokenizer.Kind, int]:
    """The kind of tokenizer that suits these sentences, and how many tokens it may have: ``char`` for few sentences and
    where words have no blanks between them (or sentences are of one word), else ``bpe``."""
    sentences = characters = blanks = several = 0
    for batch in batches:
        for sentence in batch:
            between = sentence.count(" ")
            sentences, characters = sentences + 1, characters + len(sentence)
            blanks, several = blanks + between, several + (between > 0)
    one_by_one = 2 * several < sentences or characters > LONG_WORD * (blanks + sentences)
    if one_by_one or characters < FEW:
        return "char", tokenizer.MOST
    return "bpe", min(max(characters // A_PIECE, PIECES[0]), PIECES[1])


def _texts(recipe: Recipe, work: Path) -> tuple[dict[str, Dataset], dict[str, Any]]:
    """The sentences of each split, and what they have in common."""
    source, found = recipe.source, {}
    if source.name is not None:
        found = corpus.hub(source, recipe.keep_breaks, work)
    for split in source.files:
        (room := work / split).mkdir()
        found[split] = corpus.table(source, split, recipe.keep_breaks, room)
    facts = {
        "rows": {split: some.rows for split, some in found.items()},
        "blank": sum(some.blank for some in found.values()),
        "broken": sum(some.broken for some in found.values()),
    }
    found = {split: some.text for split, some in found.items()}
    own = {split for split in found if split != "train"}
    have = {split: len(text) for split, text in found.items()}
    counts, note = _divide(have, own, recipe.sizes, source.where)
    dealt = _deal(len(found["train"]), {s: n for s, n in counts.items() if s not in own}, recipe.seed)
    texts = {}
    for split in SPLITS:
        whole = found.get(split, found["train"])
        chosen = dealt[split] if split in dealt else _deal(len(whole), {split: counts[split]}, recipe.seed)[split]
        texts[split] = whole if chosen.all() else _chosen(whole, chosen, work / f"text-{split}.arrow")
    return texts, {**facts, "note": note, **_repeated(texts)}


def _divide(
    have: Mapping[str, int], own: set[str], asked: Mapping[str, int | float | None], where: str
) -> tuple[dict[str, int], str | None]:
    """How many sentences each split gets, and what had to be done otherwise than asked."""
    n, taken = have["train"], [split for split in ("valid", "test") if split not in own]
    sizes = {split: min(have[split], _number(split, asked[split], have[split], OWN_CAP)) for split in own}
    usual = {split: max(LEAST[split], min(CAP, _power_of_two(n // 10))) for split in taken}
    cut = {split: _number(split, asked[split], n, usual[split]) for split in taken}
    note = None
    if sum(cut.values()) > n - LEAST["train"]:
        note = f"{n:,} sentences are too few for {_said(cut)}: {_said(usual, '')} are held out."
        cut = usual
    rest = n - sum(cut.values())
    if rest < LEAST["train"] or any(have[split] < LEAST[split] for split in own):
        raise UserError(
            f"{where}: {_said(have, 'sentences ')}, too few to train on some and hold out others ({_said(LEAST, '')}). "
            "Give at least ten, or files of their own, data.valid_path and data.test_path."
        )
    return {"train": min(rest, asked["train"] or rest), **sizes, **cut}, note


def _said(sizes: Mapping[str, int], before: str = "data.") -> str:
    return f"{before}{' and '.join(f'{split}={size:,}' for split, size in sizes.items())}"


def _number(split: str, asked: int | float | None, n: int, otherwise: int) -> int:
    if asked is None:
        return otherwise
    return max(LEAST[split], round(asked * n)) if isinstance(asked, float) else asked


def _power_of_two(n: int) -> int:
    return 1 << n.bit_length() - 1 if n else 0


def _deal(n: int, sizes: Mapping[str, int], seed: int) -> dict[str, np.ndarray]:
    """For each split which of n rows it gets, drawn by ``seed``: the held-out ones first, so that more training
    sentences leave them as they are."""
    order = torch.randperm(n, generator=stream("corpus", seed)).numpy()
    chosen, start = {}, 0
    for split in sorted(sizes, reverse=True, key=SPLITS.index):
        mask = np.zeros(n, dtype=bool)
        mask[order[start : start + sizes[split]]] = True
        chosen[split], start = mask, start + sizes[split]
    return chosen


def _chosen(text: Dataset, rows: np.ndarray, written: Path) -> Dataset:
    import pyarrow as pa

    def choose(part: pa.Table, numbers: list[int]) -> pa.Table:
        return part.filter(pa.array(rows[np.asarray(numbers)]))

    return corpus.mapped(text, choose, written, "Dividing", with_indices=True)


def _batches(text: Dataset) -> Iterator[list[str]]:
    for part in text.with_format("arrow").iter(AT_ONCE):
        yield part["text"].to_pylist()


def _encoded(text: Dataset, spelling: str, written: Path) -> Dataset:
    import pyarrow as pa

    def encode(part: pa.Table) -> pa.Table:
        ids = list(tokenizer.encode_all(spelling, part["text"].to_pylist()))
        return pa.table({"ids": pa.array(ids, pa.list_(pa.int32())), "row": part["row"]})

    return corpus.mapped(text, encode, written, "Tokenising")


def _counts(table: Dataset, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How many sentences there are of each length, and how often each token stands in them."""
    lengths, seen = np.zeros(1, dtype=np.int64), np.zeros(size, dtype=np.int64)
    for part in table.data.column("ids").chunks:
        seen += np.bincount(part.flatten().to_numpy(), minlength=size)
        more = np.bincount(part.value_lengths().to_numpy(), minlength=len(lengths))
        more[: len(lengths)] += lengths
        lengths = more
    return lengths, seen


def _repeated(texts: Mapping[str, Dataset]) -> dict[str, Any]:
    """How many sentences come again: in the training sentences, and there out of those held out."""
    hashes = {split: np.concatenate([_hashes(part) for part in _batches(text)]) for split, text in texts.items()}
    train = np.unique(hashes["train"])
    leaks = {split: int(np.isin(hashes[split], train).sum()) for split in ("valid", "test")}
    return {"duplicates": len(hashes["train"]) - len(train), "leaks": leaks}


def _hashes(sentences: list[str]) -> np.ndarray:
    from pandas.util import hash_array

    return hash_array(np.array(sentences, dtype=object), categorize=False)
