"""A report as one HTML file: its plots, their numbers and the library that draws them, with nothing to fetch.

What a run says is somebody else's text. It is escaped here once, where it becomes HTML or JSON; and the page allows no
script but its own two, by their hashes, and no address at all: what slipped through would still do nothing.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from textgan_lit import __version__
from textgan_lit.errors import UserError
from textgan_lit.report import names
from textgan_lit.report.chart import Chart, Link, Table, theme, thinned
from textgan_lit.report.lines import CLOCKS
from textgan_lit.report.record import is_number
from textgan_lit.report.sections import Facts, Part, Report, Section, Sentences, Text, charts

HERE = Path(__file__).parent
MARK = '<meta name="generator" content="textgan_lit report">'  # what tells a report of ours from another file
DRAWING = "window.vegaEmbed = vegaEmbed;"  # what the page needs of the library
BARE = {"background": "transparent"}  # the theme is for the browser to choose
WORDS = 40  # characters from which a cell is text, which is broken into lines
LONGEST = 300  # rows of a table of numbers; --figures writes all of them


def converter() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise UserError('A report needs vl-convert-python: pip install "textgan_lit[report]".') from error
    return vl_convert


@functools.cache
def _library() -> str:
    """What draws, ready to stand in a page: made once for all pages of a sweep, for that takes a second."""
    return _inside(converter().javascript_bundle(DRAWING))


def page(report: Report) -> str:
    """All of the file."""
    scripts = [_library(), (HERE / "page.js").read_text(encoding="utf-8")]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            MARK,
            f"<title>{_text(report.name)}</title>",
            f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}</style></head><body>",
            _head(report),
            *(_section(section, report) for section in report.sections),
            f"</main><footer>Made by textgan_lit {__version__}.</footer>",
            f'<script type="application/json" id="data">{_data(report)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body></html>\n",
        ]
    )


def _policy(scripts: list[str]) -> str:
    """The page's own scripts and styles, and nothing else: Vega interprets its expressions, so eval is not needed."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    ours = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {ours}; style-src 'unsafe-inline'; base-uri 'none'"


def _inside(script: str) -> str:
    """JavaScript as it may stand in an HTML file: an end tag in one of its strings would end the script."""
    return script.replace("</script", "<\\/script")


def _slug(title: str) -> str:
    """A heading of ours as what a link jumps to."""
    return title.lower().replace(" ", "-")


def _text(value: Any) -> str:
    return html.escape(str(value))


def _data(report: Report) -> str:
    """What the scripts read. No ``<`` is left in it, so that nothing in it can be a tag."""
    moments = next((part.moments for section in report.sections for part in section.parts if _browser(part)), [])
    told = {
        "charts": {chart.name: converter().vegalite_to_vega(chart.spec, config=BARE) for chart in charts(report)},
        "themes": {"light": theme(dark=False), "dark": theme(dark=True)},
        "moments": report.moments,
        "samples": [[_sample(sample) for sample in samples] for samples in moments] or [[] for _ in report.moments],
    }
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _browser(part: Any) -> bool:
    return isinstance(part, Sentences)


def _knows_data(part: Any) -> bool:
    return _browser(part) and any(sample.get("log P by token") for moment in part.moments for sample in moment)


def _sample(sample: dict[str, Any]) -> dict[str, Any]:
    """Its tokens, what G and the data expected of each, and what was thought of the whole."""
    logs, real = (_numbers(sample.get(f"log {who} by token")) for who in ("G", "P"))
    tokens = sample.get("tokens")
    if not isinstance(tokens, list) or len(tokens) != len(logs):
        tokens = sample["text"].split(" ") if sample["text"] else []
        tokens += [None] if len(logs) > len(tokens) else []  # eos has a probability, too
    shown = ["∎" if token is None else str(token) for token in tokens]
    gap = "" if "".join(token for token in tokens if token) == sample["text"] else " "  # of characters, or pieces
    told = {"tokens": shown, "gap": gap, "logs": logs, "real": real}
    return told | {"judged": _judged(sample), "near": _near(sample)}


def _numbers(found: Any) -> list[float | None]:
    """Numbers for a browser: what is infinite (a token that cannot be said) is as unlikely as can be shown."""
    if not isinstance(found, list):
        return []
    return [round(max(value, -99.0), 3) if is_number(value) and value == value else None for value in found]


def _judged(sample: dict[str, Any]) -> str:
    judged = [f"log G {sample['log G']:.2f}"] if _finite(sample.get("log G")) else []
    judged += [f"log P/G {sample['log P/G']:+.2f}"] if is_number(sample.get("log P/G")) else []
    judged += [f"D: {sample['D says real']:.0%} real"] if _finite(sample.get("D says real")) else []
    return " · ".join(judged)


def _near(sample: dict[str, Any]) -> str:
    """The training sentence that is nearest, and how near."""
    nearest, edits, span = (sample.get(key) for key in ("nearest training sentence", "edits", "longest copied span"))
    if not isinstance(nearest, str) or not _finite(edits) or not _finite(span):
        return ""
    if edits == 0:
        return "a training sentence, word for word"
    return f"longest copied span {span:.0f} · nearest in training, {edits:.0f} edits away: {nearest}"


