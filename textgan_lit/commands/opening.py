"""The run that a command was given, opened as its options ask: ``RUN --checkpoint best --top-k 10 --device cuda``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from textgan_lit.errors import UserError

if TYPE_CHECKING:
    from textgan_lit.inference import Run
    from textgan_lit.model.policy import Policy


def arguments(parser: argparse.ArgumentParser, **run: Any) -> None:
    parser.add_argument("run", metavar="RUN", help="a run's folder, or one .ckpt file", **run)
    parser.add_argument("--checkpoint", choices=["last", "best"], default="last", help="of its folder (%(default)s)")
    parser.add_argument("--trust", metavar="PKG", action="append", default=[], help="a package of your own to admit")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(%(default)s)")
    policy = parser.add_argument_group(
        "policy", "instead of the run's own; temperature 1 where only the other is given"
    )
    policy.add_argument("--temperature", metavar="T", help="below 1 likelier tokens become likelier still")
    cut = policy.add_mutually_exclusive_group()
    cut.add_argument("--top-k", metavar="K", help="the K likeliest tokens alone")
    cut.add_argument("--top-p", metavar="P", help="the fewest tokens whose probabilities reach P")


def opened(options: argparse.Namespace) -> Run:
    policy = _policy(options)  # before the run: what is misspelt is said at once

    import torch

    from textgan_lit.inference import load
    from textgan_lit.types import Threads

    if options.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU that torch can use. Leave --device out.")
    run = load(options.run, options.checkpoint, options.trust)
    torch.set_num_threads(number(run.config.get("threads", 1), Threads, "threads"))
    players = [player and player.to(options.device) for player in (run.generator, run.discriminator)]
    return run._replace(generator=players[0], discriminator=players[1], policy=policy or run.policy)


def number(text: Any, wanted: Any, name: str) -> Any:
    """The number that ``text`` is, or one line that says what was wanted."""
    from textgan_lit.build.parts import setting

    return setting(text, wanted, name)


def _policy(options: argparse.Namespace) -> Policy | None:
    """What was asked for in place of the run's policy, if anything was."""
    given = {name: getattr(options, name) for name in ("temperature", "top_k", "top_p")}
    if all(text is None for text in given.values()):
        return None
    from textgan_lit.build.policy import policy

    return policy(given, lambda name: f"--{name.replace('_', '-')}")
