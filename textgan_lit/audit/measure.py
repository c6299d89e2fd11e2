"""Does the gradient point where it is said to? Measured on worlds small enough to know the answer.

Where every sentence can be listed, the gradient of a divergence and of an expected reward are finite sums. The
generator's own loss, called as a run calls it, is averaged over many batches and compared with such a sum.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from textgan_lit.audit.enumeration import Enumeration
from textgan_lit.audit.finding import Finding, Measured, conclude
from textgan_lit.audit.hypotheses import Hypothesis, hypotheses
from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.functional.agreement import agreement
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.objective import Loss
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.system import TextGAN
from textgan_lit.types import TextBatch

ROWS = 256  # batches are averaged in groups, so that no more gradients than these are held
DOUBLINGS = 3  # times that there may be twice as many batches, where noise hides the gradient
GROWTH = 16  # how much larger the batch is where a bias should vanish with it
FALLS = (0.5, 0.25)  # shares of a setting, where a bias should vanish as it falls
RATE = {"pretrain": 0.01, "discriminator": 0.01}  # Adam's: the players shall be neither untaught nor finished
TAUGHT_BATCH = 128


def audit(
    system: TextGAN, oracle: Oracle, batches: int = 200, batch: int = 32, g_steps: int = 20, d_steps: int = 50
) -> list[Finding]:
    """Holds the objective that updates the generator to its declarations, after a few steps of each player."""
    enumeration = Enumeration(oracle, system)
    learn(system, oracle, "pretrain", g_steps)
    if "discriminator" in system.updates:
        learn(system, oracle, "discriminator", d_steps)
        system.generator.sync_with(system.discriminator)
    system.generator.train()
    silence_dropout(system.generator)
    if system.discriminator is not None:
        system.discriminator.eval()
    return [
        examine(hypothesis, enumeration, batches, batch, system.seed) for hypothesis in hypotheses(system, enumeration)
    ]


def learn(system: TextGAN, oracle: Oracle, name: str, steps: int) -> None:
    """Some steps of an update, with an optimizer of the audit's own: any player will do that is not as it was born."""
    if name not in system.updates:
        return
    update = system.updates[name]
    objective = copy.deepcopy(update.loss)
    weights = [weight for weight in getattr(system, update.player).parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=RATE[name])
    if name == "discriminator":
        system.discriminator.sync_with(system.generator)
    for which in ("generator", "discriminator"):
        player = getattr(system, which)
        if player is not None:
            player.train(which == update.player)
    noise = "taught", {"pretrain": "likelihood"}.get(name, name)  # as it was named when the first audits were made
    for step in range(steps):
        real = real_sentences(oracle, TAUGHT_BATCH, system.seed, *noise, step)
        loss = objective(system.game(*noise, step), real).loss
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(weights, 5.0)
        optimizer.step()
    system.zero_grad()


def examine(hypothesis: Hypothesis, enumeration: Enumeration, batches: int, batch: int, seed: int) -> Finding:
    """Measures a hypothesis, with more batches where noise hides everything; where a bias is declared and seen, also
    whether it is the declared one."""
    since, objective = time.monotonic(), hypothesis.objective
    if not hypothesis.exact.norm() > 0:
        raise UserError(f"The exact gradient of {hypothesis.says} is 0 here, so there is nothing to compare with.")
    found = [measure(hypothesis, enumeration, objective, "", batches, batch, seed)]
    for _ in range(DOUBLINGS):
        if objective.null or not found[0].hidden:
            break
        batches *= 2
        found = [measure(hypothesis, enumeration, objective, "", batches, batch, seed)]
    if objective.claim.bias and not objective.null and not found[0].unbiased:
        for setting, changed, n, size in easier(objective, batches, batch):
            found.append(measure(hypothesis, enumeration, changed, setting, n, size, seed))
    passed, summary = conclude(objective, found)
    return Finding(hypothesis.player, hypothesis.says, found, passed, summary, time.monotonic() - since)


def easier(objective: Loss, batches: int, batch: int) -> Iterator[tuple[str, Loss, int, int]]:
    """The settings under which a declared bias should be smaller: name, objective, batches, batch."""
    if objective.claim.fades == "batch":
        yield f"B = {batch * GROWTH}", objective, max(batches // 4, 2), batch * GROWTH
    elif objective.claim.fades:
        for share in FALLS:
            colder = copy.deepcopy(objective)
            value = getattr(objective, objective.claim.fades) * share
            setattr(colder, objective.claim.fades, value)
            yield f"{objective.claim.fades} {value:g}", colder, batches, batch


def measure(
    hypothesis: Hypothesis,
    enumeration: Enumeration,
    objective: Loss,
    setting: str,
    batches: int,
    batch: int,
    seed: int,
) -> Measured:
    drawn, batches = draws(hypothesis, enumeration, objective, batches, batch, seed)
    found = agreement(drawn, hypothesis.exact, share=0.0 if objective.null else 1.0)
    return Measured(setting or f"B = {batch}", batches, batch, found, found.variance * batches * batch / len(drawn))


def draws(
    hypothesis: Hypothesis, enumeration: Enumeration, objective: Loss, batches: int, batch: int, seed: int
) -> tuple[Float[Tensor, "N P"], int]:
    """Gradients of ``batches`` fresh batches, rounded up so that they can be averaged in groups of equal size.

    Every batch is met by a copy of the objective that has had two sets of samples: a moving average knows something,
    and of several epochs on one set the first is looked at.
    """
    group = -(-batches // ROWS)
    rows = -(-batches // group)
    objective, rows_of = copy.deepcopy(objective), []
    for step in range(2 * objective.num_iterations):
        _loss(hypothesis, enumeration, objective, batch, seed, -1 - step)
    for row in range(rows):
        mean = torch.zeros(sum(weight.numel() for weight in enumeration.weights))
        for step in range(row * group, (row + 1) * group):
            loss = _loss(hypothesis, enumeration, copy.deepcopy(objective), batch, seed, step)
            mean += enumeration.gradient(loss) / group
        rows_of.append(mean)
    return torch.stack(rows_of), rows * group


def _loss(
    hypothesis: Hypothesis, enumeration: Enumeration, objective: Loss, batch: int, seed: int, step: int
) -> Float[Tensor, ""]:
    name = (seed, "audit", hypothesis.player, batch, step)
    real = real_sentences(enumeration.oracle, batch, *name)
    game = Game(enumeration.generator, hypothesis.discriminator, enumeration.policy, Noise(*name))
    return objective(game, real).loss


def real_sentences(oracle: Oracle, n: int, *name: int | str) -> TextBatch:
    return oracle.sample(Noise(*name, "real").uniform(n, oracle.max_length), Categorical()).batch
