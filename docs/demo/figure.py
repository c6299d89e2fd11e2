"""The README's picture and table, from the runs of experiment=demo.

python train.py -m experiment=demo seed=1,2,3,4,5 hydra.sweep.dir=runs/game
python train.py -m experiment=demo seed=1,2,3,4,5 model/control=shuffled hydra.sweep.dir=runs/shuffled
python train.py -m experiment=demo seed=1,2,3,4,5 model/control=constant hydra.sweep.dir=runs/constant
python train.py -m experiment=demo seed=1,2,3,4,5 model/discriminator=oracle hydra.sweep.dir=runs/oracle
python train.py -m experiment=demo seed=1,2,3 model=mle model.generator.hidden=16 hydra.sweep.dir=runs/lstm16
python train.py -m experiment=demo seed=1,2,3 data.oracle.difference=0.5 hydra.sweep.dir=runs/half
python docs/demo/figure.py runs

About 25 minutes on one core. The picture and the table are made from the first four sets; the last two are for what
README says below its table.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
SETS = {"game": "the game", "oracle": "D = D*", "shuffled": "control=shuffled", "constant": "control=constant"}
COLOURS = {"game": "black", "oracle": "tab:blue", "shuffled": "tab:orange", "constant": "tab:green"}
SHOWN = {
    "true JSD": "truth/jsd",
    "KL(P‖G)": "truth/kl_pg",
    "KL(G‖P)": "truth/kl_gp",
    "NLL_test": "truth/nll_test",
    "NLL_oracle": "truth/nll_oracle",
    "H(G)": "truth/entropy_g",
    "valid in some language": "truth/valid_any",
}


def evaluations(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
    return [row for row in rows if row.get("steps/discriminator", 1) > 0]


def closing(run: Path) -> dict[str, dict[str, float]]:
    return json.loads((run / "closing.json").read_text())


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/evaluations.jsonl"))


def draw(folder: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), width_ratios=(3, 2), layout="constrained")
    panel = evaluations(runs(folder / "game")[0])
    steps = [row["steps/generator"] for row in panel]
    lines = [("truth/jsd", "truth/jsd_se", "true JSD", "black")]
    lines += [("bound/value", "bound/se", "what D says it is at least", "tab:blue")]
    for key, error, label, colour in lines:
        low, high = ([row[key] + side * 2 * row[error] for row in panel] for side in (-1, 1))
        left.plot(steps, [row[key] for row in panel], label=label, color=colour)
        left.fill_between(steps, low, high, color=colour, alpha=0.2)
    best = closing(runs(folder / "game")[0])["likelihood_best_temperature"]["truth/jsd"]
    left.axhline(best, color="tab:red", linestyle="--", label="likelihood at its best temperature")
    left.axhline(math.log(2), color="grey", linewidth=0.5)
    left.set(
        xlabel="generator steps",
        ylabel="nats a sentence",
        ylim=(0, 0.72),
        title="One run: the truth beside the claim (± 2 SE)",
    )
    left.legend(frameon=False)
    for name, label in SETS.items():
        for number, run in enumerate(runs(folder / name)):
            panel = evaluations(run)
            values = [row["truth/jsd"] for row in panel]
            marks = {"color": COLOURS[name], "alpha": 0.7, "label": None if number else label}
            right.plot([row["steps/generator"] for row in panel], values, **marks)
    right.set(xlabel="generator steps", ylim=(0, 0.72), title="True JSD: five seeds, and their controls")
    right.legend(frameon=False)
    figure.savefig(HERE / "curves.png", dpi=140)


def table(folder: Path) -> str:
    """Mean ± standard deviation over the seeds, as Markdown."""
    columns: dict[str, list[dict[str, float]]] = {}
    for name, label in SETS.items():
        for run in runs(folder / name):
            rows = closing(run)
            columns.setdefault(label, []).append(rows["game"])
            if name == "game":
                columns.setdefault("likelihood", []).append(rows["likelihood"])
                columns.setdefault("likelihood, best T", []).append(rows["likelihood_best_temperature"])
    order = ["likelihood", "likelihood, best T", *SETS.values()]
    lines = ["| | " + " | ".join(order) + " |", "|---" * (len(order) + 1) + "|"]
    for title, key in SHOWN.items():
        cells = []
        for column in order:
            values = [row[key] for row in columns[column]]
            cells.append(f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    print(table(folder))
    draw(folder)
