"""Real runs in a tiny world: whose parameters update, what is counted, what is saved."""

import pytest
import pytorch_lightning as pl
import torch
from torch.testing import assert_close

import textgan_lit
from tests.helpers.playing import TINY, built, config
from textgan_lit.build import experiment
from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.callbacks.evaluation import Evaluations
from textgan_lit.callbacks.steps import Steps
from textgan_lit.callbacks.truth import TruthPanel
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.sampling import sample
from textgan_lit.model.schedule import Fixed
from textgan_lit.noise import Noise
from textgan_lit.run.checkpoint import read
from textgan_lit.system import OF_STEP, TextGAN

FIXED = ("model/schedule=fixed", "model.schedule.pretrain_steps=4", "model.schedule.discriminator_pretrain_steps=3")
FIXED += ("model.schedule.adversarial_steps=3", "model.schedule.k=2", "model.schedule.check_every=1")
UPDATES = {"pretrain", "discriminator", "generator"}
PLAYERS = [
    ("model=minimax",),
    ("model=minimax", "model/generator=transformer", "model/discriminator=transformer"),
    ("model=minimax", "model/generator=lstm", "model/discriminator=recurrent", "model/credit=reward_to_go"),
    ("model=seqgan", "model.generator.dropout=0.3", "model.credit.rollouts=2"),
]
IDS = ["minimax", "transformers", "recurrent", "seqgan"]


def weights(player):
    """What is learnt, and tensors that are remembered."""
    return {name: value.detach().clone() for name, value in player.state_dict().items() if torch.is_tensor(value)}


def differ(before, after):
    return any(not before[name].equal(after[name]) for name in before)


def trained(run, after=0):
    """The rows of the log that say what the updates did, without seconds."""
    rows = [row for row in run.rows if row["steps/all"] > after and {key.split("/")[0] for key in row} & UPDATES]
    return [{key: row[key] for key in row if not key.startswith("system/")} for row in rows]


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
    assert last["tokens/real"] == 3 * (4 * 16 + 9 * 8)  # 3 words; a generator step reads nothing
    assert last["tokens/sampled"] == 3 * (9 * 8 + 3 * 8)  # readings and evaluations are not counted
    assert last["system/seconds"] > 0


@pytest.mark.parametrize("players", PLAYERS, ids=IDS)
def test_evaluation_on_or_off_leaves_training_bit_identical(players, tmp_path):
    """Dropout and all."""
    runs = []
    for evaluation in ((), (Evaluations(dict.fromkeys(UPDATES, 1)), TruthPanel(str(tmp_path)))):
        words = (*TINY, *players, *FIXED, "model.discriminator.dropout=0.3")
        runs.append(built(*words, callbacks=(Steps(every=1), *evaluation)).fit())
    assert [sum("truth/jsd" in row for row in run.rows) for run in runs] == [0, 16]
    without, beside = map(trained, runs)
    assert without == beside
    assert len(without) == 16
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


# --- pretraining ------------------------------------------------------------------------------------------------------


def test_a_bad_validation_restores_the_best_weights_and_halves_the_rate(monkeypatch):
    script = iter([3.0, 2.0, 2.5, 1.0, 9.0, 9.0])
    monkeypatch.setattr("textgan_lit.system.TextGAN._held_out_nll", lambda self: next(script))
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
    assert not differ(states[3], run.system.warm)
    assert run.system.clock.steps["pretrain"] == 6


def test_the_held_out_nll_is_that_of_the_validation_sentences():
    run = built(*TINY, *FIXED, "data.oracle.variable=true").fit()
    real = run.data.sentences("valid")
    logp = run.system.generator.logp(real, run.system.policy)
    assert_close(run.system._held_out_nll(), -logp.sum().item() / real.mask.sum().item())


# --- readings ---------------------------------------------------------------------------------------------------------


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


def test_the_guard_ends_a_game_that_teaches_nothing():
    """A discriminator that has learnt nothing (its rate is almost 0) never gets its generator a step."""
    words = ("model.optim.discriminator.lr=1e-12", "model.schedule.rule.patience=2")
    run = built(*TINY, "model=minimax", *words).fit()
    assert run.system.clock.steps == {"pretrain": 4, "discriminator": 3 + 3 * 2, "generator": 0}
    assert "D cannot tell real from generated" in run.system.schedule.ended
    assert run.trainer.should_stop


# --- the program, told ------------------------------------------------------------------------------------------------

# Settings that put generator steps off in so small a game.
RULES = {
    "plateau": ("model.schedule.rule.patience=1", "model.schedule.rule.most=6"),
    "staleness": ("model.schedule.rule.patience=2", "model.schedule.rule.least=0"),
    "band": ("model.schedule.rule.low=0.9", "model.schedule.rule.high=0.95", "model.schedule.rule.most=6"),
    "regret": ("model.schedule.rule.limit=0.001", "model.schedule.rule.most=4"),
}


