"""Files of sentences → one table of clean text on the disk."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

from textgan_lit.data.file_reader import AT_ONCE, Row, load, load_dataset
from textgan_lit.data.format import Format
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.run.files import replace

if TYPE_CHECKING:
    from datasets import Dataset

BARS = 20_000_000  # bytes from where on progress is shown
WAIT = 5.0  # seconds in which the Hub answers, or is not there


@final
@dataclass(frozen=True)
class Source:
    """Where sentences come from: ``files`` by split, or the dataset ``name`` of the Hub; and how they are held."""

    form: Format
    files: Mapping[str, list[Path]]
    hashes: Mapping[str, list[str]]
    name: str | None = None
    subset: str | None = None
    revision: str | None = None

    @property
    def where(self) -> str:
        """The training sentences' origin, for people."""
        return f"data.name={self.name}" if self.name is not None else ", ".join(map(str, self.files["train"]))

    @property
    def fingerprint(self) -> str:
        """Of the sentences: a checkpoint knows which ones it was taught."""
        if self.name is not None:
            return f"{self.name} {self.subset} {self.revision}"
        whole = {split: some[0] if len(some) == 1 else _digest("".join(some)) for split, some in self.hashes.items()}
        return ", ".join(f"{split} {digest[:12]}" for split, digest in sorted(whole.items()))

    def identity(self) -> list[Any]:
        """All that its sentences depend on; where files lie is nothing to them."""
        form = self.form
        kinds = {split: [form.kind_of(str(file)) for file in some] for split, some in self.files.items()}
        held = [kinds, form.column, form.separator, form.quote]
        return [dict(self.hashes), held, self.name, self.subset, self.revision]

    def origin(self, split: str, rows: Sequence[int], row: int) -> str:
        """The file and line of a row that is counted over files of so many ``rows``."""
        if self.name is not None:
            return f"split {split} of data.name, row {row + 1:,}"
        for file, many in zip(self.files[split], rows, strict=True):
            if row < many:
                unit = "row" if self.form.kind_of(str(file)) == "parquet" else "line"
                return f"{file}, {unit} {row + 1:,}"
            row -= many
        raise IndexError(row)


class Found(NamedTuple):
    """The columns ``text`` and ``row`` of the sentences of one split, and what was seen on the way."""

    text: Dataset
    rows: list[int]  # of each file
    blank: int  # rows that were left out
    broken: int  # sentences with line breaks inside


def source(
    paths: Mapping[str, str | list[str] | None], dataset: Mapping[str, str | None], form: Format, cache: Path
) -> Source:
    """Files (``path``, ``valid_path``, ``test_path``), or a ``dataset`` (``name``, ``subset``, ``revision``): what
    can be read, is not empty, and is held as ``form`` says."""
    if (paths["path"] is None) == (dataset["name"] is None):
        raise UserError(
            "Sentences come from files or from the Hub. Give data=text data.path=FILE, or data=hub data.name=…."
        )
    dataset = {**dataset, "name": dataset["name"] and os.path.expanduser(dataset["name"])}
    held = {"format": form.kind, "separator": form.separator, "quote": form.quote}
    other, what = (dataset, "the Hub") if dataset["name"] is None else ({**paths, **held}, "files")
    for key, value in other.items():
        if value is not None:
            raise UserError(f"data.{key}={shown(value, PATH)} is for {what}, which nothing comes from. Leave it out.")
    if dataset["name"] is not None:
        return Source(form, {}, {"train": stamp(dataset["name"])}, **dataset)
    splits = {"train": "path", "valid": "valid_path", "test": "test_path"}
    found = {split: files(paths[key], f"data.{key}", form) for split, key in splits.items() if paths[key] is not None}
    form.check(form.kind_of(str(file)) for some in found.values() for file in some)
    return Source(form, found, {split: [fingerprint(file, cache) for file in some] for split, some in found.items()})


def files(given: str | Sequence[str], where: str, form: Format) -> list[Path]:
    """The files that a path, a list of them or patterns such as ``part-*.txt`` name: all of one kind, none empty."""
    found: list[Path] = []
    for text in [given] if isinstance(given, str) else given:
        text = os.path.expanduser(text)
        named = [text] if Path(text).exists() else sorted(glob.glob(text, recursive=True))
        if not named:
            said = "no file matches" if glob.has_magic(text) else "there is no such file"
            raise UserError(
                f"{where}={shown(text, PATH)}: {said}. Give a file, a list of files or a pattern like 'part-*.txt'."
            )
        found += map(Path, named)
    if not found:
        raise UserError(f"{where}=[]: no file. Give a file, a list of files or a pattern like 'part-*.txt'.")
    for file in found:
        if file.is_dir():
            raise UserError(
                f"{where}={shown(str(file), PATH)} is a folder. Give its files, "
                f"{where}='{shown(str(file), PATH)}/*.txt'."
            )
    if len(kinds := {form.kind_of(str(file)) for file in found}) > 1:
        raise UserError(f"{where} names {' and '.join(sorted(kinds))} files together. Give files of one kind.")
    return found


