"""A game of few steps, and what can be said of its run: weights, rows of the log, a checkpoint on the way."""

import pytorch_lightning as pl
import torch

FIXED = ("model/schedule=fixed", "model.schedule.pretrain_steps=4", "model.schedule.discriminator_pretrain_steps=3")
FIXED += ("model.schedule.adversarial_steps=3", "model.schedule.k=2", "model.schedule.check_every=1")
UPDATES = {"pretrain", "discriminator", "generator"}


def weights(player):
    """What is learnt, and tensors that are remembered."""
    return {name: value.detach().clone() for name, value in player.state_dict().items() if torch.is_tensor(value)}


def differ(before, after):
    return any(not before[name].equal(after[name]) for name in before)


def trained(run, after=0):
    """The rows of the log that say what the updates did, without seconds."""
    rows = [row for row in run.rows if row["steps/all"] > after and {key.split("/")[0] for key in row} & UPDATES]
    return [{key: row[key] for key in row if not key.startswith("system/")} for row in rows]


class Cut(pl.Callback):
    """Saves a checkpoint after so many steps."""

    def __init__(self, after, path):
        self.after, self.path = after, path

    def on_train_batch_end(self, trainer, system, *_):
        if system.clock.total == self.after:
            trainer.save_checkpoint(self.path)
