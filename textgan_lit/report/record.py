"""What a run has left in its folder, as plain numbers and texts.

Its files are whatever somebody sent: nothing in them is believed to be of the right kind, and what is not is left out
and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textgan_lit.errors import UserError, shown
from textgan_lit.run import untrusted
from textgan_lit.run.folder import PROVENANCE, holds_a_run

TOKENS = "tokens"  # tokens/real and tokens/sampled together
Row = dict[str, Any]


@dataclass
class Record:
    """One run. ``left_out`` says what could not be read."""

    folder: Path
    config: Row = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)  # group → option, as Hydra composed them
    overrides: list[str] = field(default_factory=list)
    evaluations: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # of metrics.csv
    samples: dict[int | float, list[Row]] = field(default_factory=dict)  # steps/all → the sentences of that evaluation
    closing: dict[str, Row] = field(default_factory=dict)
    across_files: dict[str, Row] = field(default_factory=dict)
    time: dict[str, float] = field(default_factory=dict)  # seconds of the whole run, by part
    frontier: dict[str, list[Row]] = field(default_factory=dict)
    choice: Row = field(default_factory=dict)  # of the generator that the run has left
    provenance: Row = field(default_factory=dict)  # texts of commit, machine and versions; the resolved configuration
    left_out: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the run calls itself; by its model and data where that is for Hydra to resolve."""
        name = self.config.get("name")
        if isinstance(name, str) and name and "${" not in name:
            return name
        chosen = [self.choices[group] for group in ("model", "data") if group in self.choices]
        return "-".join(chosen) or self.folder.resolve().name


def read(folder: Path) -> Record:
    """The run in ``folder``.

    Raises:
        UserError: where there is no run, or nothing of it was evaluated.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is no folder"
        raise UserError(f"{shown(str(folder))} {what}. Give the folder of a run: its hydra.run.dir.")
    if not holds_a_run(folder) and not (folder / ".hydra").is_dir():
        raise UserError(f"{shown(str(folder))} holds no run. Give the folder of one: its hydra.run.dir.")
    record = begun(folder)
    if not record.evaluations:
        raise UserError(f"Nothing was evaluated yet in {shown(str(folder))}. Give the folder of a run that was.")
    record.samples = {row["steps/all"]: row["samples"] for row in _lines(record, "samples.jsonl", _has_samples)}
    return record


def begun(folder: Path) -> Record:
    """What there is so far, which may be nothing; without its samples."""
    record = Record(folder)
    _configuration(record)
    record.evaluations = [_numeric(row) for row in _lines(record, "evaluations.jsonl", lambda row: "steps/all" in row)]
    record.evaluations = [row for row in record.evaluations if "steps/all" in row]
    record.rows = _table(record)
    closing, across, frontier = (_json(record, f"{name}.json") for name in ("closing", "across_files", "frontier"))
    record.choice = _choice(closing.pop("choice", None))
    record.provenance = _provenance(record)
    record.closing = {name: _numeric(row) for name, row in closing.items() if isinstance(row, dict)}
    record.across_files = {name: _numeric(row) for name, row in across.items() if isinstance(row, dict)}
    record.time = record.closing.pop("time", {})
    record.frontier = {
        name: [_numeric(row) for row in rows if isinstance(row, dict)]
        for name, rows in frontier.items()
        if isinstance(rows, list)
    }
    return record


def is_number(value: Any) -> bool:
    """Also an infinite one, or none (NaN); no integer that is too long for arithmetic with floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or value.bit_length() < 64


def _numeric(row: Row) -> Row:
    """The numbers, and lists of them where there are curves; with all tokens, which no file has as one."""
    kept = {}
    for key, value in row.items():
        is_list = isinstance(value, list) and all(map(is_number, value))
        if is_list if key.startswith("curve/") else is_number(value):
            kept[key] = value
    if "tokens/real" in kept and "tokens/sampled" in kept:
        kept[TOKENS] = kept["tokens/real"] + kept["tokens/sampled"]
    return kept


