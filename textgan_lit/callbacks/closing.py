"""What the game was worth, measured on sentences that nothing else has seen: the columns of the closing table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, final

import pytorch_lightning as pl
import torch
from annotated_types import MinLen

from textgan_lit import clock as stopwatch
from textgan_lit.callbacks.progress import show_samples
from textgan_lit.callbacks.samples import SampleTable
from textgan_lit.callbacks.truth import models
from textgan_lit.functional.hypervolume import hypervolume
from textgan_lit.functional.ngram import bleu, self_bleu
from textgan_lit.logger import WandB
from textgan_lit.metrics.base import SetMetric
from textgan_lit.metrics.fresh_critic import KEY, FreshCritic
from textgan_lit.model.policy import Categorical
from textgan_lit.run import progress, terminal
from textgan_lit.run.closing_table import chosen, numbers, print_table, saturated, titled
from textgan_lit.run.distributed import all_mean, gather, rank, shard, world_size
from textgan_lit.run.files import replace
from textgan_lit.system import TextGAN
from textgan_lit.truth.models import Models, measure
from textgan_lit.truth.panel import Truth
from textgan_lit.types import Evaluation, Samples, Temperature, TextBatch

BEST = "likelihood_best_temperature"
HORIZON = "truth/horizon"
SWEPT = 100_000_000  # logits of held-out sentences on which temperatures are tried: 1,000 sentences at V=5000, T=20
READ = 1000  # sentences a side that the proxies are shown at every temperature
HEADLINE = ("temperature", "steps", "truth/jsd", "truth/jsd_se", "truth/nll_test", "truth/nll_test_character")
ORDER = 5  # of BLEU and Self-BLEU

Row = dict[str, torch.Tensor | float | int]
Temperatures = Annotated[Sequence[Temperature], MinLen(1)]
Frontier = dict[float, Row]  # temperature → what was measured there


@final
class Closing(pl.Callback):
    """Before and after: pretraining's generator, the same at its best temperature, and the game's.

    Printed, and kept in ``closing.json`` in ``folder`` and in W&B's summary as ``likelihood``,
    ``likelihood_best_temperature`` (with the ``temperature``) and ``game`` (with its ``steps``). The temperature is
    chosen on validation sentences and judged on the test sentences, like the rest: by true JSD (by the horizon where
    all are saturated), or where P is unknown by a fresh critic's bound. What was seen at every temperature is kept in
    ``frontier.json``, for pretraining's generator (``likelihood``) and for the game's (``game``).

    Where pretraining was cut short, likelihood's column judges the weights that the run ended with, not those of its
    best validation, and its title says so. ``time`` has the seconds of the whole run, by part, and ``choice`` which of
    the two generators the run leaves (:class:`Choice`).

    Where something is measured at the ``closing`` alone, all columns and temperatures have it, and what is measured at
    every ``evaluation``, too.
    """

    def __init__(
        self,
        folder: str,
        temperatures: Temperatures = (1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
        evaluation: Mapping[str, SetMetric] | None = None,
        closing: Mapping[str, SetMetric] | None = None,
    ):
        self.folder = Path(folder)
        self.temperatures = tuple(temperatures)
        self.proxies = [*(evaluation or {}).values(), *closing.values()] if closing else []
        self.critic = next((proxy for proxy in self.proxies if isinstance(proxy, FreshCritic)), None)
        self.rivals: dict[str, Models] = {}
        self.truths: dict[str, Truth] = {}
        self.written: dict[str, list[tuple[TextBatch, TextBatch]]] = {}
        self.frontier: dict[str, Frontier] = {}
        self.line = progress.Progress()

    def on_test_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.rivals, self.frontier, self.line = {}, {}, progress.Progress()
        now = models(trainer, system)
        sweeps = now.oracle is not None or self.critic is not None
        before = system.generator if cut_short(system) else system.pretraining.generator(system.generator)
        if before is not None:
            plain = self.rivals["likelihood"] = Models(now.oracle, before, Categorical())
            if sweeps:
                self.frontier["likelihood"] = self._sweep("likelihood", trainer, system, plain)
                best = best_temperature(self.frontier["likelihood"])
                if best is not None:
                    self.rivals[BEST] = plain._replace(policy=Categorical(best))
        if sweeps and system.clock.steps["generator"] and isinstance(now.policy, Categorical):
            self.frontier["game"] = self._sweep("game", trainer, system, now._replace(score=None, noise=None))
        self.truths = {name: Truth(system.generator.max_length).to(system.device) for name in self.rivals}
        self.written = {name: [] for name in self.rivals if self.proxies}

    def _sweep(self, name: str, trainer: pl.Trainer, system: TextGAN, plain: Models) -> Frontier:
        """Every temperature on the same held-out sentences and the same noise."""
        held_out = TextBatch(*(shard(part).to(system.device) for part in trainer.datamodule.sentences("valid")))
        real = held_out.first(SWEPT // (held_out.tokens.shape[1] * system.generator.vocab.size * world_size()) + 1)
        noise = system.game("temperature").noise.uniform(len(real.tokens), plain.generator.uniforms)
        found = {}
        system.stopwatch.start("temperatures")
        for number, temperature in enumerate(self.temperatures, 1):
            self._doing(f"{name} at temperature {temperature:g}, {number} of {len(self.temperatures)} …")
            tried = plain._replace(policy=Categorical(temperature))
            found[temperature] = measure(tried, real, noise).compute()
            if self.proxies:
                few = READ // world_size()
                fake = tried.generator.sample(noise[:few], tried.policy)
                everyones = _everyones(fake.batch)
                found[temperature] |= self._read(_everyones(real.first(few)), everyones)
                if tried.generator.likelihood == "exact":
                    found[temperature][f"frontier/entropy_{len(everyones.tokens)}"] = _entropy(fake)
        return found

    def _doing(self, what: str) -> None:
        if rank() == 0:
            self.line.doing(f"closing: {what}")

    def _read(self, real: TextBatch, fake: TextBatch) -> Row:
        """What all proxies say, and the two sides of Caccia et al. (2020): quality and lack of variety."""
        n = len(fake.tokens)
        quality, sameness = bleu(*fake, *real, (ORDER,)).mean(), self_bleu(*fake, (ORDER,)).mean()
        counted = {f"frontier/bleu{ORDER}_{n}": quality, f"frontier/self_bleu{ORDER}_{n}": sameness}
        return self._said(real, fake) | counted

    def _said(self, real: TextBatch, fake: TextBatch) -> Row:
        return {key: value for proxy in self.proxies for key, value in proxy.measure(real, fake).items()}

    def on_test_batch_end(
        self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        for name, rival in self.rivals.items():
            self._doing(f"{name} on the test sentences …")
            noise = system.game("test", batch_idx).noise.uniform(len(outputs.real.tokens), rival.generator.uniforms)
            fake = rival.generator.sample(noise, rival.policy).batch
            judges = rival._replace(noise=system.game("test bound", batch_idx).noise)
            judges.add_to(self.truths[name], outputs.real, fake)
            if self.proxies:
                self.written[name].append((_everyones(outputs.real), _everyones(fake)))

    def on_exception(self, trainer: pl.Trainer, system: TextGAN, exception: BaseException) -> None:
        self.line.clear()

    def _judged(self, name: str, system: TextGAN) -> Row:
        """What the proxies say of a rival's sentences."""
        if name not in self.written:
            return {}
        self._doing(f"networks for {name} …")
        real, fake = (_joined(side) for side in zip(*self.written.pop(name), strict=True))
        with system.stopwatch.during("networks"):
            return self._said(real, fake)

    def on_test_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        rows = {name: truth.compute() | self._judged(name, system) for name, truth in self.truths.items()}
        notes = {"likelihood": cut_short(system)}
        if BEST in rows:
            temperature = self.rivals[BEST].policy.temperature
            edge = len(self.temperatures) > 1 and temperature in (min(self.temperatures), max(self.temperatures))
            rows[BEST] = {"temperature": temperature} | rows[BEST]
            notes[BEST] = " (the last one tried)" * edge
        if system.clock.steps["generator"] or system.clock.steps["discriminator"] or not rows:
            game = {key.removeprefix("test/"): value for key, value in trainer.callback_metrics.items()}
            rows["game"] = {"steps": system.clock.steps["generator"]} | game
        for name, found in self.frontier.items():
            rows[name] |= covered(found)
        if rank() == 0:
            time = system.stopwatch.read() | system.stopwatch.parts()
            plain = {name: numbers(row) for name, row in (rows | {"time": time}).items()}
            swept = {
                name: [{"temperature": temperature} | numbers(row) for temperature, row in found.items()]
                for name, found in self.frontier.items()
            }
            if swept:
                replace(self.folder / "frontier.json", json.dumps(swept, indent=2) + "\n")
            told = plain | ({} if system.choice is None else {"choice": system.choice})
            replace(self.folder / "closing.json", json.dumps(told, indent=2) + "\n")
            for logger in trainer.loggers:
                if isinstance(logger, WandB):
                    summary = {f"closing/{name}": _headline(plain[name]) for name in rows}
                    logger.tell(lambda run, summary=summary: run.summary.update(summary))
            self.line.clear()
            show({titled(name, row) + notes.get(name, ""): row for name, row in rows.items()}, trainer, system)


