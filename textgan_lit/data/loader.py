"""Batch number → sentences.

The training loader never ends, and its n-th batch is a pure function of (seed, n, rank, world): a resumed run,
which knows how many steps it has played, goes on with the very next batch. Rank r of W takes rows r, r + W, … of
each global batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.data import Dataset

from textgan_lit.data.oracle import Oracle
from textgan_lit.data.workers import Lost, Workers
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import stream
from textgan_lit.run import distributed
from textgan_lit.types import TextBatch

ENDLESS = 10**9  # batches; a loader with a length is not prefetched by Lightning, and this epoch never ends
DEATHS = 3  # of workers in a row, without a batch between them, that are taken for bad luck


def share(**sizes: int) -> slice:
    """This process's rows of batches and splits of these sizes, each of which all processes must share equally."""
    processes = distributed.world_size()
    for name, rows in sizes.items():
        if rows % processes:
            raise UserError(
                f"{processes} processes cannot share {name}={rows} sentences equally. Use a multiple of "
                f"{processes}, such as {rows - rows % processes + processes}, or another trainer.devices."
            )
    return slice(distributed.rank(), None, processes)


@final
class Sentences(Dataset):
    """Sentences in memory, fetched a batch at a time."""

    def __init__(self, sentences: TextBatch):
        self.sentences = sentences

    def __len__(self) -> int:
        return len(self.sentences.tokens)

    def __getitems__(self, rows: list[int]) -> TextBatch:
        index = torch.as_tensor(rows, dtype=torch.long)
        return TextBatch(self.sentences.tokens[index], self.sentences.mask[index])


@final
class Fresh(Dataset):
    """Sentences that are written when they are asked for: item n is this rank's share of the n-th global batch."""

    def __init__(self, oracle: Oracle, batch: int, share: slice, *name: int | str):
        self.oracle, self.batch, self.share, self.name = oracle, batch, share, name

    def __getitems__(self, numbers: list[int]) -> TextBatch:
        (number,) = numbers
        noise = torch.rand(self.batch, self.oracle.max_length, generator=stream(*self.name, number))
        return self.oracle.sample(noise[self.share], Categorical()).batch


@final
class Shuffled:
    """Batch number → this rank's rows: every epoch a new permutation, its last rows too few for a batch left out.

    Where a batch is larger than all sentences, its epoch is several permutations, and a batch holds a sentence twice.
    """

    def __init__(self, sentences: int, batch: int, share: slice, *name: int | str):
        self.sentences, self.batch, self.share, self.name = sentences, batch, share, name
        self.times = -(-batch // sentences)
        self.epoch, self.order = -1, torch.empty(0, dtype=torch.long)

    def __call__(self, number: int) -> list[int]:
        epoch, step = divmod(number, self.sentences * self.times // self.batch)
        if epoch != self.epoch:
            random = stream(*self.name, epoch)
            order = [torch.randperm(self.sentences, generator=random) for _ in range(self.times)]
            self.epoch, self.order = epoch, torch.cat(order)
        return self.order[step * self.batch : (step + 1) * self.batch][self.share].tolist()


@final
class Bucketed:
    """Batch number → this rank's rows and their width: the sentences of ``many`` shuffled batches, dealt by length.

    Batches come, and sentences stand in them, in a random order: an update that takes a batch's first rows must not get
    the shortest. The width is that of the global batch, the same on every rank.
    """

    def __init__(
        self, order: Shuffled, widths: Callable[[list[int]], Tensor], many: int, share: slice, *name: int | str
    ):
        self.order, self.widths, self.many, self.share, self.name = order, widths, many, share, name
        self.group, self.batches = -1, ()

    def __call__(self, number: int) -> tuple[list[int], int]:
        group, step = divmod(number, self.many)
        if group != self.group:
            self.group, self.batches = group, self._deal(group)
        rows, width = self.batches[step]
        return rows[self.share], width

    def _deal(self, group: int) -> list[tuple[list[int], int]]:
        rows = [row for step in range(self.many) for row in self.order(group * self.many + step)]
        widths, random = self.widths(rows), stream(*self.name, "bucket", group)
        sorted_rows = torch.tensor(rows)[widths.argsort(stable=True)].view(self.many, -1)
        shuffled = [batch[torch.randperm(len(batch), generator=random)] for batch in sorted_rows]
        tops = widths.sort(stable=True).values.view(self.many, -1)[:, -1].tolist()
        return [(shuffled[i].tolist(), tops[i]) for i in torch.randperm(self.many, generator=random).tolist()]


@final
class Endless:
    """The training loader: batch after batch from ``position`` on.

    Not a DataLoader itself, so that Lightning leaves it as it is. ``position`` counts the batches handed out, not those
    that workers have prefetched. Where a worker dies, others begin at ``position``: the batches are the same.
    """

    def __init__(self, dataset: Dataset, plan: Callable[[int], Any], position: int = 0, workers: int = 0):
        self.dataset, self.plan, self.position, self.workers = dataset, plan, position, workers

    def __len__(self) -> int:
        return ENDLESS

    def __iter__(self) -> Iterator[TextBatch]:
        deaths = 0  # since the last batch
        while True:
            try:
                for batch in self._batches():
                    self.position, deaths = self.position + 1, 0
                    yield batch
            except Lost as lost:
                deaths += 1
                self._mourn(deaths, str(lost))

    def _batches(self) -> Iterator[TextBatch]:
        if not self.workers:
            yield from map(self._fetch, count(self.position))
            return
        with closing(Workers(self._fetch, self.position, self.workers)) as workers:
            yield from workers

    def _fetch(self, number: int) -> TextBatch:
        return self.dataset.__getitems__(self.plan(number))

    def _mourn(self, deaths: int, said: str) -> None:
        if deaths > DEATHS:
            raise UserError(
                f"data.workers={self.workers}: {said}, {deaths} times before batch {self.position:,} was there. Memory "
                "may be short: use data.workers=0, or fewer of them."
            )
        warnings.warn(f"data.workers: {said}; others go on with batch {self.position:,}.", stacklevel=3)


@final
class InOrder:
    """The evaluation loader: this rank's share of each global batch, in the order of the split."""

    def __init__(self, sentences: TextBatch, batch: int, share: slice):
        self.dataset, self.batch, self.share = Sentences(sentences), batch, share

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch)

    def __iter__(self) -> Iterator[TextBatch]:
        rows = range(len(self.dataset))
        for first in range(0, len(rows), self.batch):
            yield self.dataset.__getitems__(list(rows[first : first + self.batch][self.share]))
