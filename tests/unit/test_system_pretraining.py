"""Pretraining ends with its best weights."""

import pytorch_lightning as pl
from torch.testing import assert_close

from tests.helpers.playing import TINY, built
from tests.helpers.tiny_game import FIXED, Cut, differ, weights
from textgan_lit.model.pretraining import held_out_nll
from textgan_lit.model.schedule import Schedule


def test_a_bad_validation_restores_the_best_weights_and_halves_the_rate(monkeypatch):
    script = iter([3.0, 2.0, 2.5, 1.0, 9.0, 9.0])
    monkeypatch.setattr("textgan_lit.model.pretraining.held_out_nll", lambda *_: next(script))
    seen = []

    class Look(pl.Callback):
        def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
            seen.append((weights(system.generator), trainer.optimizers[0].param_groups[0]["lr"]))

    words = ("model.schedule.pretrain_steps=20", "model.schedule.patience=2", "model.optim.pretrain.lr=0.25")
    run = built(*TINY, *FIXED, *words, "model.schedule.adversarial_steps=0", callbacks=(Look(),))
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
    judge = Schedule.judge
    monkeypatch.setattr(Schedule, "judge", lambda self, clock, _: judge(self, clock, nll[clock.steps["pretrain"]]))
    words = (
        *TINY,
        *FIXED,
        "model.schedule.discriminator_pretrain_steps=0",
        "model.schedule.adversarial_steps=0",
        "model.schedule.patience=3",
    )
    runs = [built(*words, callbacks=callbacks) for callbacks in ((Cut(3, tmp_path / "cut.ckpt"),), ())]
    for run in runs:
        run.system.schedule.epoch = 1
    whole, resumed = runs[0].fit().system, runs[1].fit(tmp_path / "cut.ckpt").system
    assert not differ(resumed.pretraining.best, whole.pretraining.best)
    assert resumed.schedule.state_dict() == whole.schedule.state_dict()
    assert not differ(weights(resumed.generator), whole.pretraining.best)  # the last validation was not the best
