"""Compares a model's gradient with what it is said to descend, on worlds small enough to know the answer.

Exit code 0: every claim holds; 1: some do not, or noise hides them. See docs/audit.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgan_lit.cli import CONF
from textgan_lit.errors import UserError
from textgan_lit.run import terminal

if TYPE_CHECKING:
    from textgan_lit.audit.finding import Finding
    from textgan_lit.types import Vocab

WORLDS = {"fixed length": "data.oracle.variable=false", "with eos": "data.oracle.variable=true"}
LEGEND = """\
cosine: of mean and exact gradient (due: what noise leaves of 1). along: the mean's part along it, 1 where it is right.
aside: all other parts, in standard errors. variance: sentences until noise is as long as signal. See docs/audit.md."""
SMALL = ("data=tiny", "data.train=20000", "data.oracle.vocab_size=3", "data.oracle.length=3")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for textgan-train: model=seqgan …")
    parser.add_argument("--batches", type=_at_least(20), default=200, help="gradients to average (%(default)s)")
    parser.add_argument("--batch", type=_at_least(2), default=32, help="sentences in each (%(default)s)")
    parser.add_argument("--steps", type=_at_least(0), default=50, help="steps that D is taught (%(default)s)")
    parser.add_argument("--config-dir", metavar="DIR", help="a folder of your own groups and options")
    parser.add_argument("--json", action="store_true", help="numbers on standard output instead of a table")
    return parser


def run(options: argparse.Namespace) -> int:
    worlds = WORLDS
    if any(override.lstrip("+").startswith("data.oracle.variable=") for override in options.overrides):
        worlds = {"as given": ""}
    given = {
        name: composed([*filter(None, [world]), *options.overrides], options.config_dir)
        for name, world in worlds.items()
    }
    if given.keys() == WORLDS.keys() and _pretrained(given["with eos"]):
        del given["fixed length"]  # such a model ends its sentences
    found = {name: audited(config, options) for name, config in given.items()}
    if options.json:
        print(json.dumps(_plain(found, options), indent=2, ensure_ascii=False))
    else:
        _show(found, " ".join(options.overrides) or "model=minimax")
    return 0 if all(finding.passed for findings in found.values() for finding in findings) else 1


def audited(config: dict[str, Any], options: argparse.Namespace) -> list[Finding]:
    """What is found of the model that a configuration, as :func:`composed` gives it, describes."""
    import torch

    from textgan_lit.audit.measure import audit
    from textgan_lit.build import experiment

    torch.set_num_threads(config["threads"])
    torch.manual_seed(config["seed"])
    data = experiment.data(config)
    with tempfile.TemporaryDirectory() as folder:
        if _pretrained(config):
            data.vocab = _in_small(config["model"]["generator"], data.vocab, Path(folder))
        system = experiment.system(config, data)
    return audit(system, data.oracle, options.batches, options.batch, d_steps=options.steps)


def _pretrained(config: dict[str, Any]) -> bool:
    return config["model"]["generator"].get("_target_") == "textgan_lit.model.generator.pretrained.Pretrained"


def _in_small(generator: dict[str, Any], vocab: Vocab, folder: Path) -> Vocab:
    """Puts a model of the same kind that speaks the world's tokens in the place of the one that was named."""
    from textgan_lit.audit.miniature import miniature

    if not vocab.has_eos:
        raise UserError("A pretrained language model ends its sentences. Leave data.oracle.variable=false out.")
    letters = "".join(chr(ord("一") + place) for place in range(len(vocab.tokens)))  # there are enough of them
    spoken = miniature(generator["name"], letters, folder, "model.generator.name")
    generator |= {"name": str(folder), "beginning": None, "dtype": "float32"}
    return spoken


def composed(overrides: list[str], folder: str | None = None) -> dict[str, Any]:
    """The configuration of a run on a small world, as plain containers."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    if any(override.startswith("data=") for override in overrides):
        raise UserError(
            "The audit lists every sentence of its world, which is data=tiny. Change that one, for example by "
            "data.oracle.vocab_size=4, data.oracle.sharpness=2 or data.oracle.seed=7."
        )
    own = [f"hydra.searchpath=[file://{Path(folder).absolute()}]"] if folder else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["logger=none", "name=audit", *SMALL, *overrides, *own])
    config.callbacks = {}
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def _at_least(least: int) -> Any:
    def number(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"{text}: wanted at least {least}")
        return value

    return number


def _plain(found: dict[str, list[Finding]], options: argparse.Namespace) -> dict[str, Any]:
    passed = all(finding.passed for findings in found.values() for finding in findings)
    rows = [{"world": world} | asdict(finding) for world, findings in found.items() for finding in findings]
    for row in rows:
        row["measured"] = [seen | {"agreement": seen["agreement"]._asdict()} for seen in row["measured"]]
    return {"overrides": options.overrides, "passed": passed, "findings": rows}


def _show(found: dict[str, list[Finding]], model: str) -> None:
    from rich.text import Text

    console = terminal.console()
    console.print(f"Gradient audit of {model}", highlight=False)
    for world, findings in found.items():
        console.print()
        console.print(_table(world, findings))
    console.print()
    console.print(Text(LEGEND, style="dim"), soft_wrap=True)
    console.print()
    for world, findings in found.items():
        for finding in findings:
            line = f"{world}, {finding.player}: {finding.summary} ({finding.seconds:.1f} s)"
            console.print(Text(line, style="green" if finding.passed else "red"), soft_wrap=True)


def _table(world: str, findings: list[Finding]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in (world, "descends", "batches"):
        table.add_column(name, no_wrap=True)
    for name in ("cosine (due)", "along", "aside", "variance"):
        table.add_column(name, justify="right", no_wrap=True)
    for finding in findings:
        for place, seen in enumerate(finding.measured):
            head = (finding.player, finding.claim) if place == 0 else ("", seen.setting)
            table.add_row(*head, *_numbers(seen))
    return table


def _numbers(seen: Any) -> tuple[str, ...]:
    found = seen.agreement
    return (
        f"{seen.batches} × {seen.batch}",
        f"{found.cosine:.3f} ({found.cosine_expected:.3f})",
        f"{found.along:.3f} ± {found.along_se:.3f}",
        f"{found.aside:.1f} SE",
        f"{seen.variance:.3g}",
    )