def _headline(row: Mapping[str, float]) -> dict[str, float]:
    """What W&B's summary has of a column: each number is a column of the table of all runs there."""
    return {key: value for key, value in row.items() if key in HEADLINE or key.startswith(KEY)}


def cut_short(system: TextGAN) -> str:
    """Whether the run ended within its likelihood pretraining, in words; "" where it did not."""
    phase = system.schedule.phase(system.clock)
    inside = phase is not None and phase.name == "pretrain" and phase.done > 0
    return f", cut short after {phase.done:,} steps" if inside else ""


def best_temperature(found: Frontier) -> float | None:
    """The lowest true JSD (the farthest horizon where all are saturated), or what a fresh critic says of it.

    None where the truth is not known and the sentences were too few for the critic.
    """
    key, far = _named(found, "truth/jsd") or _named(found, KEY), _named(found, HORIZON)
    if far and all(map(saturated, found.values())):  # without prefixes nobody has one, nor who never gets there
        return max(found, key=lambda temperature: found[temperature].get(far, math.inf))
    return None if key is None else min(found, key=lambda temperature: found[temperature][key])


def covered(found: Frontier) -> Row:
    """The area under the temperatures' frontier of BLEU and 1 − Self-BLEU, seen from (0, 0): noise, all alike."""
    quality, sameness = (_named(found, f"frontier/{name}{ORDER}_") for name in ("bleu", "self_bleu"))
    if quality is None:
        return {}
    points = [torch.stack([row[quality], 1 - row[sameness]]) for row in found.values()]
    return {f"frontier/hypervolume_{quality.rpartition('_')[2]}": hypervolume(torch.stack(points))}


