"""Pretraining ends with its best weights."""

import pytorch_lightning as pl
from torch.testing import assert_close

from tests.helpers.playing import TINY, built
from tests.helpers.tiny_game import FIXED, Cut, differ, weights
from textgan_lit.model.pretraining import held_out_nll
from textgan_lit.model.schedule import Schedule
from textgan_lit.run.checkpoint import read


def test_a_bad_validation_restores_the_best_weights_and_halves_the_rate(monkeypatch):
    script = iter([3.0, 2.0, 2.5, 1.0, 9.0, 9.0])
    monkeypatch.setattr("textgan_lit.model.pretraining.held_out_nll", lambda *_: next(script))
    seen = []

    class Look(pl.Callback):
        def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
            seen.append((weights(system.generator), trainer.optimizers[0].param_groups[0]["lr"]))

    overrides = ("model.schedule.pretrain_steps=20", "model.schedule.patience=2", "model.optim.pretrain.lr=0.25")
    run = built(*TINY, *FIXED, *overrides, "model.schedule.adversarial_steps=0", callbacks=(Look(),))
    run.system.schedule.epoch = 1
    run.fit()
    # validations after steps 1 … 6: best, best, worse, best, worse, worse
    assert [rate for _, rate in seen[:6]] == [0.25, 0.25, 0.125, 0.125, 0.0625, 0.03125]
    states = [state for state, _ in seen]
    assert not differ(states[1], states[2])
    assert differ(states[2], states[3])
    assert not differ(states[3], states[4])
    assert not differ(states[3], states[5])
    assert not differ(states[3], run.system.pretraining.best)
    assert run.system.clock.steps["pretrain"] == 6


def test_the_held_out_nll_is_that_of_the_validation_sentences():
    run = built(*TINY, *FIXED, "data.oracle.variable=true").fit()
    real = run.data.sentences("valid")
    logp = run.system.generator.logp(real, run.system.policy)
    assert_close(held_out_nll(run.system.eval().game("held_out"), real), -logp.sum().item() / real.mask.sum().item())


def test_a_run_taken_up_between_its_best_validation_and_a_worse_one_goes_back_to_the_best(monkeypatch, tmp_path):
    nll = {1: 2.0, 2: 1.0, 3: 9.0, 4: 9.0}  # after each step; cut off after the third, taken up before the last
    report = Schedule.report_validation
    monkeypatch.setattr(
        Schedule, "report_validation", lambda self, clock, _: report(self, clock, nll[clock.steps["pretrain"]])
    )
    overrides = (
        *TINY,
        *FIXED,
        "model.schedule.discriminator_pretrain_steps=0",
        "model.schedule.adversarial_steps=0",
        "model.schedule.patience=3",
    )
    runs = [built(*overrides, callbacks=callbacks) for callbacks in ((Cut(3, tmp_path / "cut.ckpt"),), ())]
    for run in runs:
        run.system.schedule.epoch = 1
    whole, resumed = runs[0].fit().system, runs[1].fit(tmp_path / "cut.ckpt").system
    assert not differ(resumed.pretraining.best, whole.pretraining.best)
    assert resumed.schedule.state_dict() == whole.schedule.state_dict()
    assert not differ(weights(resumed.generator), whole.pretraining.best)  # the last validation was not the best


LINEAR = (
    *(*TINY, *FIXED, "model.schedule.discriminator_pretrain_steps=0", "model.schedule.adversarial_steps=0"),
    *("model.optim.pretrain.lr=0.5", "+model.optim.pretrain.lr_schedule=linear"),
)


class Rates(pl.Callback):
    """The learning rate of every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, system, *_):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_the_rate_rises_and_then_falls_to_nothing_over_the_pretraining_steps():
    rates = Rates()
    overrides = (*LINEAR, "+model.optim.pretrain.warmup_steps=3", "model.schedule.pretrain_steps=9")
    run = built(*overrides, callbacks=(rates,))
    run.system.schedule.epoch = 100  # no validation before the end
    run.fit()
    rising, falling = [1 / 4, 2 / 4, 3 / 4], [share / 6 for share in range(6, 0, -1)]
    assert_close(rates.seen, [0.5 * share for share in rising + falling])


def test_a_bad_validation_halves_a_falling_rate_for_good(monkeypatch, tmp_path):
    nll = {1: 1.0, 2: 2.0, 3: 2.0, 4: 2.0, 5: 2.0, 6: 2.0}
    report = Schedule.report_validation
    by_step = lambda self, clock, _: report(self, clock, nll[clock.steps["pretrain"]])  # noqa: E731
    monkeypatch.setattr(Schedule, "report_validation", by_step)
    overrides = (*LINEAR, "model.schedule.pretrain_steps=6", "model.schedule.patience=9")
    rates = Rates(), Rates()
    runs = [built(*overrides, callbacks=both) for both in ((rates[0], Cut(3, tmp_path / "cut.ckpt")), (rates[1],))]
    for run in runs:
        run.system.schedule.epoch = 1
    runs[0].fit()
    runs[1].fit(tmp_path / "cut.ckpt")
    halved = [0.5 * share / 6 * 0.5**bad for bad, share in enumerate((6, 5, 4, 3, 2, 1))]
    assert_close(rates[0].seen, halved)
    assert rates[1].seen == rates[0].seen[3:]  # a run that is taken up goes on with them


def test_once_the_game_has_begun_nothing_of_the_pretraining_optimizer_is_kept(tmp_path):
    """Up to then all is."""
    steps = ("model.schedule.pretrain_steps=3", "model.schedule.discriminator_pretrain_steps=2")
    for after, remembers in ((2, True), (3, False), (5, False)):
        built(*TINY, *FIXED, *steps, callbacks=(Cut(after, tmp_path / "cut.ckpt"),)).fit()
        moments, *_ = read(tmp_path / "cut.ckpt")["optimizer_states"]
        assert bool(moments["state"]) == remembers, after
        assert moments["param_groups"]
