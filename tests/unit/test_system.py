"""Real runs in a tiny world: whose parameters are updated, what is counted, what is saved."""

import pytest
import pytorch_lightning as pl
import torch
from torch.testing import assert_close

import textgan_lit
from tests.helpers.playing import TINY, built
from tests.helpers.tiny_game import FIXED, UPDATES, differ, trained, weights
from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.callbacks.evaluation import Evaluations
from textgan_lit.callbacks.steps import Steps
from textgan_lit.callbacks.truth import TruthPanel
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.noise import Noise
from textgan_lit.run.checkpoint import read
from textgan_lit.system import OF_STEP, TextGAN
from textgan_lit.types import Vocab

PLAYERS = [
    ("model=minimax",),
    ("model=minimax", "model/generator=transformer", "model/discriminator=transformer"),
    ("model=minimax", "model/generator=lstm", "model/discriminator=recurrent", "model/credit=reward_to_go"),
    ("model=seqgan", "model.generator.dropout=0.3", "model.credit.rollouts=2"),
]
IDS = ["minimax", "transformers", "recurrent", "seqgan"]


class Watch(pl.Callback):
    """Looks at both players before, in the middle of, and after every step."""

    def __init__(self):
        self.steps: list[dict] = []

    def on_train_batch_start(self, trainer, system, batch, batch_idx):
        self.players = {"generator": system.generator, "discriminator": system.discriminator}
        self.before = {name: weights(player) for name, player in self.players.items()}
        self.playing = system.upcoming

    def on_before_backward(self, trainer, system, loss):
        self.inside = {
            name: (player.training, {parameter.requires_grad for parameter in player.parameters()})
            for name, player in self.players.items()
        }

    def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
        moved = {name for name, player in self.players.items() if differ(self.before[name], weights(player))}
        free = all(parameter.requires_grad for player in self.players.values() for parameter in player.parameters())
        self.steps.append(
            {
                "update": outputs["update"],
                "announced": self.playing,
                "moved": moved,
                "inside": self.inside,
                "free": free,
            }
        )


@pytest.mark.parametrize("players", PLAYERS, ids=IDS)
def test_in_a_step_one_player_updates(players):
    watch = Watch()
    run = built(*TINY, *players, *FIXED, callbacks=(watch,)).fit()
    assert [step["update"][0] for step in watch.steps] == list("pppp" + "ddd" + "ddg" * 3)
    for step in watch.steps:
        player = "discriminator" if step["update"] == "discriminator" else "generator"
        other = {"generator": "discriminator", "discriminator": "generator"}[player]
        assert step["announced"] == step["update"]
        assert step["moved"] == {player}
        assert step["inside"][player] == (step["update"] != "generator", {True})  # dropout is silent in G's own steps
        assert step["inside"][other] == (False, {False})
        assert step["free"]
    assert run.trainer.global_step == run.system.clock.total == 16
    assert run.system.clock.steps == {"pretrain": 4, "discriminator": 9, "generator": 3}


@pytest.mark.parametrize("k", range(1, 11))
def test_every_update_appears_in_the_log(k):
    run = built(*TINY, *FIXED, f"model.schedule.k={k}", callbacks=(Steps(every=50),)).fit()
    for name in ("pretrain/nll", "discriminator/bce", "discriminator/accuracy", "generator/reward"):
        rows = [row for row in run.rows if name in row]
        assert rows[0][f"steps/{name.split('/')[0]}"] == 1  # at once, and then every so many
    last = run.rows[-1]
    assert last["steps/all"] == last["step"] == run.trainer.global_step == 4 + 3 + 3 * (k + 1)
    assert last["steps/discriminator"] == 3 + 3 * k


def test_what_was_consumed_is_counted():
    run = built(*TINY, *FIXED, callbacks=(Steps(every=1),)).fit()
    last = run.rows[-1]
    assert last["tokens/real"] == 3 * (4 * 16 + 9 * 8)  # 3 tokens; a generator step reads nothing
    assert last["tokens/sampled"] == 3 * (9 * 8 + 3 * 8)  # readings and evaluations are not counted
    assert last["system/seconds"] > 0


