"""Games into which faults are put: what is said, what is kept, and that nobody learns from them."""

import math
import re

import pytest
import pytorch_lightning as pl
import torch

from tests.helpers.command import smoke
from tests.helpers.playing import TINY, built
from textgan_lit.callbacks.checkpoints import Checkpoints
from textgan_lit.callbacks.recovery import Recovery
from textgan_lit.callbacks.steps import Steps
from textgan_lit.errors import UserError
from textgan_lit.faults import KINDS, Faults
from textgan_lit.run.checkpoint import kept, read
from textgan_lit.types import Outcome

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

GAME = (
    *TINY,
    "model=minimax",
    "model/schedule=fixed",
    "model.schedule.pretrain_steps=4",
    "model/baseline=moving_average",
)
GAME += ("model.schedule.discriminator_pretrain_steps=3", "model.schedule.adversarial_steps=3", "model.schedule.k=2")
STEPS = "pppp" + "ddd" + "ddg" * 3  # 16
G_TURN, D_TURN = 10, 11


def state(system):
    """Weights, buffers and the optimizers' memory, in order."""
    found = [value.clone() for value in system.state_dict().values() if torch.is_tensor(value)]
    for optimizer in system.trainer.optimizers:
        found += [value.clone() for one in optimizer.state.values() for value in one.values()]
    return found


def equal(one, other):
    return len(one) == len(other) and all(a.equal(b) for a, b in zip(one, other, strict=True))


class Look(pl.Callback):
    """The state before and after every step."""

    def __init__(self):
        self.before, self.after = {}, {}

    def on_train_batch_start(self, trainer, system, *_):
        self.before[system.clock.total + 1] = state(system)

    def on_train_batch_end(self, trainer, system, *_):
        self.after[system.clock.total] = state(system)


class Save(pl.Callback):
    """A checkpoint after some steps, by the callback that would do it at an evaluation."""

    def __init__(self, *steps):
        self.steps = steps

    def on_train_batch_start(self, trainer, system, *_):
        if system.clock.total in self.steps:
            trainer.callbacks[0].save(trainer, system)


def poisoned(tmp_path, faults, policy, *callbacks, save=(5,), patience=10, overrides=()):
    """A game whose steps numbered in ``faults`` are at fault in the way that is given."""
    look = Look()
    parts = (Checkpoints(str(tmp_path), keep=1), Save(*save), look, Recovery(), *callbacks)
    run = built(*GAME, *overrides, callbacks=parts, faults=Faults(policy, patience))
    system = run.system

    def wrap(update):
        def spoil(objective, given, outcome):
            kind = faults.get(system.clock.total + 1)
            zero = next(getattr(system, update.player).parameters()).sum() * 0
            return spoilt(*outcome, kind, zero)

        update.loss.register_forward_hook(spoil)

    for update in system.updates.values():
        wrap(update)
    return run, look


def spoilt(loss, logs, written, kind, zero):
    if kind == "loss":
        loss = loss * math.nan
    if kind == "gradient":
        loss = loss + zero.sqrt()  # whose slope is ∞ · 0
    if kind == "reward":
        logs = logs | {"reward": torch.tensor(1e9)}
    return Outcome(loss, logs, written)


@pytest.mark.parametrize("step", [2, G_TURN, D_TURN])
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_learns_from_a_fault_and_the_game_goes_on(kind, step, tmp_path, capsys):
    run, look = poisoned(tmp_path, {step: kind}, "skip", Steps(every=1))
    run.fit()
    assert equal(look.before[step], look.after[step])
    assert not equal(look.before[step + 1], look.after[step + 1])
    assert all(value.isfinite().all() for value in state(run.system))
    assert run.trainer.global_step == run.system.clock.total == len(STEPS)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Likely cause" in line]
    assert line.startswith(f"Step {step} (")
    assert line.endswith("Its step is left out.")
    rows = [row for row in run.rows if "faults/left_out" in row]
    assert [(row["steps/all"], row["faults/left_out"], row["faults/rollbacks"]) for row in rows] == [(step, 1, 0)]
    assert all(math.isfinite(value) for row in run.rows for value in row.values())


