"""Writing in few rounds, speed against quality: python -m studies.rounds plays, and writes the table of its page.

A world of 6⁴ sentences, so that P is a list. G is one too: an autoregression's own likelihood; of masked diffusion the
mean over all 24 orders, of one-shot the mean over many latents.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from benchmarks.measure import seconds
from studies.summary import settled
from tests.helpers.playing import built
from textgan_lit.functional.significance import half_width
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch

PAGE = Path(__file__).parents[1] / "docs" / "studies" / "rounds.md"
BEGIN, END = "<!-- rounds: begin (python -m studies.rounds writes up to the end mark) -->", "<!-- rounds: end -->"
SEEDS, VOCAB, LENGTH = (1, 2, 3), 6, 4
LATENTS = 20_000
WORLD = ("data=mixture", f"data.oracle.vocab_size={VOCAB}", "data.oracle.successors=2", f"data.oracle.length={LENGTH}")
WORLD += ("data.train=4000", "data.valid=100", "data.test=100", "check_size=200")
TAUGHT = ("model.optim.pretrain.batch_size=256", "model.schedule.pretrain_steps=300", "model.schedule.patience=100")
GAME = ("model.schedule.discriminator_pretrain_steps=100", "model.schedule.adversarial_steps=100", "model.schedule.k=2")
GAME += ("model.optim.discriminator.batch_size=128", "model.optim.generator.batch_size=256")
GAME += ("model.discriminator.filters=[[1,32],[2,32],[3,32],[4,32]]", "model.generator.proposals=1")
WIDTH = "model.generator.width=32"
PLAYERS = {  # overrides, and the rounds it is asked for
    "transformer": (("model=mle", "model/generator=transformer", WIDTH), (LENGTH,)),
    "LSTM": (("model=mle",), (LENGTH,)),
    "masked diffusion": (("model=masked_diffusion", WIDTH, "model.generator.proposals=1"), (1, 2, 4)),
    "didi's student": (("model=didi", WIDTH, "model.generator.steps=2", *GAME), (2,)),
    "one-shot": (("model=one_shot", WIDTH, *GAME), (1,)),
}


def every_sentence() -> TextBatch:
    tokens = torch.tensor(list(itertools.product(range(VOCAB), repeat=LENGTH)))
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def autoregression(generator: Generator, batch: TextBatch) -> Tensor:
    return generator.logp(batch, Categorical()).sum(1)


def over_orders(generator: Generator, batch: TextBatch) -> Tensor:
    orders = torch.tensor(list(itertools.permutations(range(LENGTH)))) / LENGTH
    return generator.bound(batch, Categorical(), orders.expand(len(batch.tokens), -1, -1))


def over_latents(generator: Generator, batch: TextBatch) -> Tensor:
    """log of the mean probability over latents, drawn as writing draws them, so that it needs no weights."""
    latents = generator.prior(Noise(0, "latents").uniform(LATENTS, generator.latent))
    empty = torch.zeros(LATENTS, LENGTH, dtype=torch.long)
    chances = generator.head(generator.features(empty, latents)).double().softmax(-1)
    return (torch.einsum("ka,kb,kc,kd->abcd", *chances.unbind(1)) / LATENTS).log().flatten()


SUMMED: dict[str, Callable[[Generator, TextBatch], Tensor]] = {
    "masked diffusion": over_orders,
    "didi's student": over_orders,
    "one-shot": over_latents,
}


def jsd(p: Tensor, g: Tensor) -> float:
    """JSD(P‖G) in nats of two lists of log-probabilities.

    >>> round(jsd(torch.tensor([0.0, -1e9]), torch.tensor([-1e9, 0.0])), 4)  # log 2: nothing in common
    0.6931
    """
    for logs in (p, g):
        torch.testing.assert_close(logs.exp().sum().item(), 1.0, rtol=0, atol=1e-4)
    m = torch.logaddexp(p, g) - math.log(2)
    return sum((each.exp() * (each - m)).sum().item() for each in (p, g)) / 2


@torch.no_grad()
def played(seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Of every player and number of rounds, after the same pretraining steps: JSD, passes, processor seconds of writing
    512 sentences, each beside the transformer's own, measured again right after it."""
    batch, reference = every_sentence(), None
    for name, (overrides, rounds) in PLAYERS.items():
        with torch.enable_grad():
            own = (f"seed={seed}", f"data.seed={seed}", f"data.oracle.seed={seed}")
            run = built(*overrides, *WORLD, *TAUGHT, *own).fit()
        generator = run.system.eval().generator
        reference = reference or generator
        p = run.data.oracle.logp(batch, Categorical()).sum(1).double()
        for count in rounds:
            if name in ("masked diffusion", "didi's student"):
                generator.steps = count
            g = SUMMED.get(name, autoregression)(generator, batch).double()
            shown = f"{name}, {count} round{'s' * (count > 1)}" if name == "masked diffusion" else name
            yield shown, {"jsd": jsd(p, g), "passes": count, "time": writing(generator) / writing(reference)}


def writing(generator: Generator) -> float:
    noise = Noise(0, "rounds").uniform(512, generator.uniforms)
    return seconds(lambda: generator.sample(noise, Categorical()), times=9)


def shown(values: list[float], form: str = ".3f") -> str:
    return f"{statistics.mean(values):{form}} ± {half_width(values):{form}}"


def write(found: list[dict[str, dict[str, float]]]) -> None:
    """The table and the picture of all seeds."""
    rows = ["| writes with | passes | time / transformer's | JSD, nats | each seed's |", "|---|---|---|---|---|"]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    for place, name in enumerate(found[0]):
        mine = {key: [each[name][key] for each in found] for key in ("jsd", "passes", "time")}
        each = " ".join(f"{value:.3f}" for value in mine["jsd"])
        cells = (name, mine["passes"][0], shown(mine["time"], ".2f"), shown(mine["jsd"]), each)
        rows.append(f"| {' | '.join(map(str, cells))} |")
        for axis, key in zip(axes, ("time", "passes"), strict=True):
            axis.plot(mine[key], mine["jsd"], "osD^vP*X"[place % 8], color=f"C{place}", label=name)
    axes[0].set(xlabel="processor time, the transformer's = 1", ylabel="JSD(P‖G), nats a sentence", yscale="log")
    axes[1].set(xlabel="passes of a network, one after another", xticks=(1, 2, 3, 4))
    axes[1].legend(frameon=False, fontsize=7, loc="lower left")
    figure.savefig(PAGE.with_suffix(".png"), dpi=120)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(settled(f"{before}{BEGIN}\n\n" + "\n".join(rows) + f"\n\n{END}{after}"))


def main() -> None:
    """``python -m studies.rounds [FOLDER]``: one file a seed there (runs/rounds), played where it is missing."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/rounds")
    folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        kept = folder / f"{seed}.json"
        if not kept.exists():
            kept.write_text(json.dumps(dict(played(seed)), indent=2))
    write([json.loads((folder / f"{seed}.json").read_text()) for seed in SEEDS])


if __name__ == "__main__":
    main()
