"""Whether a saved state is one of the run that would go on from it: looked at whole, before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from textgan_lit.errors import UserError, shown
from textgan_lit.model.moments import check_moments
from textgan_lit.model.weights import bases, check_bases, check_fit
from textgan_lit.run.checkpoint import Saved
from textgan_lit.run.schema import Seconds, check, form
from textgan_lit.system import TextGAN
from textgan_lit.types import Vocab

PARTS = ("textgan_lit", "state_dict", "optimizer_states", "callbacks")
LIGHTNINGS = {  # whose own parts add these
    "Timer": form(time_elapsed=dict[str, Seconds]),
    "MixedPrecision": dict[str, Seconds],
}


def check_state(saved: Saved, system: TextGAN, callbacks: Sequence[pl.Callback], data: pl.LightningDataModule) -> None:
    """Refuses a state that is not one of this run.

    Raises:
        UserError: with the file, the place in it, what stands there, what was wanted and the way out.
    """
    try:
        _check_parts(saved.state, callbacks, data)
        kept = saved.state["textgan_lit"]
        check(kept, system.form, "textgan_lit")
        _check_same(kept, system)
        _check_players(saved.state["state_dict"], kept["pretraining"], system)
        _check_schedule(kept, system)
        for name, update, given in _updates(saved.state["optimizer_states"], system):
            check_moments(given, update.optimizer, system.learning(update), f"optimizer_states.{name}")
        _check_callbacks(saved.state["callbacks"], callbacks)
    except UserError as error:
        raise UserError(
            f"{saved.path} cannot be taken up. {error} Give a checkpoint of this run as it was saved "
            f"({saved.path.parent} may hold others), or start a new run without resume."
        ) from error


def _check_parts(state: Mapping[str, Any], callbacks: Sequence[pl.Callback], data: pl.LightningDataModule) -> None:
    for part in PARTS:
        if part not in state:
            raise UserError(f"It has no {part}.")
    check(state["callbacks"], dict[str, Any], "callbacks")
    check(state["state_dict"], dict[str, Any], "state_dict")
    check(state["optimizer_states"], list[Any], "optimizer_states")
    check(state.get("MixedPrecision", {}), LIGHTNINGS["MixedPrecision"], "MixedPrecision")
    own = any(type(one).on_load_checkpoint is not pl.Callback.on_load_checkpoint for one in callbacks)
    known = {*PARTS, "MixedPrecision", type(data).__qualname__}
    if not own and (odd := sorted(state.keys() - known, key=str)):
        raise UserError(f"It has a part {shown(odd[0])} that nothing of this run has saved.")


def _check_same(kept: Mapping[str, Any], system: TextGAN) -> None:
    """Whether the run would go on with the sentences and the tokens it was cut off with."""
    before, vocab = Vocab.restored(kept["vocab"]), system.generator.vocab
    check_bases(kept["bases"], bases(system.generator, system.discriminator))
    if kept["data"] != system.data:
        raise UserError(
            f"It was learned from other sentences ({shown(kept['data'])}) than there are now ({system.data}). "
            "Give the files as they were."
        )
    if before != vocab:
        raise UserError(
            f"It knows {len(before.tokens):,} tokens, which are not the {len(vocab.tokens):,} of the data now. "
            "Give the data and data.tokenizer as they were."
        )


def _check_players(state: Mapping[str, Any], best: Mapping[str, Any] | None, system: TextGAN) -> None:
    ids = system.generator.vocab.inputs
    check_fit(system.state_dict(), state, type(system).__name__, ids)
    if best is not None:
        check_fit(system.generator.state_dict(), best, "textgan_lit.pretraining", ids)
    for name, module in system.named_modules():
        if hasattr(module, "check_extra_state"):
            module.check_extra_state(state[f"{name}._extra_state"], f"state_dict.{name}", system.generator)


def _check_schedule(kept: Mapping[str, Any], system: TextGAN) -> None:
    """What a rule compares must be there."""
    reading = kept["reading"]
    if system.schedule.rule.needs_oracle and reading is not None and reading["regret"] is None:
        raise UserError("textgan_lit.truth.held_out_check.regret is missing, which the schedule's rule compares.")


def _updates(states: Sequence[Any], system: TextGAN) -> Any:
    if len(states) != len(system.updates):
        raise UserError(f"It has {len(states)} optimizers, and this run {len(system.updates)}.")
    return [(*pair, given) for pair, given in zip(system.updates.items(), states, strict=True)]


def _check_callbacks(states: Mapping[str, Any], callbacks: Sequence[pl.Callback]) -> None:
    """Each state against the form that its callback declares; a class of the user's own may declare none."""
    forms = LIGHTNINGS | {one.state_key: one.form for one in callbacks if hasattr(one, "form")}
    for name, state in states.items():
        if name in forms:
            check(state, forms[name], f"callbacks.{name}")
