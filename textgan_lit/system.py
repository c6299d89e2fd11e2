"""The LightningModule: who steps, and when. One batch is one step.

``trainer.global_step`` counts every optimizer's step; with one step a batch it equals the number of steps,
each discriminator step sees fresh data, and a checkpoint may fall anywhere in a cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, final

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from textgan_lit.clock import SPENT, Stopwatch
from textgan_lit.faults import Fault, Faults
from textgan_lit.model import moments, pretraining
from textgan_lit.model.average import Average
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Loss
from textgan_lit.model.policy import Policy
from textgan_lit.model.schedule import Schedule
from textgan_lit.model.weights import bases
from textgan_lit.noise import Noise, reseed, stream
from textgan_lit.run.distributed import all_mean, rank, world_size
from textgan_lit.run.schema import Count, Form, Measured, form
from textgan_lit.truth import held_out_check
from textgan_lit.types import BASES, CHOICE, HELD_OUT_CHECK, STEPS, Clock, Evaluation, HeldOutCheck, Outcome, TextBatch

OF_STEP = "turn"  # names the noise of a step: another name would be other noise, and change every number of before


@dataclass(frozen=True)
class Update:
    """A player, what its step makes smaller, and how. ``batch_size`` sentences over all processes, by ``by_length`` of
    about one length; ``max_grad_norm`` bounds the gradient's norm. The learning rate rises over ``warmup_steps``;
    ``linear`` then falls to 0 over all steps."""

    player: str
    loss: Loss
    optimizer: Callable[[Iterable[Parameter]], Optimizer]
    batch_size: int
    max_grad_norm: float | None = None
    by_length: bool = False
    warmup_steps: int = 0
    lr_schedule: Literal["constant", "linear"] = "constant"

    def lr_share(self, done: int, total: int) -> float:
        """Of the learning rate, at the step after ``done`` of ``total``."""
        rising = (done + 1) / (self.warmup_steps + 1)
        falling = (total - done) / max(1, total - self.warmup_steps) if self.lr_schedule == "linear" else 1.0
        return min(1.0, rising, max(0.0, falling))


@final
class TextGAN(pl.LightningModule):
    """Two players, a schedule that says whose step it is, and the clock that counts the steps."""

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator | None,
        updates: dict[str, Update],
        schedule: Schedule,
        policy: Policy,
        seed: int = 0,
        check_size: int = 1000,
        average: Average | None = None,
        settings: dict[str, Any] | None = None,
        faults: Faults | None = None,
        data: str | None = None,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = generator, discriminator
        self.losses = torch.nn.ModuleDict({name: update.loss for name, update in updates.items()})
        self.updates, self.schedule, self.policy = updates, schedule, policy
        self.seed, self.check_size, self.settings = seed, check_size, settings or {}
        self.average, self.pretraining = average, pretraining.Pretraining()
        self.choice: dict[str, Any] | None = None  # of the generator that the run leaves: callbacks.choice
        self.data = data  # fingerprint of the sentences, where they are somebody's files
        self.clock = Clock()
        self.real_tokens: int | Tensor = 0  # from the data, by this rank; no buffer, which ranks would make the same
        self.sampled_tokens = 0  # uniform numbers drawn by steps, over all ranks
        self.stopwatch = Stopwatch()
        self.reading: HeldOutCheck | None = None
        self.staleness: float | None = None  # how much BCE the generator step just made cost D, where it was measured
        self.upcoming: str | None = None  # the update that the next batch plays
        self.faults = faults or Faults()
        self.fault: Fault | None = None  # of the step that is being played, or was just played

    def configure_optimizers(self) -> list[Optimizer]:
        return [update.optimizer(self.learning(update)) for update in self.updates.values()]

    def learning(self, update: Update) -> list[Parameter]:
        """The weights that an update's optimizer updates."""
        return [weight for weight in getattr(self, update.player).parameters() if weight.requires_grad]

    def game(self, *purpose: int | str) -> Game:
        """The players as they stand, with the noise that belongs to ``purpose``."""
        noise = Noise(self.seed, *purpose, device=self.device)
        return Game(self.generator, self.discriminator, self.policy, noise)

    def evaluated(self, *purpose: int | str) -> Game:
        """The game as evaluations see it: with the average of the generator's weights, where one is kept."""
        game = self.game(*purpose)
        return game if self.average is None else replace(game, generator=self.average.generator)

    @property
    def null_control(self) -> bool:
        """Whether this run's reward is a control that must not teach."""
        return any(getattr(update.loss, "null", False) for update in self.updates.values())

    def axes(self) -> dict[str, int | float]:
        """The x-axes of every plot: steps of each update, tokens read and written, seconds of this run.

        Ranks add up what they read, so all of them must ask.
        """
        return {
            **{f"steps/{name}": self.clock.steps[name] for name in self.updates},
            "steps/all": self.clock.total,
            "tokens/real": self._read_by_all(),
            "tokens/sampled": self.sampled_tokens,
            **{f"system/{name}": value for name, value in self.stopwatch.read().items()},
        }

    def _read_by_all(self) -> int:
        read = torch.as_tensor(self.real_tokens, dtype=torch.double, device=self.device)
        return round(float(all_mean(read)) * world_size())

    def record(self, row: Mapping[str, float | Tensor]) -> None:
        """One row to every logger, with the axes beside it."""
        row = {key: float(value) for key, value in row.items()} | self.axes()
        for logger in self.trainer.loggers:
            logger.log_metrics(row, step=self.clock.total)

    # --- one step -------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        self.trainer.datamodule.position = self.clock.total  # a batch is a step
        self.held_out = TextBatch(*(part.to(self.device) for part in self.trainer.datamodule.sentences("valid")))

    def on_train_start(self) -> None:
        self.stopwatch.start(self._part())
        if self.upcoming is None:
            self._decide()

    def _part(self) -> str:
        """What time goes into while nobody evaluates."""
        phase = self.schedule.phase(self.clock)
        playing = self.clock.steps["generator"] > 0 or (phase is not None and phase.name == "adversarial")
        return "adversarial" if playing else "pretraining"

    def training_step(self, batch: TextBatch, batch_idx: int) -> dict[str, Any]:
        reseed(self.seed, "dropout", self.clock.total, rank())  # nothing else draws from torch's own stream
        name = self.upcoming
        update, optimizer = self.updates[name], self._optimizer(name)
        game = self.game(OF_STEP, self.clock.total)
        batch = self._rows(batch, update)
        if name != "pretrain":  # which alone gains from batches that are padded to their own longest sentence
            batch = batch.padded(self.generator.max_length, self.generator.vocab.pad)
        for name_of, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            if player is not None:
                player.train(name_of == update.player)
        memory = [value.clone() for value in update.loss.buffers()]
        with optimizer.toggle_model():
            outcome = update.loss.outcome(game, batch)
            optimizer.zero_grad()
            self.manual_backward(outcome.loss)
            self._look(name, optimizer, outcome, memory)
            self._set_rate(name, optimizer)
            optimizer.step()
        self._follow(name)
        self._count(name, batch, game)
        self._decide()
        return {"update": name, "logs": outcome.logs}

    def _rows(self, batch: TextBatch, update: Update) -> TextBatch:
        """This rank's sentences of a step."""
        size = update.batch_size // world_size()
        if not update.by_length:
            return batch.first(size)
        return batch.alike(size, float(torch.rand((), generator=stream(self.seed, "length", self.clock.total))))

    def _set_rate(self, name: str, optimizer: Any) -> None:
        total = {"pretrain": self.schedule.pretrain_steps, "generator": self.schedule.adversarial_steps}.get(name, 0)
        share = self.updates[name].lr_share(self.clock.steps[name], total)
        for group in optimizer.param_groups:
            if "initial_lr" in group:  # the rate is not the same all along
                group["lr"] = group["initial_lr"] * share

    @torch.no_grad()
    def _look(self, name: str, optimizer: Any, outcome: Outcome, memory: list[Tensor]) -> None:
        """Whether the step that is due may be made. Else the step counts, but nobody learns from it: torch's optimizers
        leave weights without a gradient alone, and the objective remembers what it remembered before (``memory``).
        """
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None  # fp16 sees to overflows by itself
        weights = () if scaled else (weight for group in optimizer.param_groups for weight in group["params"])
        seen = self.faults.look(outcome.loss, outcome.logs, weights)
        self.fault = None if seen is None else Fault(name, self.clock.total + 1, *seen)
        if self.fault is not None:
            optimizer.zero_grad()
            for now, before in zip(self.updates[name].loss.buffers(), memory, strict=True):
                now.copy_(before)

    def _follow(self, name: str) -> None:
        if self.average is not None and self.updates[name].player == "generator":
            self.average.follow(self.generator, name)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Here and not in training_step: with fp16 the gradients have been unscaled by now.
        norm = self.updates[self.upcoming].max_grad_norm
        if norm:
            self.clip_gradients(optimizer, gradient_clip_val=norm, gradient_clip_algorithm="norm")

    def _optimizer(self, name: str) -> Any:
        optimizers = self.optimizers()
        return optimizers[list(self.updates).index(name)] if isinstance(optimizers, list) else optimizers

    def _count(self, name: str, batch: TextBatch, game: Game) -> None:
        just_read = self.fault is None and self.reading is not None and self.reading.steps == self.clock.steps
        self.clock.steps[name] += 1
        self.schedule.played(self.clock, name)
        self.sampled_tokens += game.noise.drawn
        if name != "generator" or self.updates[name].loss.reads_real:  # others only take the batch's size
            self.real_tokens = self.real_tokens + batch.mask.sum()
        self.staleness = None
        if name == "generator" and just_read:
            after = self._read(self.reading.steps)
            self.staleness = after.bce - self.reading.bce
            if self.schedule.rule.compares and self.schedule.wants_reading(self.clock):
                self.reading = replace(after, steps=dict(self.clock.steps))  # which _decide would take once more

    # --- between steps --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _decide(self) -> None:
        """Measures what the schedule wants to know, asks for the next update, and stops where there is none."""
        if self.schedule.wants_validation(self.clock):
            self._validate_pretraining()
        fresh = self.reading is not None and self.reading.steps == self.clock.steps
        if self.discriminator is not None and not fresh and self.schedule.wants_reading(self.clock):
            self.reading = self._read(self.clock.steps)
        last, self.upcoming = self.upcoming, self.schedule.next_update(self.clock, self.reading)
        self.stopwatch.start(self._part())
        self.trainer.should_stop = self.upcoming is None
        if last == "pretrain" and self.upcoming not in (None, last):  # it does not come back
            self._optimizer(last).state.clear()
        if self.discriminator is not None and self.upcoming not in (None, last):
            self._introduce(self.updates[self.upcoming].player)

    def _introduce(self, player: str) -> None:
        """Whose step it is meets the other as it has become."""
        players = {"generator": self.generator, "discriminator": self.discriminator}
        meets = players.pop(player)
        meets.sync_with(*players.values())

    def _read(self, steps: dict[str, int]) -> HeldOutCheck:
        """A held-out check of the players as they are, on sentences and noise that belong to ``steps``, or to all."""
        self.eval()
        rule = self.schedule.rule
        game = self.game("reading", *(() if rule.compares else (sum(steps.values()),)))
        oracle = self.trainer.datamodule.oracle.on(self.device) if rule.needs_oracle else None
        return held_out_check.take(game, self.held_out, self.check_size, steps, oracle)

    def _validate_pretraining(self) -> None:
        """Keeps the generator if its held-out likelihood is the best so far; else goes back and halves the rate."""
        self.eval()
        nll = pretraining.held_out_nll(self.game("held_out"), self.held_out)
        better = self.schedule.report_validation(self.clock, nll)
        self.pretraining.validated(self.generator, self._optimizer("pretrain"), better)
        self._follow("pretrain")

    # --- evaluation: one shared set of samples, judged by callbacks --------------------------------------------------

    def on_validation_start(self) -> None:
        self.stopwatch.start("evaluations")

    on_test_start = on_validation_start

    def on_validation_end(self) -> None:
        self.stopwatch.start(self._part())

    def validation_step(self, batch: TextBatch, batch_idx: int) -> Evaluation:
        return Evaluation(batch, self.evaluated("validation", batch_idx).sample(len(batch.tokens)))

    def test_step(self, batch: TextBatch, batch_idx: int) -> Evaluation:
        return Evaluation(batch, self.evaluated("test", batch_idx).sample(len(batch.tokens)))

    # --- checkpoints: tensors and plain values only -------------------------------------------------------------------

    @property
    def form(self) -> type[Form]:
        """Of what stands under textgan_lit in a checkpoint of this game."""
        return form(
            settings=dict[str, Any],
            vocab=self.generator.vocab.form,
            **dict.fromkeys(("max_length", "real_tokens", "sampled_tokens"), Count),
            data=str | None,
            bases=BASES,
            steps=STEPS,
            spent=SPENT,
            reading=HELD_OUT_CHECK | None,
            staleness=Measured | None,
            upcoming=Literal[(*self.updates, None)],
            schedule=self.schedule.form,
            pretraining=dict[str, Tensor] | None,
            choice=CHOICE | None,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if "optimizer_states" in checkpoint:
            checkpoint["optimizer_states"] = [moments.kept(optimizer) for optimizer in self.trainer.optimizers]
        checkpoint["textgan_lit"] = {
            "settings": self.settings,
            "vocab": self.generator.vocab.saved(),
            "max_length": self.generator.max_length,
            "data": self.data,
            "bases": bases(self.generator, self.discriminator),
            "steps": dict(self.clock.steps),
            "real_tokens": self._read_by_all(),
            "sampled_tokens": self.sampled_tokens,
            "spent": self.stopwatch.state(),
            "reading": asdict(self.reading) if self.reading else None,
            "staleness": self.staleness,
            "upcoming": self.upcoming,
            "schedule": self.schedule.state_dict(),
            "pretraining": self.pretraining.best,
            "choice": self.choice,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        states, optimizers = checkpoint.get("optimizer_states", []), self.configure_optimizers()
        checkpoint["optimizer_states"] = [moments.whole(*both) for both in zip(states, optimizers, strict=False)]
        kept = checkpoint["textgan_lit"]
        self.clock.steps.update(kept["steps"])
        self.real_tokens = kept["real_tokens"] if rank() == 0 else 0
        self.sampled_tokens, self.stopwatch.spent = kept["sampled_tokens"], kept["spent"]
        self.reading = HeldOutCheck(**kept["reading"]) if kept["reading"] else None
        self.staleness, self.upcoming = kept["staleness"], kept["upcoming"]
        self.pretraining.best, self.choice = kept["pretraining"], kept["choice"]
        self.schedule.load_state_dict(kept["schedule"])