@pytest.mark.parametrize("players", PLAYERS, ids=IDS)
def test_evaluation_on_or_off_leaves_training_bit_identical(players, tmp_path):
    """Dropout and all."""
    runs = []
    panel = TruthPanel(str(tmp_path), Vocab(("a", "b")))
    for evaluation in ((), (Evaluations(dict.fromkeys(UPDATES, 1)), panel)):
        overrides = (*TINY, *players, *FIXED, "model.discriminator.dropout=0.3")
        runs.append(built(*overrides, callbacks=(Steps(every=1), *evaluation)).fit())
    assert [sum("truth/jsd" in row for row in run.rows) for run in runs] == [0, 16]
    without, beside = map(trained, runs)
    assert without == beside
    assert sum("pretrain/nll_held_out" not in row for row in without) == 16  # that row is no step's
    assert not differ(*(weights(run.system) for run in runs))


def test_another_seed_is_another_run():
    runs = [built(*TINY, *FIXED, f"seed={seed}").fit() for seed in (1, 1, 2)]
    first, again, other = (weights(run.system) for run in runs)
    assert not differ(first, again)
    assert differ(first, other)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("players", PLAYERS, ids=IDS)
def test_precisions(players, precision):
    run = built(*TINY, *players, *FIXED, f"trainer.precision={precision}", callbacks=(Steps(every=1),)).fit()
    assert run.trainer.global_step == 16
    assert all(value == value for row in run.rows for value in row.values())  # no NaN
    assert all(value.dtype != torch.bfloat16 for value in weights(run.system).values())


def test_every_step_has_noise_and_dropout_of_its_own(monkeypatch):
    """Were it that of a player's own n-th step, G would be taught on the samples that D has learnt from."""
    noise, dropout, game = [], [], TextGAN.game

    def spy(self, *purpose):
        noise.append(purpose)
        return game(self, *purpose)

    monkeypatch.setattr(TextGAN, "game", spy)
    monkeypatch.setattr("textgan_lit.system.reseed", lambda seed, *name: dropout.append(name))
    built(*TINY, *FIXED).fit()
    assert [purpose for purpose in noise if purpose[0] == OF_STEP] == [(OF_STEP, step) for step in range(16)]
    assert dropout == [("dropout", step, 0) for step in range(16)]


def test_readings_and_staleness_are_recorded():
    run = built(*TINY, *FIXED, "model.schedule.check_every=2", callbacks=(Steps(every=100),)).fit()
    read = [row for row in run.rows if "game/bound" in row]
    assert [(row["steps/discriminator"], row["steps/generator"]) for row in read] == [(5, 0), (9, 2)]
    assert all(row["game/allowed"] for row in read)
    stale = [row for row in run.rows if "game/staleness" in row]  # known after the generator's step
    assert [(row["steps/discriminator"], row["steps/generator"]) for row in stale] == [(5, 1), (9, 3)]
    assert all(row["game/staleness"] != 0 for row in stale)
    assert run.system.reading.steps == {"pretrain": 4, "discriminator": 9, "generator": 2}


def test_staleness_is_what_one_generator_step_cost_the_discriminator():
    """BCE on the same held-out sentences and noise, after the step minus before."""
    reads = []

    class Spy(pl.Callback):
        def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
            if outputs["update"] == "discriminator" and system.upcoming == "generator":
                reads.append(system._read(system.reading.steps).bce)
            if outputs["update"] == "generator":
                before = {**system.clock.steps, "generator": system.clock.steps["generator"] - 1}
                reads.append(system._read(before).bce)
                reads.append(system.staleness)

    built(*TINY, *FIXED, callbacks=(Spy(),)).fit()
    assert len(reads) == 9
    for before, after, staleness in zip(reads[::3], reads[1::3], reads[2::3], strict=True):
        assert_close(staleness, after - before)
        assert staleness != 0


