"""The proxies of a run: set metrics over the shared samples of every evaluation, and more of them at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import pytorch_lightning as pl
from torchmetrics import MetricCollection

from textgan_lit.callbacks.truth import publish
from textgan_lit.metrics.base import SetMetric
from textgan_lit.system import TextGAN
from textgan_lit.types import Evaluation


@final
class Quality(pl.Callback):
    """Rows of ``evaluation``'s numbers at every evaluation; those and ``closing``'s on the test sentences."""

    def __init__(self, evaluation: Mapping[str, SetMetric], closing: Mapping[str, SetMetric]):
        self.chosen = {"validate": _together(evaluation), "test": _together({**evaluation, **closing})}
        self.last = "networks" if closing else "evaluations"  # what the last one's time goes into
        self.now: MetricCollection | None = None

    def on_validation_epoch_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self._begin("validate", system)

    def on_test_epoch_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self._begin("test", system)

    def on_validation_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, *_: Any) -> None:
        self.now.update(outputs.real, outputs.fake.batch)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        found = self.now.compute()
        self.now.reset()
        publish(trainer, found)
        if found:
            system.record(found)

    def on_test_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        with system.stopwatch.during(self.last):
            publish(trainer, {f"test/{key}": value for key, value in self.now.compute().items()})
        self.now.reset()

    def _begin(self, stage: str, system: TextGAN) -> None:
        self.now = self.chosen[stage].to(system.device)
        self.now.reset()


def _together(metrics: Mapping[str, SetMetric]) -> MetricCollection:
    """One copy of the sentences for all."""
    return MetricCollection(dict(metrics), compute_groups=[list(metrics)] if metrics else False)
