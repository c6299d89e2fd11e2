"""The truth panel: exact quantities where P is known, D's claims beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
from torch import Tensor

from textgan_lit.run import terminal
from textgan_lit.run.closing_table import estimate, saturated
from textgan_lit.run.distributed import rank
from textgan_lit.run.files import append
from textgan_lit.run.schema import form
from textgan_lit.system import TextGAN
from textgan_lit.truth import target
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth
from textgan_lit.types import UPDATES, Evaluation, TextBatch, Vocab

STEP, JSD = "after step", "true JSD ± SE"
COLUMNS = (  # of the console: a number, and what it is split into, or stands beside, where that is known
    (("D says ≥", "bound/value"),),
    (("D acc.", "bound/accuracy"), (" / Bayes", "truth/bayes_accuracy")),
    (("NLL_oracle", "truth/nll_oracle"), (" = H(G)", "truth/entropy_g"), (" + KL(G‖P)", "truth/kl_gp_token")),
    (("NLL_test", "truth/nll_test"), (" = H(P)", "truth/entropy_p"), (" + KL(P‖G)", "truth/kl_pg_token")),
    (("NLL_test ≤", "truth/nll_test_bound"),),
    (("… a character", "truth/nll_test_character"),),
)
WIDTHS = {STEP: 18, JSD: 19}  # where cells are wider than titles


@final
class TruthPanel(pl.Callback):
    """Measures every evaluation: rows to the loggers and the console, curves to ``evaluations.jsonl`` in ``folder``.

    True quantities need an oracle (``datamodule.oracle``); on other data only what can be known is logged.
    """

    def __init__(self, folder: str, vocab: Vocab):
        self.folder = Path(folder)
        self.form = form(target=target.saved(vocab) | None)
        self.truth: Truth | None = None
        self.written: TextBatch | None = None  # by G at the beginning of this evaluation
        self.target: target.Target | None = None  # as the last evaluation left it
        self.widths: dict[str, int] = {}  # of the console's columns, which are those of the first evaluation

    def on_validation_epoch_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.truth = Truth(system.generator.max_length).to(system.device)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        models(trainer, system, batch_idx).add_to(self.truth, outputs.real, outputs.fake.batch)
        if batch_idx == 0:
            self.written = outputs.fake.batch

    def on_validation_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        row = self.truth.compute() | self._follow_target(trainer, system)
        curves = self.truth.curves() | self.truth.reliability()
        publish(trainer, row)
        system.record(row)
        numbers = {key: float(value) for key, value in row.items()} | system.axes()
        if rank() == 0:
            record = numbers | {f"curve/{key}": value.tolist() for key, value in curves.items()}
            append(self.folder / "evaluations.jsonl", json.dumps(record) + "\n")
            self._show({STEP: _last_step(system)} | cells(numbers))

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end

    def on_test_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        publish(trainer, {f"test/{key}": value for key, value in self.truth.compute().items()})

    def _follow_target(self, trainer: pl.Trainer, system: TextGAN) -> dict[str, Tensor]:
        """How far the best reward moved since the last evaluation, where both are known."""
        game, before = system.evaluated("evaluation"), self.target
        if game.generator.likelihood != "exact" or getattr(trainer.datamodule, "oracle", None) is None:
            return {}
        self.target = target.take(game, self.written)
        return {} if before is None else target.moved(game, before)

    def state_dict(self) -> dict[str, Any]:
        return {"target": self.target and self.target._asdict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.target = state["target"] and target.Target(**state["target"])

    def _show(self, row: Mapping[str, str]) -> None:
        if not self.widths:
            self.widths = {title: max(len(title), WIDTHS.get(title, 0)) for title in row}
            _print({title: title for title in row}, self.widths)
        _print(row, self.widths)


def _print(row: Mapping[str, str], widths: Mapping[str, int]) -> None:
    """One aligned line; two where the terminal is narrow."""
    padded = [row.get(title, "–").rjust(width) for title, width in widths.items()]
    console = terminal.console()
    fits = not console.is_terminal or console.width >= len(" │ ".join(padded))
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
    return Models(None if oracle is None else oracle.on(system.device), game.generator, game.policy, score, game.noise)


def _last_step(system: TextGAN) -> str:
    """The phase's update that the evaluation follows, and how many steps it has had: "50 generator"."""
    played = [name for name in UPDATES if system.clock.steps[name]]
    return f"{system.clock.steps[played[-1]]:,} {played[-1]}" if played else "0"


def cells(row: Mapping[str, float]) -> dict[str, str]:
    """What the console shows of an evaluation, by title; what was not measured is in no title.

    >>> cells({"truth/nll_test": 2.5, "truth/entropy_p": 1.5, "truth/kl_pg_token": 1.0, "bound/accuracy": 0.75})
    {'D acc.': '0.750', 'NLL_test = H(P) + KL(P‖G)': '2.500 = 1.500 + 1.000'}
    """
    shown = {JSD: _jsd(row)} if "truth/jsd" in row else {}
    for column in COLUMNS:
        known, digits = [(name, key) for name, key in column if key in row], ".4f" if len(column) == 1 else ".3f"
        if column[0] in known:
            signs = (name[:3] if name.startswith(" ") else "" for name, _ in known)
            values = (f"{row[key]:{digits}}" for _, key in known)
            shown["".join(name for name, _ in known)] = "".join(map("".join, zip(signs, values, strict=True)))
    return shown


def _jsd(row: Mapping[str, float]) -> str:
    if saturated(row):
        return (f"h = {row['truth/horizon']:.1f}, " if "truth/horizon" in row else "") + "saturated"
    return estimate(row["truth/jsd"], row["truth/jsd_se"])
