"""Files of sentences: found, looked at before any work starts, and read through Hugging Face datasets."""

from __future__ import annotations

import codecs
import glob
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from textgan_lit.errors import UserError, shown

FORMATS = {".txt": "text", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
BLOCK = 2**22  # bytes looked at at once
LONGEST = 2**20  # bytes of a line; no sentence has as many
BATCH = 10_000  # lines read at once


class Source(NamedTuple):
    """Where the lines of one split come from: files of one format, and the column they stand in."""

    paths: tuple[Path, ...]
    format: str
    column: str

    def describe(self) -> list[Any]:
        """What tells these files from others, without reading them."""
        stats = [path.stat() for path in self.paths]
        told = [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in zip(self.paths, stats, strict=True)]
        return [told, self.format, self.column]


def source(given: str | Sequence[str], column: str | None, where: str) -> Source:
    """The files that a path, several, or a glob name.

    Raises:
        UserError: where there is none, or one that cannot be read as text.
    """
    names = [given] if isinstance(given, str) else list(given)
    paths = [path for name in names for path in _found(Path(name).expanduser(), where)]
    suffixes = {path.suffix for path in paths}
    if len(suffixes) != 1 or not suffixes <= FORMATS.keys():
        kinds = " and ".join(sorted(suffix or "no ending" for suffix in suffixes)) or "nothing"
        raise UserError(
            f"{where}={shown(given)} has files with {kinds}; wanted one of {', '.join(FORMATS)}, all alike."
        )
    kind = FORMATS[suffixes.pop()]
    if kind != "text" and column is None:
        raise UserError(f"{where}={shown(given)} has columns. Say which one holds the sentences: data.column=NAME.")
    for path in paths:
        if not path.stat().st_size:
            raise UserError(f"{path} is empty. Give a file with a sentence a line.")
    return Source(tuple(paths), kind, column if kind != "text" else "text")


def _found(path: Path, where: str) -> list[Path]:
    if path.is_dir():
        raise UserError(f"{where}={path} is a directory. Give its files, such as '{path}/*.txt'.")
    if path.is_file():
        return [path]
    matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True)) if Path(name).is_file()]
    if not matches:
        raise UserError(f"{where}={path}: there is no such file. Give one that exists, or a pattern that matches some.")
    return matches


def fingerprint(files: Source) -> str:
    """Of the files' bytes (sha256); text is checked on the way.

    Raises:
        UserError: with file and line, where the bytes are no lines of UTF-8.
    """
    digests = [_looked_at(path, files.format in ("text", "json", "csv")) for path in files.paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _looked_at(path: Path, is_text: bool) -> str:
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    line, length = 1, 0  # where the block begins: the line's number, and how much of it came before
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            if is_text:
                _check(path, block, decoder, line, length)
                newlines, last = block.count(b"\n"), block.rfind(b"\n")
                line, length = line + newlines, len(block) - last - 1 if newlines else length + len(block)
    if is_text and decoder.getstate()[0]:
        raise UserError(f"{path}, line {line}, ends within a character: it is no whole UTF-8. Give all of the file.")
    return digest.hexdigest()


def _check(path: Path, block: bytes, decoder: Any, line: int, length: int) -> None:
    if (at := block.find(b"\0")) >= 0:
        number = line + block.count(b"\n", 0, at)
        raise UserError(f"{path}, line {number}, holds a NUL byte: that is no text. Save it as UTF-8.")
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(block)
    except UnicodeDecodeError as error:
        number = line + block.count(b"\n", 0, max(0, error.start - held))
        byte = error.object[error.start]
        raise UserError(
            f"{path}, line {number}, is not UTF-8 (byte {byte:#04x}). Convert the file first, for example by "
            f"iconv -f latin1 -t utf-8."
        ) from None
    for number, part in enumerate(block.split(b"\n")) if len(block) + length > LONGEST else ():
        if len(part) + (length if number == 0 else 0) > LONGEST:
            raise UserError(
                f"{path}, line {line + number}, is longer than {LONGEST:,} bytes: that is no sentence. "
                "Put one sentence on each line."
            )


def lines(files: Source, cache: Path) -> Any:
    """The column of the files as a memory-mapped dataset.

    Raises:
        UserError: where the files are not what their endings say, or have no such column.
    """
    import datasets

    more = {"encoding": "utf-8-sig"} if files.format == "text" else {}
    names = [str(path) for path in files.paths]
    try:
        with _quiet():
            found = datasets.load_dataset(files.format, data_files=names, split="train", cache_dir=str(cache), **more)
    except Exception as error:  # of many libraries: pyarrow, pandas, json
        told = error.__cause__ or error
        raise UserError(
            f"{names[0]} cannot be read as {files.format} ({shown(' '.join(str(told).split()))}). Give a whole file."
        ) from error
    return column(found, files.column, names[0])


def column(found: Any, name: str, where: str) -> Any:
    """One column of strings of a dataset."""
    if name not in found.column_names:
        raise UserError(
            f"{where} has no column {shown(name)}; it has {', '.join(found.column_names)}. Give data.column."
        )
    kind = getattr(found.features[name], "dtype", "lists")
    if kind not in ("string", "large_string"):
        raise UserError(f"{where}: the column {shown(name)} holds {kind}, wanted text. Give another data.column.")
    return found.select_columns([name]).rename_column(name, "text") if name != "text" else found


def batches(found: Any) -> Iterator[list[str]]:
    """The lines in their order, stripped; blank ones are empty."""
    for batch in found.iter(batch_size=BATCH):
        yield [(line or "").strip() for line in batch["text"]]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without datasets' own bars, which come one after another."""
    import datasets

    shown_before = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown_before:
            datasets.enable_progress_bars()
