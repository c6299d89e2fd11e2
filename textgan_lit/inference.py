"""Opening a run that was played: what it wrote, measured and would write now, in a notebook."""

from __future__ import annotations

import difflib
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from textgan_lit.build import players
from textgan_lit.build.policy import policy
from textgan_lit.build.trust import vouched
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.infilling import beginning, between, continued, infill
from textgan_lit.model.policy import Policy, Without
from textgan_lit.noise import Noise
from textgan_lit.report import export, sections
from textgan_lit.report.record import begun, read
from textgan_lit.types import TextBatch, Vocab

GAP = "_"  # in a template: a token that is to be written
AT_ONCE, TOKENS = 256, 2**16  # sentences, and their tokens, written or scored side by side; changes no sentence


class Sentence(NamedTuple):
    """A sentence, and what the players make of it."""

    text: str
    tokens: list[int]  # its tokens, and eos where it ends with one
    logp: list[float]  # log G of each of them after those before, in nats, under the run's policy; empty if not known
    real: list[float]  # D's probability that it is real: after each of them, or one of the whole; empty without a D

    ended: bool  # by eos

    @property
    def log_probability(self) -> float | None:
        """None of a generator that does not know it exactly."""
        return math.fsum(self.logp) if self.logp else None


class Run(NamedTuple):
    """What is left of a run. ``discriminator`` is None where there was none, or where it needs the oracle.

    ``folder`` is None where it was opened from a file that lies in no run.
    """

    generator: Generator
    vocab: Vocab
    config: dict[str, Any]
    policy: Policy
    discriminator: Discriminator | None
    folder: Path | None = None

    def __repr__(self) -> str:
        names = [_named(player) for player in (self.generator, self.discriminator) if player is not None]
        place = f"Run {shown(str(self.folder), PATH)}" if self.folder else "Run"
        sizes = f"{len(self.vocab.tokens):,} tokens, at most {self.generator.max_length:,} a sentence"
        return f"<{place}: {' against '.join(names)}, {sizes}>"

    def __fspath__(self) -> str:
        """So that a run stands for its folder: ``compare([run, other])``."""
        if self.folder is None:
            raise UserError("This run's file lies in no run's folder. Load the folder: its numbers lie there.")
        return str(self.folder)

    def sample(
        self,
        n: int,
        seed: int = 0,
        candidates: int = 1,
        *,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        unknown: bool = False,
        prompt: str | Sequence[str] | None = None,
    ) -> list[str]:
        """n sentences as text, the same for the same seed; each one of ``candidates``, chosen by the discriminator.

        ``temperature``, ``top_k`` and ``top_p`` take the place of the run's own policy: see :meth:`under`. ``<unk>`` is
        never drawn unless ``unknown``, and sentences begin with the ``prompt``: see :meth:`write`. Of several prompts
        each has n, in their order, and the same ones as if it were alone.
        """
        run = self.under(temperature=temperature, top_k=top_k, top_p=top_p)
        prompts = [prompt] if prompt is None or isinstance(prompt, str) else prompt
        written = [run.write(n, seed, candidates, False, unknown, one) for one in prompts]  # all are refused or none
        return [sentence.text for sentence in itertools.chain.from_iterable(written)]

    def under(self, *, temperature: float | None = None, top_k: int | None = None, top_p: float | None = None) -> Run:
        """The same players under another policy: that of the k likeliest tokens, of the fewest tokens whose
        probabilities reach p, or of all; at ``temperature``, or 1. Without any of them the run's own policy stays."""
        chosen = policy({"temperature": temperature, "top_k": top_k, "top_p": top_p})
        return self._replace(policy=chosen or self.policy)

    def metrics(self, key: str | None = None) -> list[dict[str, Any]]:
        """What the run logged and evaluated, a row for each number of steps; ``pandas.DataFrame(run.metrics())``.

        With a ``key``, such as "truth/jsd", the rows that have it, and of them ``steps/all`` and the key alone. Numbers
        are those of metrics.csv and evaluations.jsonl: on the validation sentences; those under ``curve/`` are lists.

        Raises:
            UserError: this was not measured, or the run has no folder.
        """
        record, found = begun(Path(self)), dict[int, dict[str, Any]]()
        for left_out in record.left_out:
            warnings.warn(f"{self.folder} has {left_out}: left out.", stacklevel=2)
        for row in (*record.rows, *record.evaluations):
            found.setdefault(row["steps/all"], {}).update(row)
        rows = [found[steps] for steps in sorted(found)]
        if key is None:
            return rows
        if not any(key in row for row in rows):
            known = sorted({name for row in rows for name in row})
            near = ", ".join(difflib.get_close_matches(key, known, 4, 0.4) or known[:12]) or "nothing"
            raise UserError(f"metrics({shown(key)}): this run has no such number. Nearest: {near}.")
        return [{"steps/all": row["steps/all"], key: row[key]} for row in rows if key in row]

    def plot(self, name: str | None = None) -> export.Picture:
        """One of the plots of ``textgan report``, which a notebook shows: by its name, or the first.

        Raises:
            UserError: there is no plot of that name, or what draws (``textgan_lit[report]``) is not installed.
        """
        charts = {chart.name: chart for chart in sections.charts(sections.of(read(Path(self))))}
        chosen = next(iter(charts), None) if name is None else name
        if chosen not in charts:
            raise UserError(f"plot({shown(name)}): this run has no such plot. It has {', '.join(charts) or 'none'}.")
        return export.picture(charts[chosen])

    def write(
        self,
        n: int,
        seed: int = 0,
        candidates: int = 1,
        judged: bool = True,
        unknown: bool = False,
        prompt: str | None = None,
    ) -> Iterator[Sentence]:
        """n sentences one after another, as :meth:`sample` gives them; without D's opinion unless ``judged``.

        Only a few are held at a time, and n sentences begin like any larger number of them. Unless ``unknown``, each
        token is drawn given that it is not ``<unk>``. That changes what is drawn and nothing else: ``logp`` stays
        log G, in which ``<unk>`` is a token like any other, as :meth:`score` gives it.

        With a ``prompt`` all of them begin with its tokens, and the rest is drawn given these, by a generator that
        writes from left to right. ``logp`` is that of the whole sentence.
        """
        if candidates < 1:
            raise UserError(f"sample(candidates={candidates}): wanted a whole number from 1 on.")
        if candidates > 1 and self.discriminator is None:
            raise UserError(
                f"sample(candidates={candidates}) lets the discriminator choose, but this run has none that can be "
                "loaded. Leave candidates out, or train one, for example model=residual_ebm."
            )
        if candidates > 1 and prompt is not None:
            raise UserError("candidates are whole sentences, of which D chooses. Leave them out, or the prompt.")
        begun = None if prompt is None else beginning(self.generator, prompt).to(self.device)
        return self._written(n, seed, candidates, judged, self._writing(unknown), begun)

    @torch.no_grad()
    def _written(
        self, n: int, seed: int, candidates: int, judged: bool, policy: Policy, begun: torch.Tensor | None
    ) -> Iterator[Sentence]:
        noise, lots = (Noise(seed, purpose, device=self.device) for purpose in ("sample", "choice"))
        game, rows = Game(self.generator, self.discriminator, policy, noise), max(1, self.at_once // candidates)
        for done in range(0, n, rows):
            # As many rows for the last sentences as for any others: a matrix product may round by its shape.
            if begun is not None:
                batch = continued(self.generator, begun, noise.uniform(rows, self.generator.uniforms), policy)
            else:
                batch = (game.sample(rows) if candidates == 1 else game.choose(rows, candidates, lots)).batch
            yield from itertools.islice(self._seen(batch, judged), n - done)

    def _writing(self, unknown: bool) -> Policy:
        """The run's policy; unless ``unknown`` without <unk>, where there is one."""
        return self.policy if unknown or self.vocab.unknown is None else Without(self.policy, self.vocab.unknown)

    @torch.no_grad()
    def interpolate(self, n: int, steps: int, seed: int = 0, unknown: bool = False) -> Iterator[list[Sentence]]:
        """n ways from one latent to another, ``steps`` sentences each, the ends included; the tokens' noise stays.

        The ends' latents are those of the sentences that :meth:`sample` gives for the seed, two by two.
        """
        if not self.generator.latent:
            raise UserError(
                f"{type(self.generator).__name__} writes from no latent, so there is nothing between two sentences. "
                "Give a run of a generator that has one, such as model=vae."
            )
        noise = Noise(seed, "sample", device=self.device)
        for _ in range(n):
            one, other = noise.uniform(2, self.generator.uniforms)
            way = between(one, other, self.generator.latent, steps)
            yield list(self._seen(self.generator.sample(way, self._writing(unknown)).batch))

    def infill(self, template: str, n: int, seed: int = 0) -> Iterator[Sentence]:
        """n sentences of the ``template``'s tokens, with others of the generator's own in place of each ``_``.

        ``logp`` is log G of those after all that is given; 0 of what is given. The same seed gives the same sentences.

        Raises:
            UserError: where the generator cannot write in any order, or the template is none of its sentences.
        """
        generator = self.generator
        if not generator.any_order:
            raise UserError(
                f"This run's {type(generator).__name__} writes in one order, so tokens that come later cannot be "
                "given. Play one of model=any_order."
            )
        pieces = template.split()
        gap = torch.tensor([piece == GAP for piece in pieces], dtype=torch.bool)
        if len(pieces) != generator.max_length or not gap.any():
            raise UserError(
                f"infill={shown(template)} has {len(pieces)} tokens and {int(gap.sum())} gaps: wanted exactly "
                f"{generator.max_length} tokens, at least one of them {GAP}."
            )
        tokens = torch.tensor([0 if piece == GAP else self.vocab.encode(piece)[0] for piece in pieces])
        return self._infilled(tokens.to(self.device), gap.to(self.device), n, seed)

    @torch.no_grad()
    def _infilled(self, tokens: torch.Tensor, gap: torch.Tensor, n: int, seed: int) -> Iterator[Sentence]:
        noise = Noise(seed, "infill", device=self.device)
        for done in range(0, n, self.at_once):
            uniform = noise.uniform(self.at_once, int(gap.sum()))
            written = infill(self.generator, tokens, gap, uniform, self.policy)
            found, mask, logp, _ = (leaf[: n - done] for leaf in written)
            yield from self._seen(TextBatch(found, mask), logp=logp)

    def encode(self, sentence: str | Sentence | Sequence[int]) -> list[int]:
        """The ids of a sentence as the generator would have written it: with eos where it ends early.

        Of a :class:`Sentence`, and of ids, the ids stay as they are; its text might be cut into others.

        Raises:
            UserError: at what the generator could not have written, a token or a length.
        """
        eos, most = self.vocab.eos, self.generator.max_length
        if isinstance(sentence, str):
            tokens = self.vocab.encode(sentence)
        else:
            tokens = self._known(sentence.tokens if isinstance(sentence, Sentence) else sentence)
        if len(tokens) > most or (len(tokens) < most and eos is None):
            raise UserError(
                f"The sentence has {len(tokens):,} tokens, wanted {'exactly' if eos is None else 'at most'} {most:,}. "
                "Give one that this run could have written; its own keep their tokens in generate's --format jsonl."
            )
        return tokens if eos is None or len(tokens) == most else [*tokens, eos]

    def _known(self, ids: Sequence[int]) -> list[int]:
        """The ids of tokens, without the eos at their end."""
        tokens = list(ids[:-1] if ids and ids[-1] == self.vocab.eos else ids)
        size = len(self.vocab.tokens)
        for token in tokens:
            if not 0 <= token < size:
                raise UserError(
                    f"The token {token} is not among the {size:,} of this run, 0 to {size - 1:,}. "
                    "Give tokens that it wrote."
                )
        return tokens

    @torch.no_grad()
    def score(self, sentences: Iterable[str | Sentence | Sequence[int]]) -> Iterator[Sentence]:
        """What the players make of sentences, one after another; only a few are held at a time.

        ``sentences`` are text of somebody's, or what :meth:`write` gave, or ids: see :meth:`encode`.

        Raises:
            UserError: at the first that this run could not have written.
        """
        if isinstance(sentences, str | Sentence):
            raise UserError("score takes several sentences, and was given one. Put it into a list: score([…]).")
        encoded = map(self.encode, sentences)
        while rows := list(itertools.islice(encoded, self.at_once)):
            tokens = torch.full((len(rows), self.generator.max_length), self.vocab.pad)
            for place, row in enumerate(rows):
                tokens[place, : len(row)] = torch.tensor(row)
            batch = TextBatch(tokens.to(self.device), (tokens != self.vocab.pad).to(self.device))
            yield from self._seen(batch)

    def _seen(self, written: TextBatch, judged: bool = True, logp: torch.Tensor | None = None) -> Iterator[Sentence]:
        """What the players make of sentences, whoever wrote them; ``logp`` where it is another than log G."""
        own = self.generator.logp(written, self.policy) if logp is None and self.exact else None
        logp = own if logp is None else logp
        nothing: list[list[float]] = [[]] * len(written.tokens)
        known, real = nothing if logp is None else _numbers(logp), nothing
        if judged and self.discriminator is not None:
            game = Game(self.generator, self.discriminator, self.policy, Noise("judge"))
            real = _numbers(game.score(*written, own).sigmoid().view(len(real), -1))
        ends, rows = written.mask.sum(1).tolist(), (written.tokens.tolist(), known, real)
        for end, tokens, *numbers in zip(ends, *rows, strict=True):
            ended = self.vocab.has_eos and tokens[end - 1] == self.vocab.eos
            logp_of, real_of = (some[:end] for some in numbers)
            yield Sentence(self.vocab.text(tokens), tokens[:end], logp_of, real_of, ended)

    @property
    def at_once(self) -> int:
        return max(1, min(AT_ONCE, TOKENS // self.generator.max_length))

    @property
    def exact(self) -> bool:
        """Whether log G of a sentence is known."""
        return self.generator.likelihood == "exact"

    @property
    def device(self) -> torch.device:
        return next((weight.device for weight in self.generator.parameters()), torch.device("cpu"))


def _numbers(of: torch.Tensor) -> list[list[float]]:
    if of.isnan().any():
        raise UserError(
            "What this run's players make of a sentence is no number (NaN): weights are too large. Give another "
            "checkpoint."
        )
    return of.tolist()


def _named(player: Generator | Discriminator) -> str:
    return f"{type(player).__name__} ({sum(weight.numel() for weight in player.parameters()):,} weights)"


def load(run: str | Path, checkpoint: str = "last", trust: str | Sequence[str] = ()) -> Run:
    """Reads a run's folder (or one .ckpt file): the players in eval mode, on the CPU.

    ``checkpoint`` is "last" or "best" (lowest true JSD of an evaluation; where the truth was not known, the last one,
    which opens as the better of likelihood's generator and the game's once the run has ended). Somebody else's run is
    safe to open: it can name textgan_lit's own parts alone. ``trust`` adds packages of your own, such as "my_lab",
    which must be importable.

    Raises:
        UserError: with the file's name, for whatever is no whole checkpoint whose weights fit the parts it describes.
    """
    found, path = players.opened(Path(run), checkpoint, vouched(trust))
    inside = path.parent.name == "checkpoints"
    return Run(*found, path.parent.parent if inside else None)