def test_stop_ends_in_one_line_and_keeps_the_checkpoint_before(tmp_path):
    run, _ = poisoned(tmp_path, {12: "loss"}, "stop", save=(5, 8))
    way_back = re.escape(f"resume={tmp_path}/checkpoints/before-fault-step-00000012.ckpt")
    with pytest.raises(UserError, match=rf"Step 12 \(discriminator\): the loss is nan\. .*{way_back}$"):
        run.fit()
    assert run.system.clock.total == 11
    assert sum(read(tmp_path / "checkpoints" / "before-fault-step-00000012.ckpt")["textgan_lit"]["steps"].values()) == 8
    assert [path.name for path in kept(tmp_path / "checkpoints")] == [
        "step-00000008.ckpt"
    ]  # another name is nothing to go on from


def test_without_a_checkpoint_it_says_so(tmp_path):
    run, _ = poisoned(tmp_path, {2: "gradient"}, "stop")
    with pytest.raises(UserError, match=r"gradient is not finite.* No state was saved before it"):
        run.fit()


@pytest.mark.parametrize(("faults", "ends"), [((8, 9), False), ((8, 9, 11, 12), False), ((8, 9, 10), True)])
def test_patience_counts_faults_in_a_row(faults, ends, tmp_path, capsys):
    run, _ = poisoned(tmp_path, dict.fromkeys(faults, "loss"), "skip", patience=2)
    if ends:
        with pytest.raises(UserError, match=r"Step 10 .* skip has not helped 2 times in a row"):
            run.fit()
    else:
        run.fit()
        streaks = sum(step - 1 not in faults for step in faults)
        assert capsys.readouterr().out.count("Likely cause") == streaks
        assert len(list(tmp_path.glob("checkpoints/before-fault-*"))) == 1  # as many as checkpoints are kept


def test_rollback_takes_both_players_back_and_lets_the_clock_go_on(tmp_path, capsys):
    step = 12
    run, look = poisoned(tmp_path, {step: "gradient"}, "rollback", save=(8,))
    run.fit()
    saved, back = look.before[9], look.after[step]
    assert not equal(saved[:7], look.before[step][:7])  # weights
    untouched, _ = poisoned(tmp_path, {}, "rollback", save=(8,))
    assert run.system.real_tokens == untouched.fit().system.real_tokens  # what was read has been read
    # an optimizer that had made no step by step 8 has no memory again
    assert len(saved) < len(look.before[step])
    assert equal(saved, back)
    assert run.trainer.global_step == run.system.clock.total == len(STEPS)
    assert "Both players are as in step-00000008.ckpt again." in capsys.readouterr().out
    assert not equal(look.before[9], look.after[16])


def test_rollback_gives_up_where_no_new_checkpoint_comes_between(tmp_path):
    run, _ = poisoned(tmp_path, dict.fromkeys((7, 9, 12), "loss"), "rollback", save=(5,), patience=2)
    with pytest.raises(UserError, match=r"Step 12 .* rollback has not helped 2 times in a row"):
        run.fit()
    (tmp_path / "new").mkdir()
    run, _ = poisoned(tmp_path / "new", dict.fromkeys((7, 9, 12), "loss"), "rollback", save=(5, 10), patience=2)
    assert run.fit().system.clock.total == len(STEPS)


def test_learning_rates_are_the_programs_and_stay(tmp_path):
    class Halve(pl.Callback):
        def on_train_batch_start(self, trainer, system, *_):
            if system.clock.total == 9:
                trainer.optimizers[0].param_groups[0]["lr"] = 0.125

    run, _ = poisoned(tmp_path, {12: "loss"}, "rollback", Halve(), save=(8,))
    run.fit()
    assert run.trainer.optimizers[0].param_groups[0]["lr"] == 0.125


def test_a_reward_that_explodes_by_itself_ends_a_run_in_one_line(monkeypatch, tmp_path):
    overrides = ("model/schedule=fixed", "model/reward=ratio", "model.optim.discriminator.lr=1e3")
    with pytest.raises(
        SystemExit, match=r"^textgan_lit: Step \d+ \(.*resume=.*before-fault-step-\d+\.ckpt$"
    ) as stopped:
        smoke(monkeypatch, tmp_path / "run", *overrides)
    assert "\n" not in stopped.value.code
    state = read(next((tmp_path / "run" / "checkpoints").glob("before-fault-*")))
    assert all(value.isfinite().all() for value in state["state_dict"].values() if torch.is_tensor(value))
