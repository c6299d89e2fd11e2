"""Whether the parts of a game fit each other: a refusal gives the reason and parts that would fit."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.baseline import BatchMean, Zero
from textgan_lit.model.credit import Credit, RewardToGo, Terminal
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.estimator.data_side import DataSide
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Policy
from textgan_lit.model.reward import Reward
from textgan_lit.model.schedule import Fixed, Rule, Schedule
from textgan_lit.system import TextGAN, Update
from textgan_lit.types import Vocab

# What conf/model/reinforce.yaml gives, which nobody chose, and what says itself that there is none.
UNUSED = Terminal | BatchMean | Zero

# Settings of the schedule that say nothing where a player comes from another run.
BROUGHT = {
    "generator_from": "(pretrain_steps|pretrain_tokens|patience)",
    "discriminator_from": "discriminator_pretrain_steps",
}


def check(game: TextGAN, estimator: Any, rules: Mapping[str, Any], oracle: Oracle | None) -> None:
    """Refuses parts that do not fit each other. ``rules`` are the reward, the credit and the baseline."""
    discriminator, updates, reward, credit = game.discriminator, game.updates, rules["reward"], rules["credit"]
    loss = updates["discriminator"].loss if "discriminator" in updates else None
    check_credit(credit, discriminator)
    if discriminator is not None and discriminator.needs_density:
        game.generator.need_likelihood(f"discriminator {type(discriminator).__name__}", "model/discriminator=conv")
    check_used(estimator, rules)
    for update in updates.values():
        update.loss.check(game.generator, discriminator)
    check_taught(discriminator, updates)
    check_reward(reward, loss, estimator)
    check_length(credit, loss, reward, game.generator.vocab)
    check_policy(game.policy, game.schedule, updates)
    check_rule(game.schedule.rule, game.generator, discriminator, oracle)


def check_used(estimator: Any, rules: Mapping[str, Any]) -> None:
    """Whether the estimator takes all that was chosen of what a step is paid by, so that none is there for show."""
    taken = {} if estimator is None else inspect.signature(type(estimator)).parameters
    who = "a model without an estimator" if estimator is None else type(estimator).__name__
    for name, rule in rules.items():
        if name not in taken and not isinstance(rule, UNUSED | None):
            raise UserError(
                f"{type(rule).__name__} {name} would be ignored: {who} has no use for a {name}. Use ~model/{name}, or "
                "model/estimator=score_function."
            )


def check_rule(rule: Rule, generator: Generator, discriminator: Discriminator | None, oracle: Oracle | None) -> None:
    if discriminator is None and not isinstance(rule, Fixed):
        raise UserError(
            f"{type(rule).__name__} asks how far the discriminator is ahead, and this model has none. "
            "Use model/schedule=fixed."
        )
    if rule.needs_oracle and oracle is None:
        raise UserError(
            f"{type(rule).__name__} compares D with the best possible D, which takes data whose distribution is known. "
            "Use data=mixture or another oracle, or a rule that does without, such as model/schedule=staleness."
        )
    if rule.needs_oracle:
        generator.need_likelihood(f"{type(rule).__name__}, which compares with D*,", "model/schedule=staleness")


def check_policy(policy: Policy, schedule: Schedule, updates: Mapping[str, Update]) -> None:
    if not policy.leaves_out:
        return
    if schedule.pretrain_steps > 0:
        raise UserError(
            f"{type(policy).__name__} gives some tokens probability 0, so the likelihood pretraining would be "
            "infinite. Use model/policy=categorical while training, or model.schedule.pretrain_steps=0."
        )
    if "generator" in updates and updates["generator"].loss.reads_real:
        raise UserError(
            f"{type(policy).__name__} gives some tokens probability 0, and the generator's steps of this model take "
            "the likelihood of real sentences, which would be infinite. Use model/policy=categorical while training."
        )


def check_credit(credit: Credit | None, discriminator: Discriminator | None) -> None:
    if credit is None or discriminator is None or credit.needs in ("any", discriminator.scores):
        return
    takes = {
        "token": "model/credit=terminal or model/credit=reward_to_go",
        "sentence": "model/credit=terminal or model/credit=monte_carlo",
    }
    place = "model/discriminator" + ("@model.discriminator.critic" if hasattr(discriminator, "critic") else "")
    players = {"token": f"{place}=recurrent", "sentence": f"{place}=conv or transformer"}
    raise UserError(
        f"{type(credit).__name__} credit needs one score per {credit.needs}, but the discriminator "
        f"{type(discriminator).__name__} gives one per {discriminator.scores}. "
        f"Use {takes[discriminator.scores]}, or {players[credit.needs]}."
    )


def check_overrides(overrides: Sequence[str], updates: Mapping[str, Update], trainer: Mapping[str, Any]) -> None:
    """Whether each override of the command line that is about some updates, or about several processes, meets any."""
    alone = (trainer.get("devices"), trainer.get("num_nodes", 1)) == (1, 1)
    given = {override.partition("=")[0] for override in overrides}
    for override in overrides:
        about = re.match(r"[+~]*(?:model/optimizer@)?model\.optim\.(\w+)", override)
        if about and about[1] not in updates:
            raise UserError(
                f"{override} would be ignored: this model plays no {about[1]} steps, only {' and '.join(updates)}. "
                "Leave it out, or choose a model that plays them: model=minimax has all three."
            )
        for key, brought in BROUGHT.items() if "generator" in updates else ():
            if re.match(rf"model\.schedule\.{brought}=(?!0$)", override) and f"+model.{key}" in given:
                raise UserError(f"{override} would be ignored: model.{key} brings that pretraining. Leave it out.")
        if alone and re.match(r"[+~]*trainer\.timeout\b", override):
            raise UserError(
                f"{override} would be ignored: one process waits for no other. Leave it out, or play several."
            )


def check_taught(discriminator: Discriminator | None, updates: dict[str, Update]) -> None:
    learns = discriminator is not None and any(weight.requires_grad for weight in discriminator.parameters())
    if learns and "discriminator" not in updates:
        raise UserError(
            f"{type(discriminator).__name__} has to be taught, but the model has no loss for it. "
            "Use model/discriminator_loss=minimax with it, or model/discriminator=oracle or empirical, which learn "
            "nothing."
        )


def check_reward(reward: Reward | None, discriminator_loss: Any, estimator: Any) -> None:
    """Whether the score that D's loss trains is what the reward takes it for."""
    if reward is None or discriminator_loss is None:
        return
    of_log_odds = reward.of_log_odds or isinstance(estimator, DataSide)
    if of_log_odds and not discriminator_loss.log_odds:
        raise UserError(
            f"{type(reward).__name__} reward takes the score for log P/G, but {type(discriminator_loss).__name__} "
            "trains a critic whose score is not. Use model/reward=score, or model/discriminator_loss=minimax or "
            "least_squares."
        )
    if discriminator_loss.open_constant and not reward.linear:
        raise UserError(
            f"{type(discriminator_loss).__name__} leaves a constant of the score open, which {type(reward).__name__} "
            "reward would see. Use model/reward=score, or model/discriminator_loss=minimax."
        )


def check_length(credit: Credit | None, discriminator_loss: Any, reward: Reward | None, vocab: Vocab) -> None:
    """Whether what every token is paid alike can teach nothing but length."""
    paid = reward is not None and not reward.null and isinstance(credit, RewardToGo)
    if paid and discriminator_loss is not None and discriminator_loss.open_constant and vocab.has_eos:
        raise UserError(
            f"{type(discriminator_loss).__name__} leaves a constant of the score open, and RewardToGo credit would pay "
            "it for every token still to come, so for length. Use model/credit=terminal, or "
            "model/discriminator_loss=minimax."
        )


def check_shares(system: TextGAN, module: pl.LightningDataModule, processes: int) -> None:
    """Whether so many processes can share every batch and split equally: said before any of them is started."""
    rows = {f"model.optim.{name}.batch_size": update.batch_size for name, update in system.updates.items()}
    rows |= {f"data.{name}": size for name, size in module.sizes.items() if name != "train" and size}
    for name, number in rows.items():
        if number % processes:
            raise UserError(
                f"{processes} processes cannot share {name}={number} sentences equally. Give a multiple of {processes}."
            )
