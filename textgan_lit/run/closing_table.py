"""The lines of the closing table and how they are printed, for console and report; when a JSD is called saturated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from textgan_lit.run import terminal

ROWS = {
    "true JSD": ("truth/jsd", "truth/jsd_se"),
    "KL(P‖G)": ("truth/kl_pg", "truth/kl_pg_se"),
    "KL(G‖P)": ("truth/kl_gp", "truth/kl_gp_se"),
    "KL(P‖G) ≤": ("truth/kl_pg_bound", "truth/kl_pg_bound_se"),
    "NLL_test": ("truth/nll_test",),
    "… a character": ("truth/nll_test_character", "truth/nll_test_character_se"),
    "NLL_test ≤": ("truth/nll_test_bound",),
    "NLL_oracle": ("truth/nll_oracle",),
    "H(G)": ("truth/entropy_g",),
    "horizon, tokens": ("truth/horizon",),
    "D says JSD ≥": ("bound/value", "bound/se"),
    "JSD, re-weighted by D": ("bound/reweighted_jsd", "bound/reweighted_jsd_se"),
}
FIRST_WHERE_SATURATED = ("horizon, tokens", "true JSD")
BLIND = 1e-3  # nats: nearer to log 2 than that the error misses what no sentence happened to show

Row = Mapping[str, Any]  # numbers by their keys; curves, too, which nothing here looks at


def saturated(row: Row) -> bool:
    """Whether the true JSD's interval, two standard errors to either side, comes within .001 of log 2: P and G may have
    nothing in common, differences between such JSDs are chance, and the horizon speaks instead.

    The chain rule's estimate is unbiased and so may lie above log 2.

    >>> [saturated({"truth/jsd": jsd, "truth/jsd_se": 0.004}) for jsd in (0.68, 0.69, 0.70)]
    [False, True, True]
    """
    known = "truth/jsd" in row and "truth/jsd_se" in row
    return known and float(row["truth/jsd"]) + 2 * float(row["truth/jsd_se"]) >= math.log(2) - BLIND


def estimate(value: float, se: float | None = None) -> str:
    """A number with its standard error, which is never rounded to 0.

    >>> estimate(0.25), estimate(0.25, 0.01), estimate(0.25, 0.0000123), estimate(0.25, 0.0)
    ('0.2500', '0.2500 ± 0.0100', '0.2500 ± 1.2e-05', '0.2500 ± 0')
    """
    if se is None:
        return f"{value:.4f}"
    return f"{value:.4f} ± " + ("0" if se == 0 else f"{se:.1e}" if se < 5e-5 else f"{se:.4f}")


def chosen(kept: str, difference: float | None, se: float | None, sentences: int) -> str:
    """Which generator the run leaves, by how much it is better, and how sure that is."""
    if difference is None or se is None:
        return (
            f"Kept: {kept}'s generator. {sentences:,} held-out sentences are too few for a fresh critic to say whether "
            "the game made it better."
        )
    way = "less" if difference < 0 else "more"
    clear = abs(difference) > 2 * se
    return (
        f"Kept: {kept}'s generator. On {sentences:,} held-out sentences a fresh critic can prove "
        f"{estimate(abs(difference), se)} nats {way} of JSD after the game than after likelihood, which is "
        f"{'more than two standard errors' if clear else 'within two standard errors'}."
    )


def numbers(row: Row) -> dict[str, float]:
    """A column as it is kept."""
    return {key: float(value) for key, value in row.items()}


def titled(name: str, row: Row) -> str:
    """A column's title.

    >>> titled("likelihood_best_temperature", {"temperature": 0.9}), titled("game", {"steps": 1200})
    ('likelihood, T = 0.9', 'game, 1,200 G steps')
    """
    told = {"temperature": "T = {:g}", "steps": "{:,.0f} G steps"}
    parts = [form.format(row[key]) for key, form in told.items() if key in row]
    return ", ".join([name.removesuffix("_best_temperature").replace("_", " "), *parts])


def print_table(title: str, columns: Mapping[str, Row]) -> None:
    """Prints the table."""
    names, found = lines(columns)
    table = Table(title=title, title_justify="left")
    for name in ("", *names):
        table.add_column(name, justify="right" if name else "left", no_wrap=not name)
    for line in found:
        table.add_row(*line)
    terminal.console().print(table)


def lines(columns: Mapping[str, Row]) -> tuple[list[str], list[list[str]]]:
    """The columns' names, real text's own behind them where there are proxies, and the lines: a title, then a cell a
    column. What nobody has a number for has no line."""
    told = titles(columns)
    columns = _folded(columns) | ({"real text": _of_real_text(columns)} if _proxies(columns) else {})
    found = [[title, *(_cell(row, *keys) for row in columns.values())] for title, keys in told.items()]
    return list(columns), [line for line in found if set(line[1:]) - {"–"}]


def titles(columns: Mapping[str, Row]) -> dict[str, tuple[str, ...]]:
    """The lines' titles, with the keys of the number and of its error."""
    rules = sorted({key for row in columns.values() for key in row if key.startswith("truth/valid_")})
    shares = {f"share {key.removeprefix('truth/').replace('_', ' ')}": (key,) for key in rules}
    found = ROWS | shares | _proxies(columns)
    if any(map(saturated, columns.values())):
        return {title: found[title] for title in FIRST_WHERE_SATURATED} | found
    if any("truth/jsd" in row for row in columns.values()):
        return found
    return {title: keys for title, keys in found.items() if title.startswith("fresh bound")} | found  # in its place


def _folded(columns: Mapping[str, Row]) -> dict[str, Row]:
    """One column where two are equal: likelihood at its best temperature is likelihood where that is 1.

    >>> list(_folded({"likelihood": {}, "likelihood, T = 1": {"temperature": 1.0}, "game": {}}))
    ['likelihood (best at T = 1)', 'game']
    """
    best = [name for name, row in columns.items() if row.get("temperature") == 1.0]
    plain = [name for name, row in columns.items() if "temperature" not in row]
    if not best or not plain:
        return dict(columns)
    names = {plain[0]: f"{plain[0]} (best at T = 1)"}
    return {names.get(name, name): row for name, row in columns.items() if name not in best}


def _proxies(columns: Mapping[str, Row]) -> dict[str, tuple[str, str]]:
    """A line for each proxy that several columns have: a number without another beside it says little."""
    keys = [key for row in columns.values() for key in row if key.startswith(("quality/", "frontier/"))]
    shared = dict.fromkeys(key for key in keys if keys.count(key) > 1 and not key.endswith(("_se", "_real")))
    return {key.partition("/")[2].replace("_", " "): (key, f"{key}_se") for key in shared}


def _of_real_text(columns: Mapping[str, Row]) -> Row:
    """What real text itself has, under the names that its rivals have."""
    return {key.replace("_real", ""): value for row in columns.values() for key, value in row.items() if "_real" in key}


def _cell(row: Row, key: str, error: str | None = None) -> str:
    if key not in row:
        return "–"
    told = estimate(float(row[key]), float(row[error]) if error in row else None)
    return f"saturated ({told})" if key == "truth/jsd" and saturated(row) else told
