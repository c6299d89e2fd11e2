"""Files of sentences → one table of clean text. What is wrong with a file is said with its line, before any work."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.folder import replace

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = {".txt": "text", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
LONGEST = 100_000  # bytes of a line that may be a sentence
AT_ONCE = 10_000  # lines
BARS = 20_000_000  # bytes from where on progress is shown
WAIT = 5.0  # seconds in which the Hub answers, or is not there


class Found(NamedTuple):
    """The columns ``text`` and ``row`` of the sentences of one split, and how many rows each of its files has."""

    text: Dataset
    rows: list[int]


def files(given: str | Sequence[str], where: str) -> list[Path]:
    """The files that a path, a list of them or patterns such as ``part-*.txt`` name: all of one kind, none empty."""
    found: list[Path] = []
    for text in [given] if isinstance(given, str) else given:
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
        if file.suffix not in FORMATS:
            raise UserError(
                f"{where}={shown(str(file), PATH)}: wanted {', '.join(FORMATS)}. Give it the ending of what it is."
            )
    if len({file.suffix for file in found}) > 1:
        kinds = " and ".join(sorted({file.suffix for file in found}))
        raise UserError(f"{where} names {kinds} files together. Give files of one kind.")
    return found


def fingerprint(file: Path, cache: Path) -> str:
    """sha256 of a file that can be read as text; looked at once, and again when its size or date has changed."""
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
        if file.suffix == ".parquet":
            while block := stream.read(2**20):
                digest.update(block)
            return digest.hexdigest()
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST + 1), b""), start=1):
            digest.update(line)
            _check_line(line, f"{file}, line {number:,}")
    return digest.hexdigest()


def _check_line(line: bytes, where: str) -> None:
    if len(line) > LONGEST:
        raise UserError(f"{where} has more than {LONGEST:,} bytes, which is no sentence. Give a sentence a line.")
    if b"\0" in line:
        raise UserError(f"{where} holds a NUL byte, so this is no UTF-8 text (UTF-16?). Give it as UTF-8.")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise UserError(
            f"{where} is not UTF-8 (byte 0x{byte:02x} at place {error.start + 1:,}). Give it as UTF-8, for example by "
            f"iconv -f latin1 -t utf-8."
        ) from None


def table(found: Sequence[Path], column: str, work: Path) -> Found:
    """The sentences of files, in order, memory-mapped from the folder ``work``, and how many rows each file has."""
    import datasets

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    big = sum(file.stat().st_size for file in found) > BARS
    (datasets.enable_progress_bars if big else datasets.disable_progress_bars)()
    parts, rows = [], []
    for n, file in enumerate(found):
        raw = _load(file, work)
        parts.append(_clean(raw, column, str(file), work / f"clean-{n}.arrow", sum(rows)))
        rows.append(len(raw))
    return Found(datasets.concatenate_datasets(parts) if len(parts) > 1 else parts[0], rows)


def hub(name: str, subset: str | None, revision: str | None, column: str, work: Path) -> dict[str, Found]:
    """The splits ``train``, ``valid`` and ``test``, where there are any, of a dataset of the Hub, or of a folder."""
    import datasets

    silence = None if Path(name).is_dir() else _silence(name, revision)
    try:
        with _offline() if silence else contextlib.nullcontext():
            whole = datasets.load_dataset(name, subset, revision=revision)
    except Exception as error:
        line = f"the Hub does not answer: {_line(_first(silence))}" if silence else _line(error)
        raise UserError(
            f"data.name={shown(name)} cannot be had ({line}). Give a dataset of the Hub, which takes a network the "
            "first time, or its folder."
        ) from error
    names = {"train": "train", "validation": "valid", "test": "test"}
    if "train" not in whole:
        raise UserError(f"data.name={shown(name)} has the splits {', '.join(whole)}, no train. Give one that has.")
    return {
        names[split]: Found(
            _clean(raw, column, f"data.name={name}, split {split}", work / f"clean-{split}.arrow", 0), [len(raw)]
        )
        for split, raw in whole.items()
        if split in names
    }


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


def _load(file: Path, work: Path) -> Dataset:
    import datasets

    try:
        options = {"data_files": str(file), "split": "train", "cache_dir": str(work / "raw")}
        return datasets.load_dataset(FORMATS[file.suffix], **options)
    except Exception as error:  # of any of three libraries
        _explain(file, error)


def _explain(file: Path, error: Exception) -> NoReturn:
    """Why a file could not be read: the line, where it can be found."""
    reason, where = _first(error), str(file)
    if file.suffix == ".jsonl":
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    if line.strip() and not isinstance(json.loads(line), dict):
                        reason, where = ValueError("no {…}"), f"{file}, line {number:,}"
                        break
                except ValueError as fault:
                    reason, where = fault, f"{file}, line {number:,}"
                    break
    said = _line(reason)
    raise UserError(f"{where} cannot be read as {file.suffix[1:]} ({said}). Give a file that can be.") from error


def _first(error: BaseException) -> BaseException:
    """Of the errors that led to one another, the first."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return error


def _line(error: BaseException) -> str:
    return shown(" ".join(str(error).split()))


def _clean(raw: Dataset, column: str, where: str, written: Path, first: int) -> Dataset:
    """The columns ``text``, without blank lines and without blanks, carriage returns and a byte order mark around the
    others, and ``row``, where each stood, counted from ``first`` on."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column not in raw.column_names:
        raise UserError(
            f"data.column={shown(column)}: {where} has {', '.join(map(shown, raw.column_names))}. Give one of them."
        )

    def strip(part: pa.Table, numbers: list[int]) -> pa.Table:
        kind = part.schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
            raise UserError(f"data.column={column} of {where} holds {shown(str(kind))}, wanted text. Give another one.")
        text = pc.cast(part[column], pa.large_string())
        text = pc.utf8_trim(
            pc.replace_substring_regex(text, r"\s*[\r\n]+\s*", " "), characters="\ufeff \t\r\n\v\f\u3000\xa0"
        )
        clean = pa.table({"text": text, "row": pa.array(first + np.asarray(numbers))})
        return clean.filter(pc.greater(pc.utf8_length(text), 0))

    found = mapped(raw.select_columns(column), strip, written, "Reading", with_indices=True)
    if not len(found):
        raise UserError(f"{where} has no sentence: all its lines are blank. Give a file with a sentence a line.")
    return found


def mapped(data: Dataset, work: Any, written: Path, said: str, **more: Any) -> Dataset:
    """``work`` done to a table piece by piece, the result memory-mapped from the file ``written``."""
    options = {"batched": True, "batch_size": AT_ONCE, "remove_columns": data.column_names}
    plain = data.with_format("arrow")
    return plain.map(work, cache_file_name=str(written), new_fingerprint=written.stem, desc=said, **options, **more)
