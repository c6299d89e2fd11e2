"""The reproduction ledger: what papers published, beside what the same method does here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from studies.numbers import closing, course, frontier, own_name, spread
from studies.study import Run, Study

HEAD = (
    "method",
    "published NLL_oracle",
    "ours",
    "H(G)",
    "NLL_test",
    "frontier sum",
    "steps L / D / G",
    "CPU seconds",
    "seeds",
)
NUMBERS = ("truth/nll_oracle", "truth/entropy_g", "truth/nll_test")


def table(study: Study, runs: Sequence[Run]) -> str:
    """One row a method, what was not run among them; below them sources, departures and the reasons of what is red."""
    rows, notes = study.config["ledger"], []
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for arm, claim in rows.items():
        mine = [run for run in runs if run.arm == arm and run.finished]
        lines.append(f"| {' | '.join([f'`{arm}`', published(claim), *cells(mine, claim)])} |")
        notes.append(note(arm, claim, mine))
    return "\n".join(lines) + "\n\n" + "\n".join(line for line in notes if line)


def published(claim: dict[str, Any]) -> str:
    return f"{claim['nll_oracle']:.3f}" if "nll_oracle" in claim else "–"


def cells(mine: Sequence[Run], claim: dict[str, Any]) -> list[str]:
    if not mine:
        return ["not run", *[""] * (len(HEAD) - 3)]
    first, *others = (spread([closing(run)[own_name(run)][key] for run in mine]) for key in NUMBERS)
    last = [(course(run) or [{}])[-1] for run in mine]
    updates = ("pretrain", "discriminator", "generator")
    steps = " / ".join(f"{statistics.mean(row.get(f'steps/{update}', 0) for row in last):,.0f}" for update in updates)
    seconds = f"{statistics.mean(row.get('system/cpu_seconds', 0) for row in last):,.0f}"
    seeds = " ".join(str(run.seed) for run in mine)
    mark = "" if within(mine, claim) else "🔴 "
    return [mark + first, *others, spread(sums(mine)), steps, seconds, seeds]


def within(mine: Sequence[Run], claim: dict[str, Any]) -> bool:
    """Whether the mean lies in the claimed range, where there is a claim."""
    ours = statistics.mean(closing(run)[own_name(run)]["truth/nll_oracle"] for run in mine)
    return "nll_oracle" not in claim or abs(ours - claim["nll_oracle"]) <= claim["tolerance"]


def sums(mine: Sequence[Run]) -> list[float]:
    """The least NLL_oracle + NLL_test over temperatures, of every run that kept them."""
    swept = [frontier(run).get(own_name(run)) for run in mine]
    return [min(row["truth/nll_oracle"] + row["truth/nll_test"] for row in rows) for rows in swept if rows]


def note(arm: str, claim: dict[str, Any], mine: Sequence[Run]) -> str:
    parts = [f"Published: {claim['source'].rstrip('.')}."] if "source" in claim else []
    if mine and not within(mine, claim):
        low, high = claim["nll_oracle"] - claim["tolerance"], claim["nll_oracle"] + claim["tolerance"]
        parts.append(f"🔴 Outside {low:.2f} to {high:.2f}: {claim.get('reason', '**no reason found yet**')}.")
    parts += [f"{claim['note']}."] if "note" in claim else []
    return f"* `{arm}`: {' '.join(parts)}" if parts else ""
