"""The table and the picture of a study, from its sweeps: python docs/methods/compare.py RUNS PICTURE

RUNS holds one folder a sweep, each with a folder a seed. Mean ± standard deviation of the true JSD on the test
sentences, and its course over generator turns.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib.pyplot as plt


def closing(sweep: Path) -> list[dict[str, dict[str, float]]]:
    return [json.loads(path.read_text()) for path in sorted(sweep.glob("*/closing.json"))]


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def table(folder: Path) -> str:
    lines = ["| sweep | seeds | likelihood | at its best T | the game | change | G turns |", "|---" * 7 + "|"]
    for sweep in sorted(path for path in folder.iterdir() if path.is_dir()):
        runs = closing(sweep)
        columns = {name: [run[name]["truth/jsd"] for run in runs] for name in runs[0]}
        change = [run["game"]["truth/jsd"] / run["likelihood_best_temperature"]["truth/jsd"] - 1 for run in runs]
        cells = [spread(columns[name]) for name in ("likelihood", "likelihood_best_temperature", "game")]
        signs = " ".join(f"{100 * part:+.0f} %" for part in change)
        turns = " ".join(f"{run['game']['turns']:.0f}" for run in runs)
        lines.append(f"| {sweep.name} | {len(runs)} | {' | '.join(cells)} | {signs} | {turns} |")
    return "\n".join(lines)


def draw(folder: Path, picture: Path) -> None:
    figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, sweep in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for seed, path in enumerate(sorted(sweep.glob("*/evaluations.jsonl"))):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            course = [(row["turns/generator"], row["truth/jsd"]) for row in rows if row.get("turns/discriminator", 1)]
            panel.plot(*zip(*course, strict=True), color=f"C{number}", alpha=0.7, label=None if seed else sweep.name)
    panel.set(xlabel="generator turns", ylabel="true JSD, nats a sentence", ylim=(0, 0.72))
    panel.legend(frameon=False, loc="lower left", ncols=2)
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(table(Path(sys.argv[1])))
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