def test_a_finished_program_stops_the_trainer():
    run = built(*TINY, *FIXED).fit()
    assert run.trainer.max_steps == -1
    assert run.trainer.should_stop
    assert run.system.upcoming is None


@pytest.mark.parametrize("steps", [1, 6, 12])
def test_max_steps_cuts_short(steps):
    run = built(*TINY, *FIXED, f"trainer.max_steps={steps}").fit()
    assert run.trainer.global_step == run.system.clock.total == steps


def test_nothing_to_play_is_no_step():
    run = built(
        *TINY,
        "model.schedule.pretrain_steps=0",
        "model.schedule.discriminator_pretrain_steps=0",
        "model.schedule.adversarial_steps=0",
    ).fit()
    assert run.system.clock.total == run.trainer.global_step == 0


def test_the_best_discriminator_has_no_steps():
    run = built(*TINY, "model=minimax", "model/discriminator=oracle", callbacks=(Steps(every=1),)).fit()
    assert run.system.clock.steps == {"pretrain": 4, "discriminator": 0, "generator": 3}
    assert run.trainer.global_step == 7


def test_likelihood_alone_has_one_optimizer():
    overrides = [override for override in TINY if "discriminator" not in override and "optim.generator" not in override]
    run = built(*overrides, "model=mle", callbacks=(Steps(every=1),)).fit()
    assert run.system.clock.total == run.trainer.global_step == 4


def test_a_checkpoint_holds_plain_containers_and_opens_as_the_same_run(tmp_path):
    run = built(*TINY, *FIXED, "data.oracle.variable=true", callbacks=(Checkpoints(str(tmp_path)),))
    run.fit()
    saved = read(tmp_path / "checkpoints" / "step-00000016.ckpt")
    assert saved["textgan_lit"]["steps"] == run.system.clock.steps
    opened = textgan_lit.load(tmp_path)
    tokens = run.system.generator.eval().sample(Noise(5, "sample").uniform(20, 3), run.system.policy).tokens
    assert opened.sample(20, seed=5) == [opened.vocab.text(row) for row in tokens.tolist()]
    assert len(set(opened.sample(20, seed=5))) > 3
    assert not differ(weights(opened.discriminator), weights(run.system.discriminator))
    assert opened.config == run.system.settings


def test_a_discriminator_meets_the_generator_at_the_end_of_its_pretraining(monkeypatch):
    """Before it is first evaluated: with the generator of before pretraining, the density alone would tell."""
    met, meet = [], DensityAware.sync_with

    def spy(self, generator):
        met.append(weights(generator))
        meet(self, generator)

    monkeypatch.setattr(DensityAware, "sync_with", spy)
    run = built(*TINY, *FIXED, "model/discriminator=density_aware").fit()
    assert len(met) == run.system.clock.steps["generator"]  # again at the start of every cycle
    assert not differ(met[0], run.system.pretraining.best)
    assert not differ(met[0], weights(run.system.discriminator.reference))


def test_what_a_density_is_compared_with_is_taken_anew_every_few_cycles():
    overrides = (*TINY, *FIXED, "model/discriminator=density_aware", "model.schedule.adversarial_steps=4")
    kept, fresh = (built(*overrides, f"model.discriminator.refresh={every}").fit().system for every in ("null", 1))
    assert not differ(weights(kept.discriminator.reference), kept.pretraining.best)
    assert differ(weights(fresh.discriminator.reference), fresh.pretraining.best)
    assert differ(weights(fresh.discriminator.reference), weights(fresh.generator))  # of before G's last step


def test_an_update_is_clipped_by_its_own_bound_and_no_other(monkeypatch):
    clipped = []
    monkeypatch.setattr(TextGAN, "clip_gradients", lambda self, optimizer, **how: clipped.append((self.upcoming, how)))
    run = built(*TINY, *FIXED, "model.optim.generator.max_grad_norm=0.5").fit()
    assert clipped == [("generator", {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "norm"})] * 3
    assert run.system.clock.steps["generator"] == 3
