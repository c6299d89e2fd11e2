"""How a generator step grows: ``python -m benchmarks.growth`` draws docs/growth.png.

SeqGAN's step with a TextCNN of the usual three widths, one of L, V, N (rollouts) and B (sentences) changed at a time
around L = 20, V = 5000, N = 16, B = 64, beside the same step with a discriminator of prefixes, which needs no rollouts.
CPU seconds of one step after one that is not counted, on one thread. Dashed lines have the slope that the arithmetic
has: the tokens of all rollouts are B · N · L(L − 1)/2, and each costs V.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from benchmarks.measure import SMALL, Steps, composed, seconds
from textgan_lit.run.memory import keep_freed_memory
from textgan_lit.types import UPDATES

PICTURE = Path(__file__).parents[1] / "docs" / "growth.png"
AXES = {  # name, values, how the tokens of all rollouts grow
    "L": ((10, 20, 40, 80), lambda x: x * (x - 1)),
    "V": ((500, 1500, 5000, 15_000, 50_000), lambda x: x),
    "N": ((1, 4, 16, 64), lambda x: x),
    "B": ((16, 64, 256, 512), lambda x: x),
}
TITLES = {"L": "tokens a sentence, L", "V": "vocabulary, V", "N": "rollouts, N", "B": "sentences a step, B"}
USUAL = {"L": 20, "V": 5000, "N": 16, "B": 64}
WAYS = {
    "rollouts of every prefix": ("model/discriminator=conv",),
    "a score for every prefix": ("model/discriminator=recurrent", "model/credit=reward_to_go"),
}


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    figure, panels = plt.subplots(1, 4, figsize=(13, 3.4), sharey=True, layout="constrained")
    for panel, (axis, (values, grows)) in zip(panels, AXES.items(), strict=True):
        for (way, overrides), colour in zip(WAYS.items(), ("tab:blue", "tab:orange"), strict=True):
            if axis == "N" and "reward_to_go" in overrides[-1]:
                continue
            taken = [step(overrides, **(USUAL | {axis: value})) for value in values]
            print(axis, way, [f"{x:.3f}" for x in taken], flush=True)
            panel.loglog(values, taken, "o-", color=colour, label=way if axis == "L" else None)
            if colour == "tab:blue":
                slope(panel, values, taken[-1], grows)
        panel.set_xlabel(TITLES[axis])
        panel.set_xticks(values, [f"{value:,}" for value in values])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("CPU seconds of a generator step")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(PICTURE, dpi=130)


def slope(panel: plt.Axes, values: tuple[int, ...], last: float, grows: Callable[[int], float]) -> None:
    label = "tokens of all rollouts × V" if values == AXES["L"][0] else None
    line = [last * grows(value) / grows(values[-1]) for value in values]
    panel.loglog(values, line, "--", color="grey", linewidth=1, label=label, zorder=0)


def step(overrides: tuple[str, ...], L: int, V: int, N: int, B: int) -> float:
    sizes = [
        f"data.oracle.length={L}",
        f"data.oracle.vocab_size={V}",
        *(f"model.optim.{m}.batch_size={B}" for m in UPDATES),
    ]
    rollouts = [] if "reward_to_go" in overrides[-1] else [f"model.credit.rollouts={N}"]
    system, data, _ = composed("model=seqgan", "data=oracle_lstm", *SMALL, *sizes, *rollouts, *overrides)
    return seconds(Steps(system, data, "generator"), times=1)


if __name__ == "__main__":
    main()