def told(run):
    return [{key: row[key] for key in row if key.startswith("schedule/")} for row in run.rows if "schedule/k" in row]


def test_k_and_why_stand_beside_every_generator_step():
    run = built(*TINY, *FIXED, callbacks=(Steps(every=1),)).fit()
    assert told(run) == [{"schedule/k": 2, "schedule/why/fixed": 1}] * 3
    rows = [row for row in run.rows if "schedule/k" in row]
    assert all("generator/reward" in row for row in rows)
    assert [row["steps/generator"] for row in rows] == [1, 2, 3]


def test_k_is_a_mean_and_words_are_counted():
    words = ("model.schedule.check_every=2", "model/schedule=regret", *RULES["regret"])
    run = built(*TINY, *words, "model.schedule.adversarial_steps=4", callbacks=(Steps(every=3),)).fit()
    # step 1 of its own, as every update's first; read at 1 and 3, which wait for 4 steps (looks at 0, 2, 4)
    assert told(run) == [
        {"schedule/k": 4, "schedule/why/far": 2, "schedule/why/most": 1},
        {"schedule/k": (2 + 4 + 2) / 3, "schedule/why/unread": 2, "schedule/why/far": 2, "schedule/why/most": 1},
    ]


def test_a_game_that_is_ended_says_what_was_answered_last():
    words = ("model.optim.discriminator.lr=1e-12", "model.schedule.rule.patience=2")
    run = built(*TINY, "model=minimax", *words, callbacks=(Steps(every=1),)).fit()
    assert run.rows[-1]["schedule/why/unclear"] == 3
    assert "schedule/k" not in run.rows[-1]


