"""Which numbers can be trusted to choose a run: each that runs end with, held against the truth over a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textgan_lit.functional.correlation import interval, spearman
from textgan_lit.report.chart import finite
from textgan_lit.report.quality import FAMILIES, proxy
from textgan_lit.report.record import Row

JSD = "truth/jsd"
FEWEST = 8  # arms: of fewer, ranks agree or disagree by chance
GOOD = {  # what is no proxy by its name: label, and where it should be
    JSD: ("true JSD", "down"),
    "truth/kl_pg": ("KL(P‖G)", "down"),
    "truth/kl_gp": ("KL(G‖P)", "down"),
    "truth/nll_test": ("NLL_test", "down"),
    "truth/nll_oracle": ("NLL_oracle", "down"),
    "bound/value": ("D's bound, calibrated", "down"),
    "bound/raw": ("D's bound as it is", "down"),
    "bound/accuracy": ("D's accuracy", "down"),
    "bound/reweighted_jsd": ("JSD, re-weighted by D", "down"),
}


class Objective(NamedTuple):
    """A number at the end of a run that a run could be chosen by."""

    key: str
    label: str
    good: str  # down, up, or real: as near as possible to what real text has

    def loss(self, row: Row) -> float | None:
        """Lower is better; None where it is not known."""
        value, real = finite(row.get(self.key)), finite(row.get(f"{self.key}_real"))
        if value is None or (self.good == "real" and real is None):
            return None
        return {"down": value, "up": -value, "real": abs(value - (real or 0.0))}[self.good]


class Score(NamedTuple):
    """How well an objective ranks runs, beside the truth."""

    objective: Objective
    runs: int
    correlation: float  # of ranks, Spearman's: 1 where it ranks runs as the truth does, −1 the other way round
    low: float  # 95 % interval; NaN below 4 runs
    high: float
    pick: int  # the run that it would choose
    lost: float  # nats of true JSD that this choice costs


def objectives(rows: Sequence[Row]) -> list[Objective]:
    """Those that at least two runs have, the truth first; of n-grams the highest order alone."""
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if sum(key in row for row in rows) > 1]
    found = [Objective(key, *GOOD[key]) for key in GOOD if key in keys]
    proxies: dict[str, tuple[int, Objective]] = {}
    for key in keys:
        if (told := proxy(key)) is not None:
            place = (told.order or 0, Objective(key, told.label, FAMILIES[told.family].good))
            name = told.family + told.variant
            proxies[name] = max(proxies.get(name, place), place, key=lambda item: item[0])
    found += [objective for _, objective in proxies.values()]
    covered = [key for key in keys if key.startswith("frontier/hypervolume")]
    return found + [Objective(key, "Hypervolume of BLEU and 1 − Self-BLEU", "up") for key in covered]


def best(objective: Objective, rows: Sequence[Row]) -> int | None:
    """The run that it would choose, the first of equals."""
    losses = {place: objective.loss(row) for place, row in enumerate(rows)}
    known = {place: loss for place, loss in losses.items() if loss is not None}
    return min(known, key=known.__getitem__) if known else None


def scores(rows: Sequence[Row]) -> list[Score]:
    """Of every objective but the truth itself that at least three runs know; the one that agrees best first."""
    truth = Objective(JSD, *GOOD[JSD])
    found = []
    for objective in objectives(rows):
        places = [n for n, row in enumerate(rows) if None not in (objective.loss(row), truth.loss(row))]
        if objective == truth or len(places) < 3:
            continue
        ours, true = ([one.loss(rows[place]) for place in places] for one in (objective, truth))
        correlation = spearman(ours, true)
        if correlation is not None:
            pick = places[min(range(len(places)), key=ours.__getitem__)]
            lost = truth.loss(rows[pick]) - min(true)
            found.append(Score(objective, len(places), correlation, *interval(correlation, len(places)), pick, lost))
    return sorted(found, key=lambda score: -score.correlation)
