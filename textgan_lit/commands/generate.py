r"""Writes sentences with a run's generator, one a line.

The same seed gives the same sentences, and the first n of them whatever -n is. In text format a line break inside a
sentence is written as \n, so that it stays one line; jsonl keeps it, beside the sentence's log_probability (nats, under
the policy that wrote it), its words (how many) and, where the run has a discriminator, D's probability that it is real.
See docs/commands.md.
"""

from __future__ import annotations

import argparse
import json
from typing import Annotated

from annotated_types import Ge

from textgan_lit.commands import opening, output


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan generate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    opening.arguments(parser)
    parser.add_argument("-n", metavar="N", default=1000, help="how many (%(default)s)")
    parser.add_argument("--seed", default=0, help="(%(default)s)")
    parser.add_argument(
        "--candidates", metavar="N", default=1, help="the discriminator chooses each from N (%(default)s)"
    )
    output.arguments(parser, ("text", "jsonl"))
    return parser


def run(options: argparse.Namespace) -> int:
    with output.opened(options) as out:
        n = opening.number(options.n, Annotated[int, Ge(0)], "-n")
        seed = opening.number(options.seed, int, "--seed")
        candidates = opening.number(options.candidates, Annotated[int, Ge(1)], "--candidates")
        jsonl = output.wants_jsonl(options)
        sentences = opening.opened(options).write(n, seed, candidates, judged=jsonl)
        with output.bar("sentences", n, out) as advance:
            for sentence in sentences:
                line = (
                    json.dumps(output.record(sentence), ensure_ascii=False) if jsonl else output.one_line(sentence.text)
                )
                out.write(line + "\n")
                advance(1)
    return 0
