"""Several runs of one sweep beside each other: which words were swept, and what became of each run.

The page of a sweep compares true JSDs on the test sentences (the objective that a sweep minimises). A run's own
page has the rest.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from textgan_lit.errors import UserError, shown
from textgan_lit.folder import holds_a_run
from textgan_lit.report.chart import Chart, Table
from textgan_lit.report.parallel import parallel
from textgan_lit.report.record import Record, is_number, read
from textgan_lit.report.sections import Report, Section

JSD = "truth/jsd"
SEED = "seed"  # what distinguishes repetitions, not configurations
# Student's t at 97.5 %, for 1, 2, … degrees of freedom: what no dependency of the package knows
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
T += (2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)


def runs(folder: Path) -> list[Path]:
    """The runs of a sweep, those below ``folder``; none where it is a run itself."""
    if not folder.is_dir() or holds_a_run(folder):
        return []
    found = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/evaluations.jsonl")]
    return sorted(found, key=lambda path: [(len(part), part) for part in path.relative_to(folder).parts])  # 2 before 10


def of(folder: Path, runs: Sequence[Path]) -> Report:
    """The report of the runs that have ended."""
    records, left_out = [], []
    for path in runs:
        name = shown(str(path.relative_to(folder)))
        try:
            record = read(path)
        except UserError:
            left_out.append(f"{name}, where nothing was evaluated yet")
            continue
        left_out += [f"{said} in {name}" for said in record.left_out]
        if _jsd(record) is None:
            left_out.append(f"{name}, which has no true JSD in a closing.json")
        else:
            records.append(record)
    if not records:
        raise UserError(f"No run in {shown(str(folder))} has ended with a true JSD: there is nothing to compare.")
    swept = _swept(records)
    keys = sorted({key for words in swept for key in words})
    sections = [_configurations(swept, records), _parallel(swept, records, keys), _runs(folder, swept, records, keys)]
    facts = {"runs": str(len(records)), "swept": ", ".join(keys) or "nothing"}
    shown_sections = [section for section in sections if section.parts]
    return Report(folder.resolve().name, facts, shown_sections, [], left_out)


def _jsd(record: Record) -> float | None:
    """Of the game where one was played, else of likelihood; on the test sentences."""
    row = record.closing.get("game") or record.closing.get("likelihood") or {}
    value = row.get(JSD)
    return float(value) if is_number(value) and math.isfinite(value) else None


def _swept(records: Sequence[Record]) -> list[dict[str, str]]:
    """For each run the words that not all have in common."""
    words = [dict(word.lstrip("+").partition("=")[::2] for word in record.overrides) for record in records]
    keys = {key for found in words for key in found}
    differ = {key for key in keys if len({found.get(key) for found in words}) > 1}
    return [{key: found.get(key, "–") for key in sorted(differ)} for found in words]


def _configurations(swept: Sequence[dict[str, str]], records: Sequence[Record]) -> Section:
    """Runs that differ in their seed alone, together."""
    groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for words, record in zip(swept, records, strict=True):
        key = tuple((name, word) for name, word in words.items() if name != SEED)
        groups.setdefault(key, []).append(_jsd(record))
    ranked = sorted(groups.items(), key=lambda item: statistics.mean(item[1]))
    names = [name for name, _ in ranked[0][0]]
    rows = [[*(word for _, word in key), len(values), spread(values)] for key, values in ranked]
    note = "The best first; mean and 95 % interval of the mean over seeds (Student's t)."
    table = Table("Configurations", [*names, "seeds", "true JSD, nats a sentence"], rows)
    return Section("Configurations", note, [table])


def spread(values: Sequence[float]) -> str:
    """Mean ± half of the 95 % interval; the mean alone of a single value.

    >>> spread([0.2, 0.3]), spread([0.25])
    ('0.2500 ± 0.6353', '0.2500')
    """
    mean = f"{statistics.mean(values):.4f}"
    if len(values) == 1:
        return mean
    freedom = len(values) - 1
    t = T[freedom - 1] if freedom <= len(T) else T[-1]  # beyond the table a little too wide
    return f"{mean} ± {t * statistics.stdev(values) / len(values) ** 0.5:.4f}"


def _parallel(swept: Sequence[dict[str, str]], records: Sequence[Record], keys: Sequence[str]) -> Section:
    section = Section("What was swept, and what it led to", "One line a run, from its words to its true JSD.")
    if keys and len(records) > 1:
        lines = [list(words.values()) for words in swept]
        values = [_jsd(record) for record in records]
        section.parts = [parallel("sweep", "From words to truth", keys, lines, "true JSD", values)]
    return section


def _runs(folder: Path, swept: Sequence[dict[str, str]], records: Sequence[Record], keys: Sequence[str]) -> Section:
    rows: list[list[object]] = []
    for words, record in zip(swept, records, strict=True):
        last, name = record.evaluations[-1], str(record.folder.relative_to(folder))
        rows.append([name, *words.values(), _jsd(record), last.get("turns/generator"), last.get("system/seconds")])
    rows.sort(key=lambda row: row[-3])
    columns = ["run", *keys, "true JSD", "generator turns", "seconds"]
    note = "The best first. A report of one of these folders shows it in full."
    parts: list[Chart | Table] = [Table("Runs", columns, rows)]
    return Section("Runs", note, parts)
