"""Sentences out of files, whatever their format: one reader for training and for every command.

What is wrong with a row is said with its file and line. Only a few rows are held at a time. Text stays as it is
written, whatever it looks like: no word stands for a missing value, a number or a date.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any, NamedTuple

from textgan_lit.data.format import Format
from textgan_lit.errors import UserError, shown

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

COLUMN = "text"  # where nobody names one
LONGEST = 100_000  # bytes of a line that may hold a sentence
AT_ONCE = 10_000  # rows of a table in memory
AROUND = "\ufeff \t\r\n\v\f\u3000\xa0"  # what is taken away before and after a sentence
BREAK = re.compile(r"\s*[\r\n]\s*")
TEXT = ("string", "large_string", "string_view", "null")


class Row(NamedTuple):
    """A sentence, clean, and "" where the row is blank."""

    place: str  # the file, and whether its lines or rows are counted
    number: int  # from 1 on; the first line of a row that has several
    text: str
    broken: bool  # whether there were line breaks inside it
    record: dict[str, Any]  # with Format.tokens, what ``textgan generate`` wrote; empty of all other rows

    @property
    def where(self) -> str:
        return f"{self.place} {self.number:,}"


Found = tuple[int, Any, dict[str, Any]] | UserError  # number, value and record of a row, or what is wrong with it
Skip = Callable[[UserError], None]


def load(
    file: BufferedIOBase, name: str, form: Format, keep_breaks: bool = False, skip: Skip | None = None
) -> Iterator[Row]:
    """The rows of a file, from where it stands on, in order.

    Line breaks inside a sentence, with the blanks around them, become one blank unless ``keep_breaks``. ``skip`` is
    told of a row that cannot be used, and reading goes on; without it that is raised.

    Raises:
        UserError: with file and line: what is no such file, has no such column, or no text there.
    """
    kind = form.kind_of(name)
    read = {"txt": _lines, "jsonl": _records, "csv": _fields, "tsv": _fields, "parquet": _parquet}[kind]
    place = f"{name}, {'row' if kind == 'parquet' else 'line'}"
    return _clean(read(file, name, form), place, keep_breaks, skip)


def load_dataset(data: Dataset, name: str, form: Format, keep_breaks: bool) -> Iterator[Row]:
    """As :func:`load`, the rows of a dataset of the Hub."""
    inside = _inside(data.features.arrow_schema, name, form)
    batches = data.select_columns(inside[0]).with_format("arrow").iter(AT_ONCE)
    return _clean(_cells(batches, inside), f"{name}, row", keep_breaks, None)


def _clean(found: Iterator[Found], place: str, keep_breaks: bool, skip: Skip | None) -> Iterator[Row]:
    for row in found:
        if not isinstance(row, UserError):
            number, value, record = row
            text = (value or "").strip(AROUND)
            broken = "\n" in text or "\r" in text
            if broken:
                text = text.replace("\r\n", "\n").replace("\r", "\n") if keep_breaks else BREAK.sub(" ", text)
            yield Row(place, number, text, broken, record)
        elif skip is None:
            raise row
        else:
            skip(row)


# --- lines ------------------------------------------------------------------------------------------------------------


def _texts(file: BufferedIOBase, name: str) -> Iterator[tuple[int, str | UserError]]:
    """The lines of a file of UTF-8, with their ends, or what is wrong with them."""
    for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), start=1):
        if len(line) > LONGEST or b"\0" in line:
            said = (
                f"has more than {LONGEST:,} bytes, which is no sentence. Give a sentence a line."
                if len(line) > LONGEST
                else "holds a NUL byte, so this is no UTF-8 text (UTF-16?). Give it as UTF-8."
            )
            raise UserError(f"{name}, line {number:,} {said}")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            said = f"is not UTF-8 (byte 0x{line[error.start]:02x} at place {error.start + 1:,}). Give it as UTF-8"
            said += ", for example by iconv -f windows-1252 -t utf-8."
            yield number, UserError(f"{name}, line {number:,} {said}")
        else:
            yield number, text.removeprefix("\ufeff") if number == 1 else text


def _lines(file: BufferedIOBase, name: str, form: Format) -> Iterator[Found]:
    for number, text in _texts(file, name):
        yield text if isinstance(text, UserError) else (number, text, {})


# --- records ----------------------------------------------------------------------------------------------------------


def _records(file: BufferedIOBase, name: str, form: Format) -> Iterator[Found]:
    column = _named(name, form)
    for number, line in _texts(file, name):
        if isinstance(line, UserError):
            yield line
        elif not line.strip():
            yield number, "", {}
        else:
            try:
                record = _record(line)
                if form.tokens and _has_ids(record):
                    yield number, _value(record, COLUMN, form), record
                else:
                    yield number, _value(record, column, form), {}
            except UserError as error:
                yield UserError(f"{name}, line {number:,}: {error}")


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        said = f"{error.msg}, at place {error.pos + 1:,}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"It cannot be read as JSON ({shown(said)}). Give a record {{…}} a line.") from None
    if not isinstance(record, dict):
        raise UserError(f"It holds {shown(record)}, wanted a record {{…}}. Give one a line.")
    return record


def _has_ids(record: dict[str, Any]) -> bool:
    """Whether ``tokens`` stand beside the text as numbers; in many a corpus they are words."""
    tokens = record.get("tokens")
    return COLUMN in record and isinstance(tokens, list) and all(type(token) is int for token in tokens)


def _value(record: dict[str, Any], column: str, form: Format) -> str | None:
    """The text of a field; ``a.b`` is the field of that name, or the field b of the record a."""
    value: Any = record
    for part in [column] if column in record else column.split("."):
        if value is None:
            return None
        if not isinstance(value, dict) or part not in value:
            raise UserError(
                f"There is no {form.key('column')}={shown(column)}, but {_some(_leaves(record))}. Give one of them."
            )
        value = value[part]
    if not isinstance(value, str | None):
        kind = {dict: "a record", list: "a list", bool: "true or false"}.get(type(value), "a number")
        raise UserError(f"Its {form.key('column')}={shown(column)} holds {kind}, wanted text. Give another column.")
    try:
        value and value.encode()
    except UnicodeEncodeError:
        raise UserError(f"Its {form.key('column')}={shown(column)} holds half a character. Give whole ones.") from None
    return value


def _leaves(record: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names of all fields, those of records in records with a dot."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(shown, names[:12])) + (", …" if len(names) > 12 else "") if names else "nothing"


def _named(name: str, form: Format) -> str:
    """The column of a format whose columns all have names."""
    if isinstance(form.column, int):
        raise UserError(
            f"{form.key('column')}={form.column}: {name} has columns with names. Give the name"
            f" ({form.key('column')}='\"{form.column}\"', where that is it)."
        )
    return form.column or COLUMN


# --- fields between separators ----------------------------------------------------------------------------------------


def _fields(file: BufferedIOBase, name: str, form: Format) -> Iterator[Found]:
    separator = form.separator_of(form.kind_of(name))
    place, head = None, []
    for number, fields in _split(file, name, form, separator):
        if not any(field.strip(AROUND) for field in fields) and len(fields) < 2:
            yield number, "", {}
            continue
        if place is None:
            head, place = fields, _place(fields, name, form, separator)
            if not isinstance(form.column, int):
                continue
        if len(fields) == len(head):
            yield number, fields[place], {}
        else:
            yield UserError(
                f"{name}, line {number:,}: {len(fields)} fields, and {len(head)} in the first line. Give a field that "
                f"holds {shown(separator)} its quotes, or say what stands between fields, {form.key('separator')}=…"
            )


def _split(file: BufferedIOBase, name: str, form: Format, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, and the line that it begins in."""

    def lines() -> Iterator[str]:
        for _, line in _texts(file, name):
            if isinstance(line, UserError):
                raise line  # where a row ends cannot be told any more
            yield line

    quote = '"' if form.quote is None else form.quote
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    reader = csv.reader(lines(), delimiter=separator, quotechar=quote or None, quoting=quoting, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{name}, line {number:,} cannot be read as {form.kind_of(name)} ({error}). Give every quote inside "
                f"quotes twice, or {form.key('quote')}= (nothing) where it is a character like any other."
            ) from error


