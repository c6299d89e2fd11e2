"""The truth panel: exact quantities where P is known, D's claims beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
from torch import Tensor

from textgan_lit.run import terminal
from textgan_lit.run.closing_table import estimate, saturated
from textgan_lit.run.distributed import rank
from textgan_lit.run.files import append
from textgan_lit.system import TextGAN
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth
from textgan_lit.types import UPDATES, Evaluation

HEADER = (
    "after step",
    "true JSD ± SE",
    "D says ≥",
    "D / Bayes acc.",
    "NLL_oracle = H(G) + KL(G‖P)",
    "NLL_test = H(P) + KL(P‖G)",
)
WIDTHS = (18, 19, 8, 14, 27, 25)


@final
class TruthPanel(pl.Callback):
    """Measures every evaluation: rows to the loggers and the console, curves to ``evaluations.jsonl`` in ``folder``.

    True quantities need an oracle (``datamodule.oracle``); on other data only what can be known is logged.
    """

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.truth: Truth | None = None
        self.columns: list[int] = []  # of HEADER: those that the first evaluation has numbers for

    def on_validation_epoch_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.truth = Truth(system.generator.max_length).to(system.device)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        models(trainer, system, batch_idx).add_to(self.truth, outputs.real, outputs.fake.batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        row = self.truth.compute()
        curves = self.truth.curves() | self.truth.reliability()
        publish(trainer, row)
        system.record(row)
        numbers = {key: float(value) for key, value in row.items()} | system.axes()
        if rank() == 0:
            record = numbers | {f"curve/{key}": value.tolist() for key, value in curves.items()}
            append(self.folder / "evaluations.jsonl", json.dumps(record) + "\n")
            self._show((_last_step(system), *cells(numbers)))

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end

    def on_test_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        publish(trainer, {f"test/{key}": value for key, value in self.truth.compute().items()})

    def _show(self, row: tuple[str, ...]) -> None:
        if not self.columns:
            self.columns = [place for place, cell in enumerate(row) if cell.strip("– /")]
            _print(HEADER, self.columns)
        _print(row, self.columns)


def _print(row: tuple[str, ...], columns: list[int]) -> None:
    """One aligned line; two where the terminal is narrow."""
    padded = [row[place].rjust(WIDTHS[place]) for place in columns]
    console = terminal.console()
    fits = not console.is_terminal or console.width >= sum(map(len, padded)) + 3 * len(padded)
    for part in (padded,) if fits else (padded[:4], padded[4:]):
        console.print(" │ ".join(part).rjust(0 if fits else 64), highlight=False, soft_wrap=True)


def publish(trainer: pl.Trainer, row: dict[str, Tensor]) -> None:
    """Lets other callbacks, and a sweep, see numbers that are everyone's already.

    Lightning's ``log`` would wrap and reduce each by itself, which took longer than writing them to all loggers.
    """
    trainer.callback_metrics.update({key: value.float() for key, value in row.items()})


def models(trainer: pl.Trainer, system: TextGAN, batch: int = 0) -> Models:
    """Who judges an evaluation's ``batch``: the players as they stand, and the oracle where there is one."""
    game, oracle = system.evaluated("evaluation", batch), getattr(trainer.datamodule, "oracle", None)
    score = None if system.discriminator is None else game.sentence_logit
    return Models(None if oracle is None else oracle.to(system.device), game.generator, game.policy, score, game.noise)


def _last_step(system: TextGAN) -> str:
    """The phase's update that the evaluation follows, and how many steps it has had: "50 generator"."""
    played = [name for name in UPDATES if system.clock.steps[name]]
    return f"{system.clock.steps[played[-1]]:,} {played[-1]}" if played else "0"


def cells(row: dict[str, float]) -> tuple[str, ...]:
    """An evaluation under HEADER, but for its first column; "–" for what was not measured."""

    def number(key: str, form: str = ".4f") -> str:
        return format(row[key], form) if key in row else "–"

    jsd = estimate(row["truth/jsd"], row["truth/jsd_se"]) if "truth/jsd" in row else "–"
    if saturated(row):
        jsd = (f"h = {number('truth/horizon', '.1f')}, " if "truth/horizon" in row else "") + "saturated"

    def split(whole: str, *parts: str) -> str:
        told = " + ".join(number(f"truth/{key}", ".3f") for key in parts if f"truth/{key}" in row)
        return number(f"truth/{whole}", ".3f") + (f" = {told}" if told else "")

    accuracy = f"{number('bound/accuracy', '.3f')} / {number('truth/bayes_accuracy', '.3f')}"
    oracle = split("nll_oracle", "entropy_g", "kl_gp_token")
    test = split("nll_test", "entropy_p", "kl_pg_token")
    if "truth/nll_test_bound" in row:
        test = f"≤ {number('truth/nll_test_bound', '.3f')}"
    return jsd, number("bound/value"), accuracy, oracle, test
