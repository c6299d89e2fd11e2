"""Sentences to look at: the same noise at every evaluation, so that one follows the same sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, final

import pytorch_lightning as pl
import torch
from annotated_types import Ge, Len

from textgan_lit.callbacks.truth import models
from textgan_lit.callbacks.weights_and_biases import wandbs
from textgan_lit.functional.copying import Corpus
from textgan_lit.logger import WandB
from textgan_lit.metrics.base import without_eos
from textgan_lit.metrics.novelty import training
from textgan_lit.model.policy import Categorical
from textgan_lit.run.distributed import rank
from textgan_lit.run.files import append
from textgan_lit.run.schema import Count, Measured, form
from textgan_lit.system import TextGAN
from textgan_lit.types import Evaluation, Samples, TextBatch, Vocab

# What is kept of a sentence: in samples.jsonl, and as columns of W&B's table. None where it is not known.
COLUMNS = ("text", "log G", "D says real", "log P/G", "nearest training sentence", "edits", "longest copied span")
BY_TOKEN = ("tokens", "log G by token", "log P by token")  # in samples.jsonl alone; eos is null among the tokens
ROW = Annotated[list[Measured | str | None], Len(2 + len(COLUMNS), 2 + len(COLUMNS))]  # step, number, columns
LAG = 32  # W&B's table lags behind by at most this part of the evaluations so far


@final
class SampleTable(pl.Callback):
    """The first ``count`` samples of each evaluation, with what G, D and the data make of them.

    A line of ``samples.jsonl`` in ``folder``, a growing W&B table, and ``latest`` for the closing report. They are
    compared with the training sentences where these are kept and not too many.

    W&B sends a table's new rows, but with each of its parts the names of all parts before. So the first ``LAG``
    evaluations are parts of their own, and later ones wait until they are a ``LAG``-th of those sent, or the run ends:
    10,000 evaluations are some 220 parts.
    """

    form = form(latest=list[str], sent=Count, waiting=list[list[ROW]])

    def __init__(
        self,
        folder: str,
        vocab: Vocab,
        sentences: Callable[[str], TextBatch],
        count: Annotated[int, Ge(1)] = 10,
    ):
        self.folder, self.count = Path(folder), count
        self.vocab, self.sentences = vocab, sentences
        self.latest: list[str] = []
        self.table: Any = None
        self.sent = 0  # evaluations whose rows W&B's table has
        self.waiting: list[list[list[Any]]] = []  # rows of those that it has not yet, by evaluation
        self.corpus: Corpus | None = None

    def on_fit_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        if rank() == 0:
            self.corpus = training(self.sentences, self.vocab, str(system.device))

    def on_validation_batch_end(
        self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if batch_idx > 0:
            return
        axes = system.axes()  # which ask every rank
        if rank() > 0:
            return
        samples = self._seen(trainer, system, Samples(*(leaf[: self.count] for leaf in outputs.fake)))
        self.latest = [sample["text"] for sample in samples]
        append(self.folder / "samples.jsonl", json.dumps({**axes, "samples": samples}) + "\n")
        for logger in wandbs(trainer):
            rows = [[sample[column] for column in COLUMNS] for sample in samples]
            self._log(logger, [[system.clock.total, number, *row] for number, row in enumerate(rows)])

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Before the last state is saved, so that a run that is taken up there does not send them again."""
        for logger in wandbs(trainer):
            self._send(logger)

    on_exception = on_train_end

    def state_dict(self) -> dict[str, Any]:
        return {"latest": self.latest, "sent": self.sent, "waiting": self.waiting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.latest, self.sent, self.waiting = state["latest"], state["sent"], state["waiting"]

    @torch.no_grad()
    def _seen(self, trainer: pl.Trainer, system: TextGAN, written: Samples) -> list[dict[str, Any]]:
        judges, nothing = models(trainer, system), [None] * len(written.tokens)
        real, ratio, by_data, own, by_own = nothing, nothing, nothing, nothing, nothing
        if exact := judges.generator.likelihood == "exact":
            own, by_own = written.logp.sum(1).tolist(), _by_token(written.logp, written)
        if judges.score is not None:
            real = judges.score(written.batch, written.logp).sigmoid().tolist()
        if judges.oracle is not None:
            known = judges.oracle.logp(written.batch, Categorical())
            ratio = (known - written.logp).sum(1).tolist() if exact else nothing
            by_data = _by_token(known, written)
        text = [self.vocab.text(row) for row in written.tokens.tolist()]
        said = (text, own, real, ratio, *self._copied(written.batch))
        tokens, names = _by_token(written.tokens, written), dict(enumerate(self.vocab.tokens))
        by_token = [list(map(names.get, row)) for row in tokens], by_own, by_data
        return [dict(zip(COLUMNS + BY_TOKEN, row, strict=True)) for row in zip(*said, *by_token, strict=True)]

    def _copied(self, batch: TextBatch) -> tuple[list[Any], ...]:
        """The nearest training sentence of each, by how many tokens it differs, and the longest span of any."""
        if self.corpus is None:
            return tuple([[None] * len(batch.tokens)] * 3)
        said = without_eos(batch, self.vocab)
        nearest = self.corpus.nearest(*said)
        text = [self.vocab.text(self.corpus.sentence(row)) for row in nearest.sentence.tolist()]
        return text, nearest.edits.tolist(), self.corpus.copied(*said).span.tolist()

    def _log(self, logger: WandB, rows: list[list[Any]]) -> None:
        self.waiting.append(rows)
        if len(self.waiting) * LAG >= self.sent:
            self._send(logger)

    def _send(self, logger: WandB) -> None:
        import wandb

        if not self.waiting:
            return
        if self.table is None:
            self.table = wandb.Table(columns=["step", "sentence", *COLUMNS], log_mode="INCREMENTAL")
        for row in chain.from_iterable(self.waiting):
            self.table.add_data(*row)
        self.sent, self.waiting = self.sent + len(self.waiting), []
        logger.tell(lambda run: run.log({"samples/table": self.table}))


def _by_token(numbers: torch.Tensor, written: Samples) -> list[list[int | float]]:
    return [row[mask].tolist() for row, mask in zip(numbers, written.mask, strict=True)]