def _place(head: list[str], name: str, form: Format, separator: str) -> int:
    """Which field of a row holds the sentence."""
    names, column = [field.strip(AROUND) for field in head], COLUMN if form.column is None else form.column
    if isinstance(column, int):
        if not 1 <= column <= len(head):
            raise UserError(
                f"{form.key('column')}={column}: {name} has the columns 1 to {len(head)}. Give one of them."
            )
        return column - 1
    if names.count(column) != 1:
        raise UserError(
            f"{form.key('column')}={shown(column)}: {name} has {_some(names)}, between which stands "
            f"{shown(separator)}. Give one of them that comes once, a number (from 1 on) where it has no header, or "
            f"another {form.key('separator')}=…"
        )
    return names.index(column)


# --- tables -----------------------------------------------------------------------------------------------------------


def _parquet(file: BufferedIOBase, name: str, form: Format) -> Iterator[Found]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
        inside = _inside(table.schema_arrow, name, form)
        yield from _cells(table.iter_batches(AT_ONCE, columns=[".".join(inside)]), inside)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = shown(" ".join(str(error).split()))
        raise UserError(f"{name} cannot be read as parquet ({said}). Give a file that can be.") from error


def _cells(batches: Iterable[Any], inside: list[str]) -> Iterator[Found]:
    import pyarrow.compute as pc

    numbers = itertools.count(1)
    for batch in batches:
        column = batch.column(inside[0])
        for part in inside[1:]:
            column = pc.struct_field(column, part)
        yield from ((next(numbers), value, {}) for value in column.to_pylist())


def _inside(schema: pa.Schema, name: str, form: Format) -> list[str]:
    """The way to the column through the records it stands in."""
    import pyarrow as pa

    def tree(fields: Iterable[pa.Field]) -> dict[str, Any]:
        return {field.name: tree(field.type) if pa.types.is_struct(field.type) else field.type for field in fields}

    column, found = _named(name, form), tree(schema)
    key, names = f"{form.key('column')}={shown(column)}", _some(_leaves(found))
    way = [column] if column in found else column.split(".")
    if schema.names.count(way[0]) > 1:
        raise UserError(f"{key}: {name} has several of that name. Give one that comes once.")
    for part in way:
        if not isinstance(found, dict) or part not in found:
            raise UserError(f"{key}: {name} has {names}. Give one of them.")
        found = found[part]
    if not isinstance(found, dict) and pa.types.is_dictionary(found):
        found = found.value_type
    if str(found) not in TEXT:
        kind = "a record" if isinstance(found, dict) else shown(str(found))
        raise UserError(f"{key} of {name} holds {kind}, wanted text. Give another one.")
    return way
