"""How a file holds sentences, and what people call the settings that say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final, get_args

from textgan_lit.errors import PATH, UserError, shown

Kind = Literal["txt", "jsonl", "csv", "tsv", "parquet"]
KINDS = get_args(Kind)


@final
@dataclass(frozen=True)
class Format:
    """How files hold sentences. ``keys`` is how people call these settings where that is not ``data.column``, …"""

    column: str | int | None = None  # None: text. A number counts from 1, and there is no header
    kind: Kind | None = None  # None: by the ending
    separator: str | None = None  # None: a comma in .csv, a tab in .tsv
    quote: str | None = None  # None: "; empty: none
    keys: Mapping[str, str] = field(default_factory=dict)
    tokens: bool = False  # whether records that ``textgan generate`` wrote are given whole; their column is text

    def key(self, name: str) -> str:
        """What people call a setting."""
        return self.keys.get(name, f"data.{name}")

    def kind_of(self, file: str) -> Kind:
        """The format of a file."""
        kind = self.kind or Path(file).suffix[1:].lower()
        if kind not in KINDS:
            raise UserError(
                f"{shown(file, PATH)}: its ending says none of the formats {', '.join(KINDS)}. Give it the ending of "
                f"what it is, or {self.key('format')}=txt (or jsonl, …)."
            )
        return kind

    def separator_of(self, kind: Kind) -> str:
        """What stands between the fields of a file; a tab as a command line can say it."""
        return (self.separator or ("\t" if kind == "tsv" else ",")).replace("\\t", "\t")

    def check(self, kinds: Iterable[Kind]) -> None:
        """Refuses what files of these kinds would ignore."""
        kinds, named = set(kinds), f"say what the file is, {self.key('format')}=csv"
        if self.column is not None and kinds == {"txt"}:
            raise UserError(
                f"{self.key('column')}={shown(self.column)}: lines have no columns. Leave it out, or {named}."
            )
        for name, value in (("separator", self.separator), ("quote", self.quote)):
            if value is not None and not kinds & {"csv", "tsv"}:
                raise UserError(f"{self.key(name)}={shown(value)} is for csv and tsv. Leave it out, or {named}.")
        if self.separator is not None and len(self.separator_of("csv")) != 1:
            raise UserError(f"{self.key('separator')}={shown(self.separator)}: wanted one character, such as ; or \\t.")
        if self.quote is not None and len(self.quote) > 1:
            raise UserError(f"{self.key('quote')}={shown(self.quote)}: wanted one character, or none.")
