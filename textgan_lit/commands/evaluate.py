"""Measures a finished run's samples against the sentences of a file, by every proxy of metrics=text.

Twice -n sentences are drawn from all of the file, by the seed: half of them are what samples are compared with, the
others teach the language model. Other proxies, or other settings of theirs, are asked for in training's own overrides:
metrics=mauve, metrics.closing.frechet.features=FOLDER.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from textgan_lit.cli import CONF
from textgan_lit.commands import input, opening
from textgan_lit.errors import UserError, shown
from textgan_lit.run import files, terminal
from textgan_lit.run.closing_table import estimate

if TYPE_CHECKING:
    from textgan_lit.inference import Run
    from textgan_lit.types import TextBatch, Vocab

FEWEST = 20  # sentences on each side
COUNTED = ("lines", "cut", "unknown", "short")  # of the file


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    opening.arguments(parser)
    parser.add_argument("overrides", nargs="*", metavar="metrics…=VALUE", help="as for textgan-train: metrics=mauve …")
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences, in a file as training takes it")
    parser.add_argument("-n", type=int, default=1000, help="sentences on each side, at most (%(default)s)")
    parser.add_argument("--seed", default=0, help="of the sentences that are drawn, and of the samples (%(default)s)")
    input.arguments(parser)
    parser.add_argument("--json", metavar="OUT", help="a file for the numbers")
    return parser


def run(options: argparse.Namespace) -> int:
    if options.json and not Path(options.json).parent.is_dir():
        raise UserError(f"--json {options.json}: there is no such folder. Give one that exists.")
    seed = opening.number(options.seed, int, "--seed")
    config = chosen(options.overrides)
    opened, counted = opening.opened(options), Counter(dict.fromkeys(COUNTED, 0))
    vocab, length = opened.vocab, opened.generator.max_length
    with input.opened(options.data) as file:
        lines = (row.text for row in input.rows(file, options.data, options, opened) if row.text)
        found = drawn(usable(lines, vocab, length, counted), 2 * options.n, seed)
    n = len(found) // 2
    if n < FEWEST:
        raise UserError(f"{options.data} and -n {options.n} leave {n} sentences a side. At least {FEWEST} are needed.")
    real, others = (_batch(some, vocab, length) for some in (found[:n], found[n : 2 * n]))
    numbers = measured(opened, config, real, others, seed)
    _show(numbers, counted, n, options)
    if options.json:
        said = {"lines": counted, "n": n, "seed": seed, "numbers": numbers}
        files.replace(Path(options.json), json.dumps(said, indent=2) + "\n")
    return 0


def usable(lines: Iterable[str], vocab: Vocab, max_length: int, counted: Counter[str]) -> Iterator[list[int]]:
    """The sentences as ids, one after another; ``counted`` is told what is cut or left out, and why."""
    for line in lines:
        counted["lines"] += 1
        try:
            ids = vocab.encode(line)
        except UserError:
            counted["unknown"] += 1
            continue
        if vocab.eos is None and len(ids) < max_length:
            counted["short"] += 1
            continue
        counted["cut"] += len(ids) > max_length  # one that only lacks its eos was cut where G would be, too
        yield (ids if vocab.eos is None else [*ids, vocab.eos])[:max_length]


def drawn(sentences: Iterable[list[int]], most: int, seed: int) -> list[list[int]]:
    """At most so many of the sentences, in random order, each as likely as any other; no more of them are held."""
    lots = random.Random(f"evaluate {seed}")
    found = heapq.nsmallest(most, ((lots.random(), number, ids) for number, ids in enumerate(sentences)))
    return [ids for _, _, ids in found]


def _batch(sentences: list[list[int]], vocab: Vocab, max_length: int) -> TextBatch:
    import torch

    from textgan_lit.types import TextBatch

    tokens = torch.tensor([ids + [vocab.pad] * (max_length - len(ids)) for ids in sentences])
    return TextBatch(tokens, tokens != vocab.pad)


def chosen(overrides: list[str]) -> dict[str, Any]:
    """The configuration of what the overrides ask for."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    for override in overrides:
        if not re.match(r"[+~]{0,2}metrics[.=@]", override):
            raise UserError(
                f"{shown(override)}: wanted what is measured, such as metrics=mauve. A run stays what it was."
            )
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", ["metrics=text", *overrides])
    return {"metrics": OmegaConf.to_container(composed.metrics)}


def measured(opened: Run, config: dict[str, Any], real: TextBatch, others: TextBatch, seed: int) -> dict[str, float]:
    """Every number of as many samples as there are sentences in ``real``; ``others`` teach what has to be taught."""
    from textgan_lit.build import experiment
    from textgan_lit.noise import Noise
    from textgan_lit.types import TextBatch

    real, others = (TextBatch(*(part.to(opened.device) for part in text)) for text in (real, others))
    generator = opened.generator

    def sentences(split: str) -> TextBatch:
        if split != "valid":  # copies of training sentences are then not counted
            raise UserError(f"A finished run does not keep its {split} sentences.")
        return others

    source = SimpleNamespace(vocab=opened.vocab, max_length=generator.max_length, sentences=sentences)
    stages = experiment.metrics(config, source)  # before the samples: what is wrong or missing is said at once
    noise = Noise(seed, "evaluate", device=opened.device).uniform(len(real.tokens), generator.uniforms)
    fake = generator.sample(noise, opened.policy).batch
    proxies = [proxy for stage in stages.values() for proxy in stage.values()]
    return {key: float(value) for proxy in proxies for key, value in proxy.measure(real, fake).items()}


def _show(numbers: dict[str, float], counted: Counter[str], n: int, options: argparse.Namespace) -> None:
    from rich.table import Table

    table = Table(title=f"Samples beside {options.data}", title_justify="left")
    for name in ("", "samples", "real sentences"):
        table.add_column(name, justify="right" if name else "left")
    for key, value in numbers.items():
        if not key.endswith(("_se", "_real")):
            cells = [_cell(numbers, key, value), _cell(numbers, f"{key}_real", numbers.get(f"{key}_real"))]
            table.add_row(key.partition("/")[2].replace("_", " "), *cells)
    console = terminal.console()
    console.print(table)
    able = counted["lines"] - counted["unknown"] - counted["short"]
    said = "{lines:,} lines: {cut:,} cut, {unknown:,} left out for a token that is not known, {short:,} as too short."
    said += f" Of the other {able:,}, {n:,} are compared and {n:,} teach, drawn by seed {options.seed}."
    console.print(said.format(**counted), highlight=False)


def _cell(numbers: dict[str, float], key: str, value: Any) -> str:
    if value is None:
        return "–"
    return estimate(value, numbers.get(f"{key}_se"))
