"""Symptoms of a game that has gone wrong though all its numbers are finite: what evaluations see, in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, final

import pytorch_lightning as pl
import torch
from annotated_types import Ge
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.logger import alert
from textgan_lit.model.generator.gaussian import Gaussian, kl
from textgan_lit.run import terminal
from textgan_lit.run.distributed import gather, rank
from textgan_lit.run.schema import Count, form
from textgan_lit.system import TextGAN
from textgan_lit.types import Evaluation, TextBatch

ACTIVE = 0.01  # variance of E[z|x] from which on a number of the latent says something of x
MIN_DISTINCT = 0.1  # different sentences among the samples, as a share of those among as many real ones
MIN_DIVERSITY = 0.3  # 1 − Self-BLEU of the samples, as a share of real text's
MIN_KL = 0.1  # nats a sentence, of a latent's posterior from its prior

WORDS = {
    "dead": "D is worse than silence on held-out sentences (bound/raw + 2 SE < 0). Likely cause: it has memorised its "
    "training sentences, or lags behind G. Way out: a larger model.schedule.k, a lower "
    "model.optim.generator.lr, more data.train, or model.discriminator.dropout.",
    "collapsed": "G repeats itself: of as many sentences, real ones hold {real:,} different ones and samples {fake:,}. "
    "Likely cause: the reward pays for a few sentences more than it costs to repeat them. Way out: a lower "
    "model.optim.generator.lr, a longer model.schedule.pretrain_steps, or model/regulariser=[entropy].",
    "alike": "G's samples are variations of a few: Self-BLEU is {fake:.3f}, of real sentences {real:.3f}. Likely "
    "cause: the reward pays for a few phrases more than it costs to repeat them. Way out: a lower "
    "model.optim.generator.lr, a longer model.schedule.pretrain_steps, or model/regulariser=[entropy].",
    "unread": "The posterior has collapsed: the latent says {kl:.3f} nats of a sentence, and {units:.0f} of its "
    "numbers depend on it, so G writes as if it had none. Likely cause: the tokens before say enough. Way out: "
    "model.objective.free_bits=0.1 or more, a longer model.objective.anneal_steps, or a smaller decoder "
    "(model.generator.hidden).",
}
TITLES = {
    "dead": "D is worse than silence",
    "collapsed": "G repeats itself",
    "alike": "G's samples are alike",
    "unread": "the posterior has collapsed",
}


@final
class Health(pl.Callback):
    """A dead D: the raw bound lies more than 2 SE below 0. A collapsed G: fewer than ``MIN_DISTINCT`` times as many
    different sentences as real text has. Samples that are alike: 1 − Self-BLEU, of the highest order that is measured,
    is less than ``MIN_DIVERSITY`` times real text's. A latent that is not read: its KL is below ``MIN_KL`` nats a
    sentence, or none of its numbers is active. Each is said once, after ``patience`` evaluations in a row, until an
    evaluation is without it; with ``stop`` that ends the run.

    Controls and tiny worlds may have both and be as they should. Only where the score is log-odds can D be called dead.
    """

    form = form(streaks=dict[Literal[tuple(WORDS)], Count])

    def __init__(
        self,
        patience: Annotated[int, Ge(1)] = 3,
        stop: bool = False,
    ):
        self.patience, self.stop = patience, stop
        self.streaks = dict.fromkeys(WORDS, 0)
        self.seen: dict[str, list[bytes]] = {"real": [], "fake": []}
        self.posterior: list[tuple[Tensor, Tensor]] = []  # mean of q(z|x), and its KL from the prior, by sentence
        self.latent: dict[str, float] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, system: TextGAN) -> None:
        self.seen, self.posterior = {"real": [], "fake": []}, []

    def on_validation_batch_end(self, trainer: pl.Trainer, system: TextGAN, outputs: Evaluation, *_: Any) -> None:
        for side, batch in (("real", outputs.real), ("fake", outputs.fake.batch)):
            self.seen[side] += rows(batch)
        if scores_latents(system):
            self.posterior.append(guessed(system.evaluated("health").generator, outputs.real))

    def on_validation_epoch_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        shares = {side: len(set(seen)) / len(seen) for side, seen in self.seen.items()}
        self.latent = read(self.posterior)
        told = {f"health/latent_{name}": value for name, value in self.latent.items()}
        system.record({"health/distinct": shares["fake"], "health/distinct_real": shares["real"]} | told)

    def on_validation_end(self, trainer: pl.Trainer, system: TextGAN) -> None:
        """Here, where the truth panel has measured the same evaluation."""
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        different = {side: len(set(seen)) for side, seen in self.seen.items()}
        bleu = self_bleu(trainer.callback_metrics)
        counted = {"dead": {}, "collapsed": different, "alike": bleu, "unread": self.latent}
        found = {
            "dead": scores_log_odds(system) and dead(trainer.callback_metrics),
            "collapsed": different["fake"] < MIN_DISTINCT * different["real"],
            "unread": bool(self.latent) and (self.latent["kl"] < MIN_KL or not self.latent["units"]),
            "alike": bool(bleu) and 1 - bleu["fake"] < MIN_DIVERSITY * (1 - bleu["real"]),
        }
        for name, bad in found.items():
            self.streaks[name] = self.streaks[name] + 1 if bad else 0
            if self.streaks[name] == self.patience:
                line = f"Step {system.clock.total:,}: {WORDS[name].format(**counted[name])}"
                alert(trainer.loggers, TITLES[name], line)
                self._say(line)

    def _say(self, line: str) -> None:
        if self.stop:
            raise UserError(f"{line} (callbacks.health.stop=false only says so.)")
        if rank() == 0:
            terminal.say(line)

    def state_dict(self) -> dict[str, Any]:
        return {"streaks": self.streaks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.streaks |= state["streaks"]


def rows(batch: TextBatch) -> list[bytes]:
    """Everyone's sentences of this batch, comparable; padding is all alike."""
    tokens = gather(batch.tokens.masked_fill(~batch.mask, -1)).cpu().numpy()
    return [row.tobytes() for row in tokens]


