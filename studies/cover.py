"""How often a 95 % interval of truth/… holds the truth: python -m studies.cover draws, and writes its page's tables.

Worlds whose sentences can all be listed, so that the truth is a sum. What each sentence adds is asked of the code once;
a repetition draws sentences of both sides, and Truth makes its means and errors of them as it does in a run.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from rich.progress import track
from torch import Tensor

from studies.summary import settled
from tests.helpers.enumeration import jsd, kl, listed
from textgan_lit.data.tiny import Tiny
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import stream
from textgan_lit.run.closing_table import saturated
from textgan_lit.truth.evidence import Contributions, contributions
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth

PAGE = Path(__file__).parents[1] / "docs" / "studies" / "cover.md"
BEGIN, END = "<!-- cover: begin (python -m studies.cover writes up to the end mark) -->", "<!-- cover: end -->"
TIMES = 1000
SIZES = (200, 1000, 5000)
JSDS = (0.02, 0.2, 0.5, 0.65, 0.69, 0.693)
KINDS = {  # P's and G's seeds are the first pair whose JSD reaches .693 as both become more peaked
    "4 tokens, all sentences of 6": ({"vocab_size": 4, "length": 6}, (1, 2)),
    "4 tokens, up to 6, with eos": ({"vocab_size": 4, "length": 6, "variable": True}, (5, 6)),
    "8 tokens, up to 4, with eos": ({"vocab_size": 8, "length": 4, "variable": True}, (1, 2)),
}
HELD = {  # what is held to 95 %; the direct form stands beside it
    "truth/jsd": "`jsd`",
    "truth/kl_pg": "`kl_pg`",
    "truth/kl_gp": "`kl_gp`",
    "truth/nll_test": "`nll_test`",
    "truth/nll_oracle": "`nll_oracle`",
}
DIRECT = "truth/jsd_direct"
NEEDED = ("tokens", "nll", "entropy", "kl", "direct", "chain", "bayes")


class World(NamedTuple):
    """Both sides' chances of every sentence, what it adds there, and the truth by the keys of :data:`HELD`."""

    name: str
    chances: tuple[Tensor, Tensor]
    sides: tuple[Contributions, Contributions]
    exact: dict[str, float]


class Cover(NamedTuple):
    """Shares of the repetitions by key, and how many of its standard errors a mean over them is off."""

    held: dict[str, float]
    bias: dict[str, float]
    saturated: float
    direct_surer: float  # the direct form's estimated error is the smaller one


def between(sizes: dict[str, int], seeds: tuple[int, int], target: float) -> tuple[Tiny, Tiny]:
    """P and G so peaked that their JSD is about ``target``."""
    low, high = 0.0, 12.0
    for _ in range(30):
        sharpness = (low + high) / 2
        models = [Tiny(**sizes, sharpness=sharpness, seed=seed) for seed in seeds]
        world = listed(*models)
        low, high = (sharpness, high) if jsd(world.p, world.g) < target else (low, sharpness)
    return models[0], models[1]


@functools.cache
@torch.no_grad()
def world(kind: str, target: float) -> World:
    oracle, generator = between(*KINDS[kind], target)
    every = listed(oracle, generator)
    seen = Models(oracle, generator, Categorical()).examine(every.sentences)
    sides = contributions(seen, is_real=True), contributions(seen, is_real=False)
    length = every.sentences.mask.sum(1).double()
    exact = {"truth/jsd": jsd(every.p, every.g), DIRECT: jsd(every.p, every.g)}
    exact |= {"truth/kl_pg": kl(every.p, every.g), "truth/kl_gp": kl(every.g, every.p)}
    exact["truth/nll_test"] = (-(every.p @ every.g.log()) / (every.p @ length)).item()
    exact["truth/nll_oracle"] = (-(every.g @ every.p.log()) / (every.g @ length)).item()
    return World(f"{kind}, {target}", (every.p, every.g), sides, exact)


def measured(truth: Truth, known: World, n: int, own: torch.Generator) -> dict[str, Tensor]:
    """What a Truth says of n sentences a side, and of nothing before them."""
    truth.reset()
    for side, found, chance in zip(("real", "fake"), known.sides, known.chances, strict=True):
        drawn = torch.multinomial(chance, n, replacement=True, generator=own)
        truth.add(side, Contributions({name: found.sentence[name][drawn] for name in NEEDED}, {}))
    return Truth.compute(truth)  # as it is: torchmetrics' own would ask for an update


def cover(known: World, n: int, times: int = TIMES) -> Cover:
    own, truth = stream("cover", known.name, n), Truth(1)  # of positions nothing is asked
    rows = [measured(truth, known, n, own) for _ in range(times)]
    held, bias = {}, {}
    for key, exact in known.exact.items():
        values, errors = (torch.stack([row[name] for row in rows]) for name in (key, f"{key}_se"))
        held[key] = ((values - exact).abs() <= 1.96 * errors).double().mean().item()
        bias[key] = ((values.mean() - exact) / values.std() * math.sqrt(times)).item()
    surer = sum(bool(row[f"{DIRECT}_se"] < row["truth/jsd_chain_se"]) for row in rows)
    return Cover(held, bias, sum(map(saturated, rows)) / times, surer / times)


def table(kind: str, times: int) -> Iterator[str]:
    """The lines of one kind of world's table."""
    titles = ["JSD", "n", *HELD.values(), "`jsd_direct`", "bias, SE", "saturated", "direct surer"]
    yield from (f"**{kind}**", "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|")
    for target in JSDS:
        known = world(kind, target)
        for n in SIZES:
            found = cover(known, n, times)
            shares = [*(found.held[key] for key in (*HELD, DIRECT)), found.saturated, found.direct_surer]
            told = [f"{100 * share:.1f}" for share in shares]
            worst = max((found.bias[key] for key in HELD), key=abs)
            row = [f"{known.exact['truth/jsd']:.4f}", f"{n:,}", *told[:6], f"{worst:+.1f}", *told[6:]]
            yield f"| {' | '.join(row)} |"
    yield ""


def write(lines: list[str]) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(settled("\n".join([f"{before}{BEGIN}", "", *lines, f"{END}{rest.partition(END)[2]}"])))


def main() -> None:
    """``python -m studies.cover [REPETITIONS]``."""
    torch.set_num_threads(1)
    times = int(sys.argv[1]) if sys.argv[1:] else TIMES
    write([line for kind in track(KINDS, "drawing", transient=True) for line in table(kind, times)])


if __name__ == "__main__":
    main()
