"""Measures a finished run's samples against the sentences of a file, by every proxy of metrics=text.

Every second usable line is what samples are compared with; the others teach the language model. Other proxies, or other
settings of theirs, are asked for in training's own words: metrics=mauve, metrics.closing.frechet.features=FOLDER.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from textgan_lit import folder
from textgan_lit.cli import CONF
from textgan_lit.closing import estimate
from textgan_lit.commands import input, opening
from textgan_lit.errors import UserError, shown

if TYPE_CHECKING:
    from textgan_lit.run import Run
    from textgan_lit.types import TextBatch, Vocab

FEWEST = 20  # sentences on each side


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    opening.arguments(parser)
    parser.add_argument("overrides", nargs="*", metavar="metrics…=VALUE", help="as for textgan-train: metrics=mauve …")
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences, in a file as training takes it")
    parser.add_argument("-n", type=int, default=1000, help="sentences on each side, at most (%(default)s)")
    input.arguments(parser)
    parser.add_argument("--json", metavar="OUT", help="a file for the numbers")
    return parser


def run(options: argparse.Namespace) -> int:
    if options.json and not Path(options.json).parent.is_dir():
        raise UserError(f"--json {options.json}: there is no such folder. Give one that exists.")
    config = chosen(options.overrides)
    opened = opening.opened(options)
    with input.opened(options.data) as file:
        sentences = [row.text for row in input.rows(file, options.data, options, opened) if row.text]
    text, counted = read(sentences, opened.vocab, opened.generator.max_length)
    n = min(options.n, len(text.tokens) // 2)
    if n < FEWEST:
        raise UserError(f"{options.data} and -n {options.n} leave {n} sentences a side. At least {FEWEST} are needed.")
    numbers = measured(opened, config, text, n)
    _show(numbers, counted, options)
    if options.json:
        folder.replace(Path(options.json), json.dumps({"lines": counted, "numbers": numbers}, indent=2) + "\n")
    return 0


def read(lines: list[str], vocab: Vocab, max_length: int) -> tuple[TextBatch, dict[str, int]]:
    """The usable sentences, and how many were cut, or left out for a word that is not known or for their length."""
    import torch

    from textgan_lit.types import TextBatch

    counted, found = {"lines": len(lines), "cut": 0, "unknown": 0, "short": 0}, []
    for line in lines:
        try:
            words = vocab.encode(line)
        except UserError:
            counted["unknown"] += 1
            continue
        counted["cut"] += len(words) > max_length  # one that only lacks its eos was cut where G would be, too
        ended = (words if vocab.eos is None else [*words, vocab.eos])[:max_length]
        if vocab.eos is None and len(ended) < max_length:
            counted["short"] += 1
            continue
        found.append(ended + [vocab.pad] * (max_length - len(ended)))
    tokens = torch.tensor(found, dtype=torch.long).view(-1, max_length)
    return TextBatch(tokens, tokens != vocab.pad), counted


def chosen(overrides: list[str]) -> dict[str, Any]:
    """The configuration of what the words ask for."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    for word in overrides:
        if not re.match(r"[+~]{0,2}metrics[.=@]", word):
            raise UserError(f"{shown(word)}: wanted what is measured, such as metrics=mauve. A run stays what it was.")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", ["metrics=text", *overrides])
    return {"metrics": OmegaConf.to_container(composed.metrics)}


def measured(opened: Run, config: dict[str, Any], text: TextBatch, n: int) -> dict[str, float]:
    from textgan_lit import build
    from textgan_lit.noise import Noise
    from textgan_lit.sampling import sample
    from textgan_lit.types import TextBatch

    real, others = (TextBatch(*(part[half::2][:n].to(opened.device) for part in text)) for half in range(2))
    generator = opened.generator

    def sentences(split: str) -> TextBatch:
        if split != "valid":  # copies of training sentences are then not counted
            raise UserError(f"A finished run does not keep its {split} sentences.")
        return others

    source = SimpleNamespace(vocab=opened.vocab, max_length=generator.max_length, sentences=sentences)
    stages = build.metrics(config, source)  # before the samples: what is wrong or missing is said at once
    noise = Noise(0, "evaluate", device=opened.device).uniform(n, generator.uniforms)
    fake = sample(generator, noise, opened.policy).batch
    proxies = [proxy for stage in stages.values() for proxy in stage.values()]
    return {key: float(value) for proxy in proxies for key, value in proxy.measure(real, fake).items()}


def _show(numbers: dict[str, float], counted: dict[str, int], options: argparse.Namespace) -> None:
    from rich import get_console
    from rich.table import Table

    table = Table(title=f"Samples beside {options.data}", title_justify="left")
    for name in ("", "samples", "real sentences"):
        table.add_column(name, justify="right" if name else "left")
    for key, value in numbers.items():
        if not key.endswith(("_se", "_real")):
            cells = [_cell(numbers, key, value), _cell(numbers, f"{key}_real", numbers.get(f"{key}_real"))]
            table.add_row(key.partition("/")[2].replace("_", " "), *cells)
    console = get_console()
    console.print(table)
    said = "{lines:,} lines: {cut:,} cut, {unknown:,} left out for a word that is not known, {short:,} as too short."
    console.print(said.format(**counted), highlight=False)


def _cell(numbers: dict[str, float], key: str, value: Any) -> str:
    if value is None:
        return "–"
    return estimate(value, numbers.get(f"{key}_se"))