def fingerprint(file: Path, cache: Path) -> str:
    """sha256 of a file, which is read once, and again when its size or date has changed."""
    try:
        stat = file.stat()
        if not stat.st_size:
            raise UserError(f"{file} is empty. Give a file with a sentence a line.")
        stamp = hashlib.sha256(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
        note = cache / "files" / stamp
        if note.is_file():
            return note.read_text()
        found = _look(file)
        note.parent.mkdir(parents=True, exist_ok=True)
        replace(note, found)
        return found
    except OSError as error:
        raise UserError(
            f"{error.filename or file}: {error.strerror}. Give files that can be read, and a data.cache=FOLDER "
            "that can be written."
        ) from error


def _look(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def table(source: Source, split: str, keep_breaks: bool, work: Path) -> Found:
    """The sentences of a split's files, in order, memory-mapped from the folder ``work``."""
    import datasets

    files, rows = source.files[split], []
    big = sum(file.stat().st_size for file in files) > BARS
    (datasets.enable_progress_bars if big else datasets.disable_progress_bars)()

    def numbered() -> Iterator[tuple[int, Row]]:
        for path in files:
            before, last = sum(rows), 0
            with path.open("rb") as file:
                for row in load(file, str(path), source.form, keep_breaks):
                    last = row.number
                    yield before + last - 1, row
            rows.append(last)

    return _written(numbered(), ", ".join(map(str, files)), rows, work / "clean.arrow")


def hub(source: Source, keep_breaks: bool, work: Path) -> dict[str, Found]:
    """The splits ``train``, ``valid`` and ``test``, where there are any, of a dataset of the Hub, or of a folder."""
    names = {"train": "train", "validation": "valid", "test": "test"}
    whole = _loaded(source)
    if "train" not in whole:
        raise UserError(f"{source.where} has the splits {', '.join(whole)}, no train. Give one that has.")
    found = {}
    for split, raw in whole.items():
        if split in names:
            where = f"{source.where}, split {split}"
            numbered = enumerate(load_dataset(raw, where, source.form, keep_breaks))
            found[names[split]] = _written(numbered, where, [len(raw)], work / f"clean-{split}.arrow")
    return found


def _loaded(source: Source) -> Mapping[str, Dataset]:
    import datasets

    silence = None if Path(source.name).is_dir() else _silence(source.name, source.revision)
    try:
        with _offline() if silence else contextlib.nullcontext():
            return datasets.load_dataset(source.name, source.subset, revision=source.revision)
    except Exception as error:
        line = f"the Hub does not answer: {_line(_first(silence))}" if silence else _line(error)
        raise UserError(
            f"data.name={shown(source.name)} cannot be had ({line}). Give a dataset of the Hub, which takes a network "
            "the first time, or its folder."
        ) from error


def _written(numbered: Iterable[tuple[int, Row]], where: str, rows: list[int], path: Path) -> Found:
    """The rows that are not blank, written to ``path``."""
    import pyarrow as pa
    from datasets import Dataset
    from datasets.utils import tqdm

    schema = pa.schema({"text": pa.large_string(), "row": pa.int64()})
    blank, broken = 0, 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as out:
        numbered = iter(tqdm(numbered, desc="Reading", unit=" rows"))
        while part := next(numbered, None):
            texts, numbers = [], []  # and no rows: many objects that stay make Python look for garbage in all of torch
            for number, row in itertools.chain([part], itertools.islice(numbered, AT_ONCE - 1)):
                broken += row.broken
                if row.text:
                    texts.append(row.text)
                    numbers.append(number)
                else:
                    blank += 1
            out.write_table(pa.table([texts, numbers], schema=schema))
    found = Dataset.from_file(str(path))
    if not len(found):
        raise UserError(f"{where} has no sentence: all its lines are blank. Give a file with a sentence a line.")
    return Found(found, rows, blank, broken)


def _silence(name: str, revision: str | None) -> Exception | None:
    """Why the Hub does not answer when it is asked once; None where it does, whatever it says.

    ``datasets`` asks it half a dozen times and waits in between, half a minute in all, before it looks into its cache.
    """
    from huggingface_hub import HfApi  # which datasets brings
    from huggingface_hub.utils import HfHubHTTPError

    try:
        HfApi().dataset_info(name, revision=revision, timeout=WAIT)
    except (HfHubHTTPError, ValueError):  # an answer, or a name of which the Hub is not asked
        return None
    except Exception as error:  # of the HTTP library, another one in each version
        return error
    return None


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """``datasets`` takes what it has had before, and asks nobody."""
    from datasets import config

    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


def stamp(name: str) -> list[str]:
    """What tells a folder that is given as ``data.name`` from what it was before; of the Hub's own, nothing."""
    files = sorted(file for file in Path(name).rglob("*") if file.is_file()) if Path(name).is_dir() else []
    return [f"{file.relative_to(name)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]


def _first(error: BaseException) -> BaseException:
    """Of the errors that led to one another, the first."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return error


def _line(error: BaseException) -> str:
    return shown(" ".join(str(error).split()))


def mapped(data: Dataset, work: Any, written: Path, said: str, **more: Any) -> Dataset:
    """``work`` done to a table piece by piece, the result memory-mapped from the file ``written``."""
    options = {"batched": True, "batch_size": AT_ONCE, "remove_columns": data.column_names}
    plain = data.with_format("arrow")
    return plain.map(work, cache_file_name=str(written), new_fingerprint=written.stem, desc=said, **options, **more)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