def _finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _head(report: Report) -> str:
    links = (f'<a href="#{_slug(one.title)}">{_text(one.title)}</a>' for one in report.sections)
    listed = f'<nav aria-label="Sections">{" ".join(links)}</nav>'
    said = f'<p class="said">Left out: {_text("; ".join(report.left_out))}.</p>' if report.left_out else ""
    script = '<noscript><p class="said">Plots and samples need JavaScript; the numbers do not.</p></noscript>'
    how = f"<p>{_text(report.how)}</p>"
    return f"<header><h1>{_text(report.name)}</h1>{_facts(report.summary)}{how}{said}{script}{listed}</header><main>"


def _section(section: Section, report: Report) -> str:
    parts = [part for part in section.parts if isinstance(part, Chart)]
    controls = _controls({control for part in parts for control in part.controls}, section, report)
    shown = "".join(_part(part, alone=len(parts) == 1) for part in section.parts)
    note = f"<p>{_text(section.note)}</p>" if section.note else ""
    head = f"<h2>{_text(section.title)}</h2>{note}{controls}"
    return f'<section id="{_slug(section.title)}">{head}<div class="parts">{shown}</div></section>'


def _controls(wanted: set[str], section: Section, report: Report) -> str:
    found = []
    if "clock" in wanted:
        moving = [part for part in section.parts if isinstance(part, Chart) and "clock" in part.controls]
        known = [{name for value in part.spec["data"]["values"] for name in value} for part in moving]
        options = [f"<option>{name}</option>" for name in CLOCKS if all(name in one for one in known)]
        if len(options) > 1:
            found.append(f"<label>over <select data-clock>{''.join(options)}</select></label>")
    if "at" in wanted or any(map(_browser, section.parts)):
        last = len(report.moments) - 1
        slider = f'<input type="range" data-at min="0" max="{last}" value="{last}" aria-label="evaluation">'
        found.append(f"<label>evaluation {slider}<output>{_text(report.moments[last])}</output></label>")
    if any(_knows_data(part) for part in section.parts):
        options = '<option value="logs">G</option><option value="real">the data (log P)</option>'
        found.append(f"<label>coloured: not expected by <select data-heat>{options}</select></label>")
    return f'<div class="controls">{"".join(found)}</div>' if found else ""


def _facts(facts: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{_text(name)}</dt><dd>{_text(value)}</dd>' for name, value in facts.items())}</dl>"


def _part(part: Part, alone: bool) -> str:
    wide = ' class="wide"' if alone else ""
    if isinstance(part, Chart):
        obeys = " ".join(part.controls)
        named = f'data-chart="{part.name}" data-obeys="{obeys}" role="img" aria-label="{_text(part.title)}"'
        plot = f'<div class="plot" {named}></div>'
        told = f"<figcaption><h3>{_text(part.title)}</h3><p>{_text(part.note)}</p></figcaption>"
        return f"<figure{wide}>{told}{plot}<details><summary>Numbers</summary>{_table(part.table)}</details></figure>"
    if isinstance(part, Facts):
        return f'<div class="card wide">{_facts(part)}</div>'
    if isinstance(part, Table):
        return f'<div class="card wide">{_table(part)}</div>'
    if isinstance(part, Text):
        folded = f"<details><summary>{_text(part.title)}</summary><pre>{_text(part.text)}</pre></details>"
        return f'<div class="card wide">{folded}</div>'
    return '<div class="card wide"><ol class="sentences" aria-live="polite"></ol></div>'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(names.name(column))}</th>' for column in table.columns)
    body = "".join(f"<tr>{_line(row)}</tr>" for row in thinned(table.rows, LONGEST))
    more = f" ({LONGEST} of {len(table.rows):,} rows, evenly)" if len(table.rows) > LONGEST else ""
    whole = f"<caption>{_text(table.title + more)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    region = f'class="scroll" tabindex="0" role="region" aria-label="{_text(table.title)}"'
    return f"<div {region}><table>{whole}</table></div>"


def _line(row: Sequence[Any]) -> str:
    """A row; what it is about stands first, and stays in sight where the others are scrolled."""
    first, *others = row
    cells = (f"<td{' class=text' * (len(str(cell)) > WORDS)}>{_cell(cell)}</td>" for cell in others)
    return f'<th scope="row">{_cell(first)}</th>' + "".join(cells)


def _cell(cell: Any) -> str:
    """A link is to a file beside the page, whatever its name looks like."""
    if not isinstance(cell, Link):
        return _text(_number(cell))
    return f'<a href="./{quote(cell.path)}">{_text(cell.text)}</a>'


def _number(cell: Any) -> str:
    if cell is None:
        return "–"
    if not is_number(cell):
        return str(cell)
    return f"{cell:,.0f}" if 1e4 <= abs(cell) < 1e15 or float(cell).is_integer() else f"{cell:.5g}"