def _provenance(record: Record) -> Row:
    """Without a configuration that is longer than one in YAML may be: it is written out on the page."""
    found = _json(record, PROVENANCE)
    if len(str(found.get("configuration"))) > untrusted.YAML:
        record.left_out.append(f"the configuration in {PROVENANCE}, which is too long")
        del found["configuration"]
    return found


def _choice(found: Any) -> Row:
    """What :func:`chosen` says of; nothing where it is not what a run writes."""
    found = found if isinstance(found, dict) else {}
    numbers = {key: found.get(key) for key in ("difference", "se", "sentences")}
    known = [value for key, value in numbers.items() if value is not None or key == "sentences"]
    if found.get("kept") not in ("likelihood", "game") or not all(map(is_number, known)):
        return {}
    return {"kept": found["kept"]} | numbers


def _configuration(record: Record) -> None:
    """As it was composed. Not resolved: that would ask this machine's environment for what a stranger's run names."""
    record.config = _yaml(record, "config.yaml", dict)
    hydra = _yaml(record, "hydra.yaml", dict).get("hydra")
    runtime = hydra.get("runtime") if isinstance(hydra, dict) else None
    choices = runtime.get("choices") if isinstance(runtime, dict) else None
    choices = choices if isinstance(choices, dict) else {}
    record.choices = {str(group): option for group, option in choices.items() if isinstance(option, str)}
    record.overrides = [override for override in _yaml(record, "overrides.yaml", list) if isinstance(override, str)]


def _yaml(record: Record, name: str, kind: type) -> Any:
    return _read(record, untrusted.yaml, f".hydra/{name}", kind)


def _json(record: Record, name: str) -> Row:
    """Of a file that is there once a run has ended."""
    return _read(record, untrusted.json, name, dict)


def _read(record: Record, load: Callable[[Path, str], Any], name: str, kind: type) -> Any:
    """What a file says, where it is of that kind; a file that is not there says nothing."""
    try:
        found = load(record.folder, name)
    except FileNotFoundError:
        return kind()
    except untrusted.Unreadable:
        found = None
    if not isinstance(found, kind):
        record.left_out.append(f"{name}, which cannot be read")
        return kind()
    return found


def _lines(record: Record, name: str, whole: Callable[[Row], bool]) -> list[Row]:
    """The lines that are whole; a kill may have cut off the last one."""
    found = _each(record, untrusted.lines, name, lambda line: line.row)
    rows = [row for row in found if row is not None and whole(row)]
    _say_broken(record, len(found) - len(rows), "line", name)
    return rows


def _has_samples(row: Row) -> bool:
    samples = row.get("samples")
    if not is_number(row.get("steps/all")) or not isinstance(samples, list):
        return False
    return all(isinstance(sample, dict) and isinstance(sample.get("text"), str) for sample in samples)


def _table(record: Record) -> list[Row]:
    head, *cells = _each(record, untrusted.table, "metrics.csv", list) or [[]]
    rows = [_numeric({key: _float(cell) for key, cell in zip(head, row, strict=False) if cell}) for row in cells]
    whole = [row for row in rows if "steps/all" in row]
    _say_broken(record, len(rows) - len(whole), "row", "metrics.csv")
    return whole


def _each(record: Record, load: Callable[..., Iterator[Any]], name: str, kept: Callable[[Any], Any]) -> list[Any]:
    """What is ``kept`` of each line of a file, if there is one; where it is not a run's as a whole, none."""
    try:
        return [kept(one) for one in load(record.folder, name, untrusted.Allowance())]
    except FileNotFoundError:
        return []
    except untrusted.Unreadable:
        record.left_out.append(f"{name}, which cannot be read")
        return []


def _say_broken(record: Record, broken: int, what: str, name: str) -> None:
    if broken:
        record.left_out.append(f"{broken} broken {what}{'s' * (broken > 1)} of {name}")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
