"""A run that is taken up in mid cycle goes on as if nothing had happened, whatever its parts remember."""

import pytest

from tests.helpers.playing import TINY, built
from tests.helpers.tiny_game import FIXED, Cut, differ, trained, weights
from textgan_lit.callbacks.steps import Steps
from textgan_lit.run.checkpoint import read


@pytest.mark.parametrize("after", [2, 5, 8, 9, 12])
def test_a_run_taken_up_in_mid_cycle_goes_on_as_if_nothing_had_happened(after, tmp_path):
    """Weights, optimizers, data, noise, dropout, clock and program."""
    overrides = (*TINY, *FIXED, "model.discriminator.dropout=0.3", "model/baseline=moving_average")
    whole = built(*overrides, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*overrides, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert resumed.trainer.global_step == resumed.system.clock.total == 16
    assert trained(resumed) == trained(whole, after)
    assert not differ(weights(resumed.system), weights(whole.system))


def test_what_all_ranks_read_is_counted_by_the_first_of_those_that_take_it_up(monkeypatch, tmp_path):
    built(*TINY, *FIXED, callbacks=(Cut(2, tmp_path / "cut.ckpt"),)).fit()
    saved = read(tmp_path / "cut.ckpt")
    for rank, tokens in ((0, 2 * 16 * 3), (1, 0)):
        monkeypatch.setattr("textgan_lit.system.rank", lambda rank=rank: rank)
        system = built(*TINY, *FIXED).system
        system.on_load_checkpoint(saved)
        assert system.real_tokens == tokens


@pytest.mark.parametrize("after", [3, 6, 7, 9])
def test_a_game_of_several_epochs_with_a_density_is_taken_up_in_mid_cycle(after, tmp_path):
    overrides = (*TINY, *FIXED, "model/discriminator=density_aware", "model.discriminator.critic.dropout=0")
    overrides = (*overrides, "model.estimator.num_iterations=2", "model.schedule.adversarial_steps=6")
    whole = built(*overrides, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*overrides, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert trained(resumed) == trained(whole, after)
    assert not differ(weights(resumed.system), weights(whole.system))


REMEMBERING = {
    "self_play": ("model=dgsan", "model.estimator.refresh=2"),
    "scheduled": ("model=scheduled_sampling", "model.objective.half_steps=3"),
    "gkd": ("model=gkd",),
    "relaxed": ("model=gsgan", "model.estimator.steps=4"),
    "spectral": ("model=minimax", "model/discriminator=spectral"),
    "mediator": ("model=cot",),
    "manager_worker": ("model=leakgan", "model.discriminator.filters=[[1,4],[2,4]]", "model.credit.rollouts=2"),
}


@pytest.mark.parametrize("name", REMEMBERING)
def test_parts_that_remember_are_taken_up_where_they_were(name, tmp_path):
    alone = name == "scheduled"  # without a game there are no such updates
    overrides = [
        override for override in TINY if not (alone and override.startswith(("model.optim.d", "model.optim.g")))
    ]
    overrides = (*overrides, *REMEMBERING[name], "model/schedule=fixed")
    whole = built(*overrides, callbacks=(Steps(every=1), Cut(3, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*overrides, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert whole.system.clock.total > 3
    assert trained(resumed) == trained(whole, 3)
    assert not differ(weights(resumed.system), weights(whole.system))