def scores_latents(system: TextGAN) -> bool:
    """Whether there is an encoder that has learnt to guess latents."""
    return isinstance(system.generator, Gaussian) and system.clock.steps["pretrain"] > 0


@torch.no_grad()
def guessed(generator: Gaussian, batch: TextBatch) -> tuple[Tensor, Tensor]:
    """Of everyone's sentences: the mean of q(z | x), and its KL from the prior, by coordinate."""
    mean, spread = generator.posterior(batch)
    return gather(mean), gather(kl(mean, spread))


def read(posterior: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """What the latent says of a sentence, nats; and its active units: numbers whose mean given x varies with x by more
    than a hundredth (Burda et al. 2016, arXiv:1509.00519, appendix C). {} without sentences."""
    if not posterior:
        return {}
    mean, cost = (torch.cat(parts).double() for parts in zip(*posterior, strict=True))
    return {"kl": float(cost.sum(1).mean()), "units": float((mean.var(0) > ACTIVE).sum())}


def scores_log_odds(system: TextGAN) -> bool:
    """Whether D has learnt, and learns log-odds: a critic's score proves nothing until it is calibrated."""
    update = system.updates.get("discriminator")
    return update is not None and system.clock.steps["discriminator"] > 0 and update.loss.log_odds


def dead(metrics: Any) -> bool:
    return "bound/raw" in metrics and bool(metrics["bound/raw"] + 2 * metrics["bound/raw_se"] < 0)


def self_bleu(metrics: Any) -> dict[str, float]:
    """Of the highest order that the group ``metrics`` has measured: Self-BLEU of real sentences and of samples."""
    measured = [key for key in metrics if key.startswith("quality/self_bleu") and f"{key}_real" in metrics]
    key = max(measured, default="")  # quality/self_bleu4_1000
    return {"real": float(metrics[f"{key}_real"]), "fake": float(metrics[key])} if key else {}