def _named(found: Frontier, start: str) -> str | None:
    """The key of every row that begins so: the first, whose standard error comes after it."""
    return next((key for row in found.values() for key in row if key.startswith(start)), None)


def _entropy(written: Samples) -> torch.Tensor:
    """H(G) by its own samples, in nats a token."""
    return -all_mean(written.logp.sum()) / all_mean(written.mask.sum(dtype=torch.float))


def _everyones(batch: TextBatch) -> TextBatch:
    return TextBatch(*(gather(part) for part in batch))


def _joined(batches: Sequence[TextBatch]) -> TextBatch:
    return TextBatch(*(torch.cat(part) for part in zip(*batches, strict=True)))


def show(rows: dict[str, Row], trainer: pl.Trainer, system: TextGAN) -> None:
    """Prints the closing table, the self-check and a few samples."""
    console = terminal.console()
    last = list(rows.values())[-1]
    units = "JSD and KL a sentence, NLL and H a token" if "truth/jsd" in last else "JSD a sentence, NLL a token"
    print_table(f"On the test sentences (nats; {units})", rows)
    if "bound/value" in last and "truth/jsd" in last:
        _self_check(last)
    console.print(f"Time: {stopwatch.told(system.stopwatch.parts())}", highlight=False)
    if system.schedule.ended:
        console.print(system.schedule.ended, highlight=False)
    if system.choice is not None:
        console.print(chosen(**system.choice), highlight=False)
    for callback in trainer.callbacks:
        if isinstance(callback, SampleTable):
            console.print("Samples:", highlight=False)
            show_samples(callback.latest)


def _self_check(row: Row) -> None:
    truth, bound = float(row["truth/jsd"]), float(row["bound/value"])
    margin = 2 * (float(row["truth/jsd_se"]) ** 2 + float(row["bound/se"]) ** 2) ** 0.5
    holds = bound <= truth + margin
    true = "log 2 within its error" if saturated(row) else f"{truth:.4f}"
    said = f"D says JSD ≥ {bound:.4f} ± {float(row['bound/se']):.4f}; the truth is {true}"
    style = "green" if holds else "bold red"
    outcome = "holds" if holds else "FAILS: the bound lies above the truth by more than 2 SE; please report this run"
    terminal.console().print(f"Self-check, bound ≤ truth + 2 SE: {outcome} ({said}).", style=style, highlight=False)
