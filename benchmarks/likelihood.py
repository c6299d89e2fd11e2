"""Maximum likelihood: seconds for an epoch of 10,000 sentences of 20 tokens at V = 5000, and memory at V = 50,000.

An epoch is 157 steps of 64 sentences through an LSTM of 32 hidden units. The reference keeps all logits of a batch
and takes torch's own cross-entropy; the loss and its gradient are checked to be the same. The floor is three
projections, one forward and two back.

Memory is what a process of its own grows by in four steps at V = 50,000, with 64 and with 512 sentences a step: the
parameters, their gradients and Adam's moments are 52 MB, and the logits of 512 sentences would be 2 GB for one copy.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from benchmarks.measure import Beside, best_gflops, seconds
from benchmarks.row import Row
from textgan_lit.functional.likelihood import inputs_of, nll
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.run.memory import keep_freed_memory
from textgan_lit.types import TextBatch, Vocab

SENTENCES, BATCH, LENGTH, VOCABULARY, HIDDEN = 10_000, 64, 20, 5000, 32
MANY, BATCHES = 50_000, (64, 512)  # where memory is what matters
LIBRARY = 9.42  # seconds for the same epoch


def rows() -> Iterator[Row]:
    torch.manual_seed(0)
    generator, epoch = players(VOCABULARY, SENTENCES)
    check(generator, epoch[:BATCH])
    ours = Beside(lambda: train(generator, epoch, BATCH, chunked))
    reference = seconds(lambda: train(generator, epoch, BATCH, plain))
    floor = 3 * 2e-9 * SENTENCES * LENGTH * HIDDEN * VOCABULARY / best_gflops(1024, HIDDEN, VOCABULARY)
    name = "a likelihood epoch of 10,000 sentences, V = 5000"
    ratio = ours.against(LIBRARY)
    target = "≥ 1.5 × the library's", ratio >= 1.5
    yield Row(name, ours.seconds, reference, floor, ratio, *target, gflops=ours.gflops)
    for batch in BATCHES:
        ours, reference = (grown(batch, loss) for loss in ("chunked", "plain"))
        floor = 4 * 4 * sum(weight.numel() for weight in players(MANY, 1)[0].parameters()) / 2**30
        name = f"growth of memory in pretraining steps, V = {MANY:,}, {batch} sentences"
        yield Row(name, ours, reference, floor, 2 / ours, "≥ 1: below 2 GB", ours < 2, "GB")


def players(size: int, sentences: int) -> tuple[LSTM, Tensor]:
    generator = LSTM(Vocab(tuple(map(str, range(size)))), LENGTH, HIDDEN, HIDDEN)
    return generator, torch.randint(size, (sentences, LENGTH))


def train(generator: LSTM, epoch: Tensor, batch: int, loss: Callable[[LSTM, Tensor], Tensor]) -> None:
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.01)
    for tokens in epoch.split(batch):
        optimizer.zero_grad()
        loss(generator, tokens).backward()
        optimizer.step()


def chunked(generator: LSTM, tokens: Tensor) -> Tensor:
    mask = torch.ones_like(tokens, dtype=torch.bool)
    return nll(generator.logp(TextBatch(tokens, mask), Categorical()), mask)


def plain(generator: LSTM, tokens: Tensor) -> Tensor:
    logits = generator.output(generator.features(inputs_of(tokens, generator.vocab.bos)))
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())


def check(generator: LSTM, tokens: Tensor) -> None:
    losses = [loss(generator, tokens) for loss in (chunked, plain)]
    assert_close(*losses)
    assert_close(*(torch.autograd.grad(loss, list(generator.parameters())) for loss in losses))


def grown(batch: int, loss: str) -> float:
    """GB, by a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_grow, (batch, loss))


def _grow(batch: int, loss: str) -> float:
    torch.set_num_threads(1)
    keep_freed_memory()
    generator, epoch = players(MANY, 4 * batch)
    before = largest()
    train(generator, epoch, batch, globals()[loss])
    return (largest() - before) / 2**20


def largest() -> int:
    """The most memory that this process ever held, in kB. (Linux only; getrusage counts the parent's as well.)"""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])
