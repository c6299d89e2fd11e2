"""The generator that looks on while it is judged: its tokens by hand, and when it takes over what D has learned."""

import pytest
import pytorch_lightning as pl
import torch
from torch.testing import assert_close

import textgan_lit
from tests.helpers.enumeration import lively
from tests.helpers.playing import TINY, built
from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.generator.manager_worker import ManagerWorker
from textgan_lit.types import Vocab

VOCAB, LENGTH = Vocab(("a", "b", "c")), 4
WORDS = (*TINY, "model=leakgan", "model.discriminator.filters=[[1,4],[2,4]]", "model.credit.rollouts=2")
WORDS += ("model/schedule=fixed", "model.discriminator.dropout=0.5", "data.oracle.variable=true")


def judge():
    return Conv(VOCAB, LENGTH, filters=[(1, 3), (2, 2)], embedding=3)


@torch.no_grad()
def test_a_token_is_written_towards_the_last_goals():
    """Logits are O w: O, V by 3 numbers, linear in the worker's state, and w the last two goals, projected."""
    made = lively(ManagerWorker(VOCAB, LENGTH, judge, embedding=3, hidden=4, goal=3, horizon=2))
    inputs = torch.tensor([[VOCAB.bos, 0, 2, 1], [VOCAB.bos, 1, 1, 0]])
    managed, _ = made.manager(made.leaked_discriminator.prefixes(inputs))
    aim = made.aim(managed)
    goals = aim / aim.norm(dim=2, keepdim=True)
    said, _ = made.worker(made.embedding(inputs))
    weight = made.output.weight.unflatten(1, (3, 5))  # V, goal, the worker's numbers and 1
    matrix = torch.einsum("vkh,bth->btvk", weight[..., :4], said) + weight[..., 4]
    for t in range(LENGTH):
        steer = made.project(goals[:, max(0, t - 1) : t + 1].sum(1))
        assert_close(made.logits(inputs)[:, t], torch.einsum("bvk,bk->bv", matrix[:, t], steer))


def test_it_takes_a_model_that_shows_what_it_sees():
    with pytest.raises(UserError, match=r"reads what leaks of a discriminator.*Use model/discriminator=conv"):
        ManagerWorker(VOCAB, LENGTH, lambda: None)
    for overrides in (["model/discriminator=recurrent"], ["model/discriminator=density_aware"]):
        with pytest.raises(UserError, match=r"reads what leaks of a discriminator"):
            built(*WORDS[: len(TINY)], "model=minimax", "model/generator=manager_worker", *overrides)


def weights(player):
    return {name: value.clone() for name, value in player.state_dict().items()}


def alike(one, other):
    return all(value.equal(other[name]) for name, value in one.items())


class Watch(pl.Callback):
    """Whose eyes the generator has at the start of each step, and what each step changed of them."""

    def __init__(self):
        self.up_to_date, self.moved = [], []

    def on_train_batch_start(self, trainer, system, *_):
        self.before = weights(system.generator.leaked_discriminator)
        self.up_to_date.append((system.upcoming, alike(self.before, weights(system.discriminator))))

    def on_before_optimizer_step(self, trainer, system, optimizer):
        assert all(weight.grad is None for weight in system.generator.leaked_discriminator.parameters())
        assert not any(
            part.training for part in system.generator.leaked_discriminator.modules()
        )  # it drops nothing out
        self.moved.append(not alike(self.before, weights(system.generator.leaked_discriminator)))


def test_it_takes_over_what_d_has_learned_before_its_steps_and_at_no_other_time():
    watch = Watch()
    run = built(*WORDS, callbacks=(watch,)).fit()
    for update in ("pretrain", "generator"):
        assert {current for name, current in watch.up_to_date if name == update} == {True}
    during = [current for name, current in watch.up_to_date if name == "discriminator"]
    assert True in during
    assert False in during  # from D's second step in a row on
    assert not any(watch.moved)
    held = {id(weight) for group in run.trainer.optimizers for part in group.param_groups for weight in part["params"]}
    assert not held & {id(weight) for weight in run.system.generator.leaked_discriminator.parameters()}


def test_what_is_opened_writes_what_was_played(tmp_path):
    """The eyes are saved with the generator: what it saw, D may have unlearned since."""
    run = built(*WORDS, "model.schedule.k=3", callbacks=(Checkpoints(str(tmp_path)),)).fit()
    opened, played = textgan_lit.load(tmp_path), run.system
    assert alike(weights(opened.generator), weights(played.generator))
    texts = [sentence.text for sentence in opened.write(20, seed=3)]
    assert len(set(texts)) > 3
    assert [round(s.log_probability, 4) for s in opened.score(texts)] == [
        round(s.log_probability, 4) for s in opened.write(20, seed=3)
    ]
