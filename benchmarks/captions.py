"""Likelihood on COCO's captions, a character at a time: seconds from the command to the closing table, and how good.

COCO_TRAIN names the file of 10,000 captions; without it there is nothing to measure. The reference is a bare loop of as
many steps on the same batches, without Lightning, evaluations and closing. The goals are what nanoGPT (4 layers, width
128, blocks of 64 characters, batches of 12) reached on 1,000 held-out captions after 1.54 million characters, its
evaluations included: measured once, on another machine.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import measure
from benchmarks.row import Row
from textgan_lit.model.pretraining import held_out_nll
from textgan_lit.system import OF_STEP

FILE = os.environ.get("COCO_TRAIN")
OVERRIDES = (
    "data=text",
    "data.tokenizer=char",
    "data.test=1000",
    "model.optim.pretrain.batch_size=16",
    "model.schedule.pretrain_tokens=1e6",
    "check_size=64",  # sentences on which D is looked at, who does not play here
)
OVERRIDES += ("model.schedule.discriminator_pretrain_steps=0", "model.schedule.adversarial_steps=0", "metrics=none")
SECONDS, NATS = 131.0, 1.138
KEY = "truth/nll_test_character"


def rows() -> Iterator[Row]:
    if FILE is None:
        return
    overrides = (*OVERRIDES, f"data.path={FILE}")
    ours, nats = whole(*overrides)
    reference, bare_nats = bare(*overrides)
    name = "COCO's captions by characters, from the command to the closing table"
    yield Row(name, ours, reference, measure.NONE, SECONDS / ours, "≥ 1: within 131 s", ours <= SECONDS)
    name = "… nats a character on held-out captions"
    yield Row(name, nats, bare_nats, measure.NONE, NATS / nats, "≥ 1: at most 1.138", nats <= NATS, "nats")


def whole(*overrides: str) -> tuple[float, float]:
    """Seconds of the processor that a run takes, and its nats a character on the test sentences."""
    with tempfile.TemporaryDirectory() as folder:
        since = spent()
        measure.played(*overrides, "logger=none", "callbacks.closing.temperatures=[1.0]", f"hydra.run.dir={folder}/run")
        taken = spent() - since
        return taken, json.loads(Path(folder, "run", "closing.json").read_text())["likelihood"][KEY]


def spent() -> float:
    """Of the processor, by this process and those that it has waited for."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def bare(*overrides: str) -> tuple[float, float]:
    """The same of a loop that only learns; its nats are those of the validation sentences, which it never saw."""
    system, data, _ = measure.composed(*overrides, always=("logger=none", "name=benchmark"))
    update, total = system.updates["pretrain"], system.schedule.pretrain_steps
    optimizer, chance = update.optimizer(system.learning(update)), torch.Generator().manual_seed(0)
    system.generator.train()
    since = time.process_time()
    for step, batch in zip(range(total), data.train_dataloader(), strict=False):
        few = batch.alike(update.batch_size, float(torch.rand((), generator=chance)))
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * update.lr_share(step, total)
        optimizer.zero_grad()
        update.loss(system.game(OF_STEP, step), few).loss.backward()
        torch.nn.utils.clip_grad_norm_(system.generator.parameters(), update.max_grad_norm)
        optimizer.step()
    taken, held_out = time.process_time() - since, data.sentences("valid")
    nats = held_out_nll(system.eval().game("held_out"), held_out) * float(held_out.mask.sum())
    return taken, nats / float(data.vocab.characters(held_out).sum())
