"""The average of the generator's weights: what is evaluated and opened, while the game goes on without it."""

import pytest
import pytorch_lightning as pl
from torch.testing import assert_close

import textgan_lit
from tests.helpers.playing import TINY, built
from tests.helpers.tiny_game import FIXED, UPDATES, Cut, differ, trained, weights
from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.callbacks.steps import Steps

AVERAGED = (*FIXED, "model.ema=0.75")


class Averages(pl.Callback):
    """Both generators after every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
        self.seen.append((outputs["update"], weights(system.generator), weights(system.average.generator)))


def test_the_average_follows_in_the_game_and_is_the_generator_before():
    watch = Averages()
    run = built(*TINY, *AVERAGED, callbacks=(watch,)).fit()
    assert {update for update, _, _ in watch.seen} == UPDATES
    for (_, _, before), (update, now, average) in zip(watch.seen, watch.seen[1:], strict=False):
        for name, value in average.items():
            if update == "generator":  # ¾ of what it was, ¼ of what G has become
                assert_close(value, 0.75 * before[name] + 0.25 * now[name])
            else:
                assert value.equal(now[name] if update == "pretrain" else before[name])
    assert differ(weights(run.system.generator), weights(run.system.average.generator))
    assert not any(weight.requires_grad for weight in run.system.average.generator.parameters())


def test_the_average_goes_back_with_pretraining(monkeypatch):
    """A worse validation restores the best weights: the game's average starts from those, too."""
    script = iter([2.0, 1.0, 9.0, 9.0])
    monkeypatch.setattr("textgan_lit.model.pretraining.held_out_nll", lambda *_: next(script))
    watch = Averages()
    run = built(*TINY, *AVERAGED, "model.schedule.pretrain_steps=4", "model.schedule.patience=9", callbacks=(watch,))
    run.system.schedule.epoch = 1
    run.fit()
    restored = watch.seen[3]
    assert restored[0] == "pretrain"
    assert not differ(restored[1], run.system.pretraining.best)
    assert not differ(restored[2], run.system.pretraining.best)
    assert differ(watch.seen[1][1], watch.seen[0][1])


def test_the_average_disturbs_nothing():
    plain, averaged = (
        built(*TINY, *overrides, callbacks=(Steps(every=1),)).fit() for overrides in (FIXED, AVERAGED[:-1])
    )
    assert trained(plain) == trained(averaged)
    assert not differ(weights(plain.system.generator), weights(averaged.system.generator))
    assert plain.system.average is None


def test_evaluations_see_the_average_and_the_game_does_not():
    run = built(*TINY, *AVERAGED).fit()
    system, noise = run.system, ("validation", 0)
    assert system.evaluated(*noise).generator is system.average.generator
    assert system.game(*noise).generator is system.generator
    real = run.data.sentences("valid").first(50)
    system.average.generator.table.weight.data.zero_()
    system.average.generator.table.weight.data[:, 1] = 1e4
    assert (system.validation_step(real, 0).fake.tokens == 1).all()
    assert (system.test_step(real, 0).fake.tokens == 1).all()
    assert not (system.game(*noise).sample(50).tokens == 1).all()


def test_what_is_opened_is_the_average(tmp_path):
    run = built(*TINY, *AVERAGED, callbacks=(Checkpoints(str(tmp_path)),)).fit()
    opened = textgan_lit.load(tmp_path)
    assert not differ(weights(opened.generator), weights(run.system.average.generator))
    assert differ(weights(opened.generator), weights(run.system.generator))


@pytest.mark.parametrize("after", [2, 9, 12])
def test_an_average_is_taken_up_where_it_was(after, tmp_path):
    overrides = (*TINY, *AVERAGED)
    whole = built(*overrides, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*overrides, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert trained(resumed) == trained(whole, after)
    assert not differ(weights(resumed.system), weights(whole.system))
