"""What a run's players make of sentences: log-probability in nats, per token, and D's probability "real".

A file is read as training reads its own: by its ending, with the column that the run was taught. What generate wrote as
jsonl is scored by its tokens, unless --column asks for text. A summary goes to standard error. See docs/commands.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import TYPE_CHECKING, NamedTuple

from textgan_lit.commands import input, opening, output
from textgan_lit.errors import UserError, shown
from textgan_lit.run import terminal

if TYPE_CHECKING:
    from rich.text import Text

    from textgan_lit.data.file_reader import Row
    from textgan_lit.inference import Run, Sentence

SHADES = ("black on #fff5eb", "black on #fdd0a2", "black on #fdae6b", "black on #f16913", "bright_white on #a63603")
END = "⏎"  # in the heat view: the sentence ends here by eos


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    opening.arguments(parser)
    parser.add_argument(
        "file", metavar="FILE", help="sentences, as training takes them; - reads lines of standard input"
    )
    input.arguments(parser)
    parser.add_argument("--tokens", action="store_true", help="each token's numbers, too; on a terminal a heat view")
    parser.add_argument("--skip", action="store_true", help="go on without lines that this run could not have written")
    output.arguments(parser, ("table", "jsonl"))
    return parser


def run(options: argparse.Namespace) -> int:
    with input.opened(options.file) as file, output.opened(options) as out:
        size = input.size(file)
        run, seen = opening.opened(options), Summary()
        if not run.exact:
            raise UserError(
                f"{type(run.generator).__name__} does not know log G of a sentence, only a bound on its mean "
                "(truth/nll_test_bound in the run's metrics). Give a run of another generator, such as lstm."
            )
        show = (_as_jsonl if output.wants_jsonl(options) else _as_table)(run, options.tokens, out)
        with output.bar("read", size, out) as advance:
            for sentence in run.score(_encoded(run, file, options, seen, advance)):
                seen.add(sentence)
                show(sentence)
    print(seen, file=sys.stderr)
    return 0


def _encoded(
    run: Run, file: BufferedIOBase, options: argparse.Namespace, seen: Summary, advance: Callable[[int], None]
) -> Iterator[list[int]]:
    """The sentences as ids, row by row."""

    def skip(error: UserError) -> None:
        if not options.skip:
            raise UserError(f"{error} Or --skip such lines.") from error
        seen.skipped += 1

    before = 0
    for row in input.rows(file, options.file, options, run, skip, tokens=options.column is None):
        if file.seekable():
            advance(file.tell() - before)
            before = file.tell()
        try:
            if (sentence := _sentence(row, run)) == "":  # as training leaves it out
                seen.blank += 1
                continue
            ids = run.encode(sentence)
        except UserError as error:
            skip(UserError(f"{row.where}: {error}"))
        else:
            yield ids


def _sentence(row: Row, run: Run) -> str | list[int]:
    """A row's text; of a record that ``textgan generate`` wrote, its tokens, which its text might not be cut into."""
    if not row.record:
        return row.text
    tokens = row.record["tokens"]
    text = run.vocab.text(run.encode(tokens))
    if text != row.record["text"]:
        raise UserError(f"Its tokens say {shown(text)} here, unlike its text. Score another run's with --column text.")
    return tokens


@dataclass
class Summary:
    """What is said at the end. A sentence's end by eos counts as a token, as in every NLL here."""

    sentences: int = 0
    tokens: int = 0
    nats: float = 0.0
    judged: int = 0
    real: float = 0.0
    blank: int = 0
    skipped: int = 0

    def add(self, sentence: Sentence) -> None:
        self.sentences += 1
        self.tokens += len(sentence.tokens)
        self.nats -= sentence.log_probability
        if sentence.real:
            self.judged += 1
            self.real += sentence.real[-1]

    def __str__(self) -> str:
        said = [f"{self.sentences:,} sentences, {self.tokens:,} tokens"]
        if self.tokens:
            nll = self.nats / self.tokens
            said.append(f"NLL {nll:.4f} nats a token, perplexity {math.exp(nll) if nll < 700 else math.inf:.4g}")
        if self.judged:
            said.append(f'D\'s mean probability "real" {self.real / self.judged:.4f}')
        if self.blank:
            said.append(f"{self.blank:,} blank lines left out")
        if self.skipped:
            said.append(f"{self.skipped:,} lines skipped")
        return "; ".join(said)


def _as_jsonl(run: Run, tokens: bool, out: output.Stream) -> Callable[[Sentence], None]:
    def show(sentence: Sentence) -> None:
        found = output.record(sentence)
        found["per_token"] = output.digits(sentence.log_probability / len(sentence.tokens))
        if tokens:
            names = [run.vocab.tokens[token] if token != run.vocab.eos else None for token in sentence.tokens]
            found["by_token"] = [[name, output.digits(x)] for name, x in zip(names, sentence.logp, strict=True)]
            if _judges_tokens(run):
                found["real_by_token"] = [output.digits(x) for x in sentence.real]
        out.write(json.dumps(found, ensure_ascii=False) + "\n")

    return show


