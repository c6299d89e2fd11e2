"""A page's summary, and its long tables folded: what every page of a study is brought to when it is written.

A page begins with a table of at most five rows: what was asked, the answer, a number with its error. The words are
somebody's; a number is a cell of a table further down, named in a comment behind it: ``**.23 ± .01**<!-- arm :: column
-->``, with the beginning of the table's title before it where several have such a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from studies.study import StudyError

LONG = 8  # rows of a table that is not folded
TABLE = re.compile(
    r"(?:^\*\*(?P<title>[^\n]+)\*\*\n\n|(?P<folded><summary>[^\n]*</summary>)\n\n)?(?P<rows>(?:^\|[^\n]*\n)+)",
    re.MULTILINE,
)
NUMBER = re.compile(r"\*\*(?P<said>[^*|]*)\*\*<!-- (?P<cell>[^>]*?) -->")


class Table(NamedTuple):
    title: str
    head: list[str]
    rows: list[list[str]]


def settled(text: str) -> str:
    """The page with its long tables folded and its summary's numbers as its tables have them."""
    text = TABLE.sub(_folded, text)
    found = list(tables(text))
    return NUMBER.sub(lambda match: f"**{number(found, match['cell'])}**<!-- {match['cell']} -->", text)


def _folded(match: re.Match[str]) -> str:
    count = match["rows"].count("\n") - 2  # without the head and the line below it
    if match["folded"] or count <= LONG:
        return match[0]
    title = match["title"] or "The table"
    return f"<details><summary>{title} ({count} rows)</summary>\n\n{match['rows']}\n</details>\n"


def tables(text: str) -> Iterator[Table]:
    for match in TABLE.finditer(text):
        lines = match["rows"].replace("`", "").splitlines()
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        title = match["title"] or re.sub(r"</?summary>", "", match["folded"] or "")
        yield Table(title, head, rows)


def number(found: list[Table], cell: str) -> str:
    """What stands in ``[TITLE :: ]ROW :: COLUMN``; of a change in % its mean and error, without each seed's own."""
    *title, row, column = cell.split(" :: ")
    for table in found:
        if column in table.head and table.title.startswith("".join(title)):
            for cells in table.rows:
                if f"{' '.join(cells)} ".startswith(f"{row} "):
                    said = cells[table.head.index(column)].removeprefix("🔴 ")
                    return re.sub(r"(?<=%) \(.*\)$", "", said)
    raise StudyError(f"the summary asks for {cell!r}, and no table of the page has such a row and column.")
