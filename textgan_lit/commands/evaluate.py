"""Measures a run's samples, or those of a file, against the sentences of another, by every proxy of metrics=text.

Twice -n sentences are drawn from all of --data, by the seed: half of them are what samples are compared with, the
others teach the language model. Other proxies, or other settings of theirs, are asked for in training's own overrides:
metrics=mauve, metrics.closing.frechet.features=FOLDER.

With --samples there is no RUN: both files are cut at blanks, and at most -n of the samples are drawn, too.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from textgan_lit.cli import CONF
from textgan_lit.commands import input, opening
from textgan_lit.errors import UserError, shown
from textgan_lit.run import files, terminal
from textgan_lit.run.closing_table import estimate

if TYPE_CHECKING:
    from textgan_lit.inference import Run
    from textgan_lit.types import TextBatch, Vocab

FEWEST = 20  # sentences on each side
OF_A_RUN = ("checkpoint", "trust", "device", "temperature", "top_k", "top_p")
One = TypeVar("One")
COUNTED = ("lines", "cut", "unknown", "short")  # of the file


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    opening.arguments(parser, nargs="?")
    parser.add_argument("overrides", nargs="*", metavar="metrics…=VALUE", help="as for textgan-train: metrics=mauve …")
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences, in a file as training takes it")
    parser.add_argument("--samples", metavar="FILE", help="sentences in place of a run's; no RUN is given then")
    parser.add_argument("-n", type=int, default=1000, help="sentences on each side, at most (%(default)s)")
    parser.add_argument("--seed", default=0, help="of the sentences that are drawn, and of the samples (%(default)s)")
    input.arguments(parser)
    parser.add_argument("--json", metavar="OUT", help="a file for the numbers")
    return parser


def run(options: argparse.Namespace) -> int:
    if options.json and not Path(options.json).parent.is_dir():
        raise UserError(f"--json {options.json}: there is no such folder. Give one that exists.")
    seed = opening.number(options.seed, int, "--seed")
    if options.samples is not None:
        return _files(options, seed)
    if options.run is None:
        raise UserError("What is measured? Give a RUN, or --samples FILE.")
    config = chosen(options.overrides)
    opened, counted = opening.opened(options), Counter(dict.fromkeys(COUNTED, 0))
    vocab, length = opened.vocab, opened.generator.max_length
    with input.opened(options.data) as file:
        lines = (row.text for row in input.rows(file, options.data, options, opened) if row.text)
        found = drawn(usable(lines, vocab, length, counted), 2 * options.n, seed)
    n = _enough(len(found) // 2, options.data, options)
    real, others = (_batch(some, vocab, length) for some in (found[:n], found[n : 2 * n]))
    numbers = measured(opened, config, real, others, seed)
    able = counted["lines"] - counted["unknown"] - counted["short"]
    said = "{lines:,} lines: {cut:,} cut, {unknown:,} left out for a token that is not known, {short:,} as too short."
    said += f" Of the other {able:,}, {n:,} are compared and {n:,} teach, drawn by seed {seed}."
    _tell(numbers, said.format(**counted), {"lines": counted, "n": n, "seed": seed}, options)
    return 0


def _files(options: argparse.Namespace, seed: int) -> int:
    """Measures a file's sentences in place of a run's samples, in the vocabulary of all that is looked at."""
    from textgan_lit.types import Vocab

    usual = parser()
    given = [f"--{name.replace('_', '-')}" for name in OF_A_RUN if getattr(options, name) != usual.get_default(name)]
    if given:
        raise UserError(f"{', '.join(given)}: of a run, and with --samples there is none. Leave it out.")
    config = chosen([*filter(None, [options.run]), *options.overrides])
    counted = Counter()
    # by lots of their own, so that others are drawn from a file that is given twice
    samples = drawn(_texts("samples", options, counted), options.n, f"{seed} samples")
    data = drawn(_texts("data", options, counted), 2 * options.n, seed)
    n = _enough(min(len(samples), len(data) // 2), f"{options.samples}, {options.data}", options)
    texts = [*samples[:n], *data[: 2 * n]]
    vocab = Vocab(tuple(sorted({token for text in texts for token in text.split()})), has_eos=True)
    ids = [[*vocab.encode(text), vocab.eos] for text in texts]
    longest = max(map(len, ids))
    fake, real, others = (_batch(ids[at : at + n], vocab, longest) for at in (0, n, 2 * n))
    numbers = beside(config, vocab, longest, real, others, lambda: fake)
    said = f"{n:,} of {counted['samples']:,} samples are compared with {n:,} of {counted['data']:,} sentences"
    said += f", {n:,} others teach, drawn by seed {seed}."
    _tell(numbers, said, {"lines": counted, "n": n, "seed": seed}, options)
    return 0


def _texts(option: str, options: argparse.Namespace, counted: Counter[str]) -> Iterator[str]:
    name = getattr(options, option)
    with input.opened(name) as file:
        for row in input.rows(file, name, options, None):
            if row.text:
                counted[option] += 1
                yield row.text


def _enough(n: int, given: str, options: argparse.Namespace) -> int:
    if n < FEWEST:
        raise UserError(f"{given} and -n {options.n} leave {n} sentences a side. At least {FEWEST} are needed.")
    return n


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


def drawn(sentences: Iterable[One], most: int, seed: int | str) -> list[One]:
    """At most so many of the sentences, in random order, each as likely as any other; no more of them are held."""
    lots = random.Random(f"evaluate {seed}")
    found = heapq.nsmallest(most, ((lots.random(), number, one) for number, one in enumerate(sentences)))
    return [one for _, _, one in found]


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
    from textgan_lit.noise import Noise
    from textgan_lit.types import TextBatch

    real, others = (TextBatch(*(part.to(opened.device) for part in text)) for text in (real, others))
    generator = opened.generator

    def write() -> TextBatch:
        noise = Noise(seed, "evaluate", device=opened.device).uniform(len(real.tokens), generator.uniforms)
        return generator.sample(noise, opened.policy).batch

    return beside(config, opened.vocab, generator.max_length, real, others, write)


def beside(
    config: dict[str, Any],
    vocab: Vocab,
    max_length: int,
    real: TextBatch,
    others: TextBatch,
    write: Callable[[], TextBatch],
) -> dict[str, float]:
    """Every number of what ``write`` gives beside the real sentences."""
    from textgan_lit.build import experiment

    def sentences(split: str) -> TextBatch:
        if split != "valid":  # copies of training sentences are then not counted
            raise UserError(f"A finished run does not keep its {split} sentences.")
        return others

    source = SimpleNamespace(vocab=vocab, max_length=max_length, sentences=sentences)
    stages = experiment.metrics(config, source)  # before the samples: what is wrong or missing is said at once
    fake = write()
    proxies = [proxy for stage in stages.values() for proxy in stage.values()]
    return {key: float(value) for proxy in proxies for key, value in proxy.measure(real, fake).items()}


def _tell(numbers: dict[str, float], said: str, known: dict[str, Any], options: argparse.Namespace) -> None:
    """The table with a line below, and the file."""
    from rich.table import Table

    table = Table(title=f"{options.samples or 'Samples'} beside {options.data}", title_justify="left")
    for name in ("", "samples", "real sentences"):
        table.add_column(name, justify="right" if name else "left")
    for key, value in numbers.items():
        if not key.endswith(("_se", "_real")):
            cells = [_cell(numbers, key, value), _cell(numbers, f"{key}_real", numbers.get(f"{key}_real"))]
            table.add_row(key.partition("/")[2].replace("_", " "), *cells)
    console = terminal.console()
    console.print(table)
    console.print(said, highlight=False)
    if options.json:
        files.replace(Path(options.json), json.dumps({**known, "numbers": numbers}, indent=2) + "\n")


def _cell(numbers: dict[str, float], key: str, value: Any) -> str:
    if value is None:
        return "–"
    return estimate(value, numbers.get(f"{key}_se"))