def _judges_tokens(run: Run) -> bool:
    return run.discriminator is not None and run.discriminator.scores == "token"


def _as_table(run: Run, tokens: bool, out: output.Stream) -> Callable[[Sentence], None]:
    real = "  D: real" if run.discriminator is not None else ""
    head = f"{'log G':>10}  {'per token':>9}{real}  "
    heat = Heat(run, out, len(head)) if tokens else None
    started = False

    def show(sentence: Sentence) -> None:
        nonlocal started
        if not started:  # with the first row, not before a refusal
            if heat:
                heat.show_legend()
            out.write(head + "sentence\n")
            started = True
        total = sentence.log_probability
        row = f"{total:>10.3f}  {total / len(sentence.tokens):>9.3f}"
        row += f"  {sentence.real[-1]:>7.4f}  " if sentence.real else "  "
        out.write(row if heat else row + output.one_line(sentence.text) + "\n")
        if heat:
            heat.show(sentence)

    return show


class Cell(NamedTuple):
    """A token with its colour, and what stands below it."""

    token: str
    shade: str
    below: list[str]

    @property
    def width(self) -> int:
        from rich.cells import cell_len

        return max(map(cell_len, [self.token, *self.below]))


class Heat:
    """Sentences whose tokens are coloured by how much they surprise the generator, −log G, beside a column of numbers.

    What a blind guess would be surprised, log V, is the measure: the darkest shade is for more than that. Without
    colours the number stands below each token. Below that D's probability, where it judges after each token.
    """

    def __init__(self, run: Run, out: output.Stream, indent: int):
        self.run, self.indent, self.out = run, indent, terminal.unguarded(out)
        self.console = terminal.console_on(self.out)
        self.guess = math.log(max(run.vocab.size, 2))
        self.coloured = self.console.color_system is not None and not self.console.no_color
        self.room = max(20, self.console.width - indent) if self.console.is_terminal else math.inf

    def show_legend(self) -> None:
        from rich.text import Text

        line = Text("−log G of each token, in nats: ")
        if self.coloured:
            for place, shade in enumerate(SHADES[:-1]):
                line.append(f" {self.guess * place / 4:.1f}–{self.guess * (place + 1) / 4:.1f} ", shade)
            line.append(f" more than a blind guess, log {self.run.vocab.size:,} ", SHADES[-1])
        else:
            line.append(f"below it; a blind guess has log {self.run.vocab.size:,} = {self.guess:.1f}")
        if _judges_tokens(self.run):
            line.append(". Below: D's probability after it")
        self._draw(line)

    def show(self, sentence: Sentence) -> None:
        """The tokens in lines as wide as the terminal; the first goes on after the numbers."""
        from rich.text import Text

        cells, lines = list(self._cells(sentence)), []
        for row in _wrapped(cells, self.room):
            tokens = Text()
            for cell in row:
                tokens.append(_pad(cell.token, cell.width), cell.shade if self.coloured else "").append(" ")
            lines.append(tokens)
            for below in zip(*(cell.below for cell in row), strict=True):
                lines.append(Text("".join(f"{_pad(some, c.width)} " for some, c in zip(below, row, strict=True))))
        for number, line in enumerate(lines):
            line.rstrip()
            line.pad_left(self.indent if number else 0)
            self._draw(line)

    def _cells(self, sentence: Sentence) -> Iterator[Cell]:
        tokens = self.run.vocab.tokens
        for place, (token, logp) in enumerate(zip(sentence.tokens, sentence.logp, strict=True)):
            below = [] if self.coloured else [f"{-logp:.1f}"]
            if _judges_tokens(self.run):
                below.append(f"{sentence.real[place]:.2f}")
            shade = SHADES[int(min(4.0, -logp / self.guess * 4))]
            yield Cell(output.one_line(tokens[token]) if token < len(tokens) else END, shade, below)

    def _draw(self, line: Text) -> None:
        with self.console.capture() as drawn:
            self.console.print(line, soft_wrap=True, highlight=False)
        self.out.write(drawn.get())


def _wrapped(cells: list[Cell], room: int | float) -> Iterator[list[Cell]]:
    row: list[Cell] = []
    for cell in cells:
        if row and sum(some.width + 1 for some in [*row, cell]) > room:
            yield row
            row = []
        row.append(cell)
    if row:
        yield row


def _pad(text: str, width: int) -> str:
    from rich.cells import cell_len

    return text + " " * (width - cell_len(text))