def test_steps_in_a_row_are_told_once():
    run = built(
        *TINY, *FIXED, "model.estimator.epochs=2", "model.schedule.adversarial_steps=6", callbacks=(Steps(every=1),)
    ).fit()
    assert [("schedule/k" in row) for row in run.rows if "generator/reward" in row] == [True, False] * 3


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_compares_looks_at_the_same_sentences_and_never_twice(rule, monkeypatch):
    looks, game = [], TextGAN.game

    def spy(self, *purpose):
        if purpose[0] == "reading":
            looks.append((purpose[1:], *self.clock.steps.values()))
        return game(self, *purpose)

    monkeypatch.setattr(TextGAN, "game", spy)
    run = built(*TINY, f"model/schedule={rule}", *RULES[rule]).fit()
    first = (4, 3, 0) if run.system.schedule.rule.after_g_too else (4, 5, 0)
    assert looks[0] == ((), *first)
    assert {number for number, *_ in looks} == {()}
    assert len(set(looks)) == len(looks) > 3


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("after", [8, 11])
def test_a_run_under_any_rule_is_taken_up_in_mid_cycle(rule, after, tmp_path):
    words = (*TINY, f"model/schedule={rule}", *RULES[rule])
    whole = built(*words, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*words, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert whole.system.clock.total > 12
    assert trained(resumed) == trained(whole, after)
    assert resumed.system.schedule.state_dict() == whole.system.schedule.state_dict()
    assert not differ(weights(resumed.system), weights(whole.system))


def test_the_regret_is_told_where_a_rule_needs_it():
    run = built(*TINY, "model/schedule=regret", *RULES["regret"], callbacks=(Steps(every=1),)).fit()
    read = [row for row in run.rows if "game/bound" in row]
    assert all(row["game/regret"] > 0 for row in read)
    run = built(*TINY, *FIXED, callbacks=(Steps(every=1),)).fit()
    assert not any("game/regret" in row for row in run.rows)


def test_a_regret_needs_a_distribution_that_is_known():
    settings = config(*TINY, "model/schedule=regret")
    data = experiment.data(settings)
    data.oracle = None
    with pytest.raises(UserError, match=r"Regret compares D with the best possible D.*Use data=mixture.*or a rule"):
        experiment.system(settings, data)


@pytest.mark.parametrize("rule", ["guard", *RULES])
def test_a_null_control_plays_without_a_rule(rule):
    words = ("model/reward=shuffled", "model.optim.discriminator.lr=1e-12", f"model/schedule={rule}")
    run = built(*TINY, "model=minimax", *words).fit()
    assert isinstance(run.system.schedule.rule, Fixed)
    assert run.system.null_control
    assert run.system.clock.steps["generator"] == 3


# --- the end, and what is left ----------------------------------------------------------------------------------------


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
    words = [word for word in TINY if "discriminator" not in word and "optim.generator" not in word]
    run = built(*words, "model=mle", callbacks=(Steps(every=1),)).fit()
    assert run.system.clock.total == run.trainer.global_step == 4


def test_a_checkpoint_holds_plain_containers_and_opens_as_the_same_run(tmp_path):
    run = built(*TINY, *FIXED, "data.oracle.variable=true", callbacks=(Checkpoints(str(tmp_path / "checkpoints")),))
    run.fit()
    saved = read(tmp_path / "checkpoints" / "step-00000016.ckpt")
    assert saved["textgan_lit"]["steps"] == run.system.clock.steps
    opened = textgan_lit.load(tmp_path)
    tokens = sample(run.system.generator.eval(), Noise(5, "sample").uniform(20, 3), run.system.policy).tokens
    assert opened.sample(20, seed=5) == [opened.vocab.text(row) for row in tokens.tolist()]
    assert len(set(opened.sample(20, seed=5))) > 3
    assert not differ(weights(opened.discriminator), weights(run.system.discriminator))
    assert opened.config == run.system.settings


class Cut(pl.Callback):
    """Saves a checkpoint after so many steps."""

    def __init__(self, after, path):
        self.after, self.path = after, path

    def on_train_batch_end(self, trainer, system, *_):
        if system.clock.total == self.after:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("after", [2, 5, 8, 9, 12])
def test_a_run_taken_up_in_mid_cycle_goes_on_as_if_nothing_had_happened(after, tmp_path):
    """Weights, optimizers, data, noise, dropout, clock and program."""
    words = (*TINY, *FIXED, "model.discriminator.dropout=0.3", "model/baseline=moving_average")
    whole = built(*words, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*words, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert resumed.trainer.global_step == resumed.system.clock.total == 16
    assert trained(resumed) == trained(whole, after)
    assert not differ(weights(resumed.system), weights(whole.system))


def test_a_run_taken_up_between_its_best_validation_and_a_worse_one_goes_back_to_the_best(monkeypatch, tmp_path):
    nll = {1: 2.0, 2: 1.0, 3: 9.0, 4: 9.0}  # after each step; cut off after the third, taken up before the last
    monkeypatch.setattr(TextGAN, "_held_out_nll", lambda self: nll[self.clock.steps["pretrain"]])
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
    assert not differ(resumed.warm, whole.warm)
    assert resumed.schedule.state_dict() == whole.schedule.state_dict()
    assert not differ(weights(resumed.generator), whole.warm)  # the last validation was not the best


def test_what_all_ranks_read_is_counted_by_the_first_of_those_that_take_it_up(monkeypatch, tmp_path):
    built(*TINY, *FIXED, callbacks=(Cut(2, tmp_path / "cut.ckpt"),)).fit()
    saved = read(tmp_path / "cut.ckpt")
    for rank, words in ((0, 2 * 16 * 3), (1, 0)):
        monkeypatch.setattr("textgan_lit.system.rank", lambda rank=rank: rank)
        system = built(*TINY, *FIXED).system
        system.on_load_checkpoint(saved)
        assert system.words_read == words


def test_a_discriminator_meets_the_generator_at_the_end_of_its_pretraining(monkeypatch):
    """Before it is first evaluated: with the generator of before pretraining, the density alone would tell."""
    met, meet = [], DensityAware.meet

    def spy(self, generator):
        met.append(weights(generator))
        meet(self, generator)

    monkeypatch.setattr(DensityAware, "meet", spy)
    run = built(*TINY, *FIXED, "model/discriminator=density_aware").fit()
    assert len(met) == run.system.clock.steps["generator"]  # again at the start of every cycle
    assert not differ(met[0], run.system.warm)
    assert not differ(met[0], weights(run.system.discriminator.reference))


def test_what_a_density_is_compared_with_is_taken_anew_every_few_cycles():
    words = (*TINY, *FIXED, "model/discriminator=density_aware", "model.schedule.adversarial_steps=4")
    kept, fresh = (built(*words, f"model.discriminator.refresh={every}").fit().system for every in ("null", 1))
    assert not differ(weights(kept.discriminator.reference), kept.warm)
    assert differ(weights(fresh.discriminator.reference), fresh.warm)
    assert differ(weights(fresh.discriminator.reference), weights(fresh.generator))  # of before G's last step


@pytest.mark.parametrize("after", [3, 6, 7, 9])
def test_a_game_of_several_epochs_with_a_density_is_taken_up_in_mid_cycle(after, tmp_path):
    words = (*TINY, *FIXED, "model/discriminator=density_aware", "model.discriminator.critic.dropout=0")
    words = (*words, "model.estimator.epochs=2", "model.schedule.adversarial_steps=6")
    whole = built(*words, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*words, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert trained(resumed) == trained(whole, after)
    assert not differ(weights(resumed.system), weights(whole.system))


def test_an_update_is_clipped_by_its_own_bound_and_no_other(monkeypatch):
    clipped = []
    monkeypatch.setattr(TextGAN, "clip_gradients", lambda self, optimizer, **how: clipped.append((self.upcoming, how)))
    run = built(*TINY, *FIXED, "model.optim.generator.max_grad_norm=0.5").fit()
    assert clipped == [("generator", {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "norm"})] * 3
    assert run.system.clock.steps["generator"] == 3


# --- the average of the generator's weights ---------------------------------------------------------------------------

AVERAGED = (*FIXED, "model.ema=0.75")


class Averages(pl.Callback):
    """Both generators after every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
        self.seen.append((outputs["update"], weights(system.generator), weights(system.average)))


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
    assert differ(weights(run.system.generator), weights(run.system.average))
    assert not any(weight.requires_grad for weight in run.system.average.parameters())


def test_the_average_goes_back_with_pretraining(monkeypatch):
    """A worse validation restores the best weights: the game's average starts from those, too."""
    script = iter([2.0, 1.0, 9.0, 9.0])
    monkeypatch.setattr("textgan_lit.system.TextGAN._held_out_nll", lambda self: next(script))
    watch = Averages()
    run = built(*TINY, *AVERAGED, "model.schedule.pretrain_steps=4", "model.schedule.patience=9", callbacks=(watch,))
    run.system.schedule.epoch = 1
    run.fit()
    restored = watch.seen[3]
    assert restored[0] == "pretrain"
    assert not differ(restored[1], run.system.warm)
    assert not differ(restored[2], run.system.warm)
    assert differ(watch.seen[1][1], watch.seen[0][1])


def test_the_average_disturbs_nothing():
    plain, averaged = (built(*TINY, *words, callbacks=(Steps(every=1),)).fit() for words in (FIXED, AVERAGED[:-1]))
    assert trained(plain) == trained(averaged)
    assert not differ(weights(plain.system.generator), weights(averaged.system.generator))
    assert plain.system.average is None


def test_evaluations_see_the_average_and_the_game_does_not():
    run = built(*TINY, *AVERAGED).fit()
    system, noise = run.system, ("validation", 0)
    assert system.evaluated(*noise).generator is system.average
    assert system.game(*noise).generator is system.generator
    real = run.data.sentences("valid").first(50)
    system.average.table.weight.data.zero_()
    system.average.table.weight.data[:, 1] = 1e4
    assert (system.validation_step(real, 0).fake.tokens == 1).all()
    assert (system.test_step(real, 0).fake.tokens == 1).all()
    assert not (system.game(*noise).sample(50).tokens == 1).all()


def test_what_is_opened_is_the_average(tmp_path):
    run = built(*TINY, *AVERAGED, callbacks=(Checkpoints(str(tmp_path / "checkpoints")),)).fit()
    opened = textgan_lit.load(tmp_path)
    assert not differ(weights(opened.generator), weights(run.system.average))
    assert differ(weights(opened.generator), weights(run.system.generator))


@pytest.mark.parametrize("after", [2, 9, 12])
def test_an_average_is_taken_up_where_it_was(after, tmp_path):
    words = (*TINY, *AVERAGED)
    whole = built(*words, callbacks=(Steps(every=1), Cut(after, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*words, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert trained(resumed) == trained(whole, after)
    assert not differ(weights(resumed.system), weights(whole.system))


# --- parts that remember, taken up in mid cycle -----------------------------------------------------------------------

REMEMBERING = {
    "self_play": ("model=dgsan", "model.estimator.refresh=2"),
    "scheduled": ("model=scheduled_sampling", "model.objective.half=3"),
    "relaxed": ("model=gsgan", "model.estimator.steps=4"),
    "spectral": ("model=minimax", "model/discriminator=spectral"),
    "mediator": ("model=cot",),
    "manager_worker": ("model=leakgan", "model.discriminator.filters=[[1,4],[2,4]]", "model.credit.rollouts=2"),
}


@pytest.mark.parametrize("name", REMEMBERING)
def test_parts_that_remember_are_taken_up_where_they_were(name, tmp_path):
    alone = name == "scheduled"  # without a game there are no such updates
    words = [word for word in TINY if not (alone and word.startswith(("model.optim.d", "model.optim.g")))]
    words = (*words, *REMEMBERING[name], "model/schedule=fixed")
    whole = built(*words, callbacks=(Steps(every=1), Cut(3, tmp_path / "cut.ckpt"))).fit()
    resumed = built(*words, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    assert whole.system.clock.total > 3
    assert trained(resumed) == trained(whole, 3)
    assert not differ(weights(resumed.system), weights(whole.system))
