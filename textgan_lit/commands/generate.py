r"""Writes sentences with a run's generator, one a line.

The same seed gives the same sentences, and the first n of them whatever -n is. In text format a line break inside a
sentence is written as \n, so that it stays one line; jsonl keeps it, beside the sentence's tokens, its log_probability
(nats, as textgan score gives it), its tokens (how many) and, where the run has a discriminator, D's probability
that it is real. Of text is said how many sentences textgan score would read otherwise; jsonl it reads as it was.
<unk> is never written unless --unknown asks for it.

With --prompts, sentences that begin with each line of a file, in its order. With --interpolate, the sentences between
two latents, a blank line between two ways. See docs/commands.md.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from textgan_lit.commands import input, opening, output
from textgan_lit.data.file_reader import load
from textgan_lit.data.format import Format
from textgan_lit.errors import PATH, UserError, shown

if TYPE_CHECKING:
    from textgan_lit.inference import Run, Sentence


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan generate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    opening.arguments(parser)
    parser.add_argument("-n", metavar="N", help="how many (1000), or of each prompt (1)")
    parser.add_argument("--seed", default=0, help="(%(default)s)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--candidates", metavar="N", default=1, help="the discriminator chooses each from N (%(default)s)")
    how.add_argument(
        "--interpolate", metavar="STEPS", help="-n ways from one latent to another, of so many sentences each"
    )
    how.add_argument("--infill", metavar="TEXT", help="-n sentences of these tokens, with others in place of each _")
    how.add_argument("--prompts", metavar="FILE", help="sentences that begin with each of its lines; -: standard input")
    parser.add_argument("--unknown", action="store_true", help="write <unk>, too, where the generator draws it")
    output.arguments(parser, ("text", "jsonl"))
    return parser


def run(options: argparse.Namespace) -> int:
    with output.opened(options) as out:
        many = options.n or (1000 if options.prompts is None else 1)
        n = opening.number(many, Annotated[int, Ge(0)], "-n")
        seed = opening.number(options.seed, int, "--seed")
        candidates = opening.number(options.candidates, Annotated[int, Ge(1)], "--candidates")
        jsonl, opened = output.wants_jsonl(options), opening.opened(options)
        if options.interpolate is not None:
            steps = opening.number(options.interpolate, Annotated[int, Ge(2)], "--interpolate")
            ways = opened.interpolate(n, steps, seed, options.unknown)
        elif options.infill is not None:
            ways = ([sentence] for sentence in opened.infill(options.infill, n, seed))
        elif options.prompts is not None:
            prompts = _prompts(options.prompts)
            ways = [opened.write(n, seed, 1, jsonl, options.unknown, prompt) for prompt in prompts]
        else:
            ways = ([sentence] for sentence in opened.write(n, seed, candidates, jsonl, options.unknown))
        total, lost = 0, 0
        with output.bar("sentences", n if options.prompts is None else len(ways), out) as advance:
            for number, way in enumerate(ways):
                if number and options.interpolate is not None and not jsonl:
                    out.write("\n")
                for sentence in way:
                    line = _line(sentence, jsonl)
                    out.write(line + "\n")
                    total, lost = total + 1, lost + (not jsonl and not _comes_back(opened, line, sentence))
                advance(1)
    if lost:
        print(
            f"{lost:,} of {total:,} sentences would be read from this text as other tokens, or not at all. "
            "--format jsonl keeps their tokens, which textgan score takes.",
            file=sys.stderr,
        )
    return 0


def _prompts(name: str) -> list[str]:
    with input.opened(name) as file:
        rows = list(load(file, "standard input" if name == "-" else name, Format(kind="txt")))
    blank = next((row.where for row in rows if not row.text), None if rows else shown(name, PATH))
    if blank is not None:
        raise UserError(f"{blank} is blank: wanted what sentences are to begin with.")
    return [row.text for row in rows]


def _line(sentence: Sentence, jsonl: bool) -> str:
    return json.dumps(output.record(sentence), ensure_ascii=False) if jsonl else output.one_line(sentence.text)


def _comes_back(run: Run, line: str, sentence: Sentence) -> bool:
    """Whether ``textgan score`` finds in a line of text the tokens that were written."""
    try:
        (row,) = load(io.BytesIO(f"{line}\n".encode(errors="replace")), "", Format(kind="txt"))
        return bool(row.text) and run.encode(row.text) == sentence.tokens
    except UserError:
        return False
