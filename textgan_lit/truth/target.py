"""The moving target: how far the best reward moves from one evaluation to the next."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from annotated_types import Interval, MinLen
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from textgan_lit.functional.divergence import drift
from textgan_lit.model.game import Game
from textgan_lit.run.distributed import gather
from textgan_lit.run.schema import Form, Measured, form
from textgan_lit.truth.models import in_float32
from textgan_lit.types import TextBatch, Vocab

KEPT = 256  # sentences: an error of 5 %


class Target(NamedTuple):
    """What an evaluation's generator wrote, and log G of each sentence then, as they are saved."""

    tokens: list[list[int]]
    logp: list[float]


def saved(vocab: Vocab) -> type[Form]:
    """The form of a saved :class:`Target`."""
    ids = Annotated[int, Interval(ge=0, le=vocab.size - 1)]
    rows = Annotated[list[Annotated[list[ids], MinLen(1)]], MinLen(1)]
    return form(tokens=rows, logp=Annotated[list[Measured], MinLen(1)])


@torch.no_grad()
def take(game: Game, written: TextBatch) -> Target:
    """Of the first sentences that all ranks have ``written`` together; equal on every rank."""
    rows = gather(written.tokens)[:KEPT].tolist()
    tokens = [[token for token in row if token != game.vocab.pad] for row in rows]
    return Target(tokens, _score(game, tokens).tolist())


@torch.no_grad()
def moved(game: Game, before: Target) -> dict[str, Tensor]:
    """How far the best reward of these sentences has moved since they were written."""
    n = min(map(len, before))
    then = torch.tensor(before.logp[:n], device=game.noise.device)
    found = drift(then, _score(game, before.tokens[:n]))
    return dict(zip(("truth/target_drift", "truth/target_drift_se"), found, strict=True))


def _score(game: Game, tokens: list[list[int]]) -> Tensor:
    """log G of each sentence."""
    rows = [torch.tensor(row[: game.generator.max_length], device=game.noise.device) for row in tokens]
    padded = pad_sequence(rows, batch_first=True, padding_value=game.vocab.pad)
    batch = TextBatch(padded, padded != game.vocab.pad).padded(game.generator.max_length, game.vocab.pad)
    with in_float32(game.generator):
        return game.likelihood(batch)
