"""The players that a checkpoint describes, built anew with the weights that it holds."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from textgan_lit.build import experiment, parts
from textgan_lit.build.source import Source
from textgan_lit.build.trust import check, vouched
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Policy
from textgan_lit.model.weights import bases, check_bases, check_fit
from textgan_lit.run.checkpoint import Saved, chosen, newest
from textgan_lit.types import BASES, Length, Vocab

Weights = dict[str, Any]  # tensors, once check_fit has looked


class Players(NamedTuple):
    """``discriminator`` is None where there was none, or where it needs the oracle."""

    generator: Generator
    vocab: Vocab
    config: dict[str, Any]
    policy: Policy
    discriminator: Discriminator | None


def opened(run: Path, checkpoint: str, packages: tuple[str, ...]) -> tuple[Players, Path]:
    """The players of a run's folder or of one .ckpt file, and the file; ``checkpoint`` is "last" or "best".

    Raises:
        UserError: with the file's name, for whatever is no whole checkpoint whose weights fit the parts it describes.
    """
    found = _found(run, checkpoint)
    try:
        return rebuilt(found.state, packages), found.path
    except UserError as error:
        raise UserError(f"{found.path} cannot be opened. {error}") from error


def _found(run: Path, checkpoint: str) -> Saved:
    """The checkpoint that is asked for."""
    if run.suffix == ".ckpt":
        return chosen(run)
    if checkpoint not in ("last", "best"):
        raise UserError(f"checkpoint={shown(checkpoint)}: wanted last or best. Any other file: give its own path.")
    if not run.is_dir():
        raise UserError(f"{run}: there is no such folder. Give the folder that a run was played in, or a .ckpt file.")
    folder = run / "checkpoints"
    if folder.is_symlink():
        raise UserError(f"{folder} is a link, so what lies there is another run's. Give the folder it leads to.")
    best = folder / "best.ckpt"
    if checkpoint == "best" and os.path.lexists(best):
        return chosen(best)
    found = newest(folder, warnings.warn)
    if found is None or (checkpoint == "best" and not found.state["textgan_lit"].get("choice")):
        raise UserError(
            f"{folder} holds no checkpoint {checkpoint!r}. Give a folder that a run was played in, or a .ckpt file."
        )
    return found


def opener(config: Mapping[str, Any]) -> Callable[[str], Players]:
    """What opens another run for a part of this one, by its path, as every run is."""
    return lambda path: opened(Path(os.path.expanduser(path)), "last", vouched(config["trust"]))[0]


def sources(config: Mapping[str, Any]) -> dict[str, Source]:
    """The players of other runs that those of ``config`` start from, opened as every run is."""
    model, found = config.get("model") or {}, {}
    for name in ("generator", "discriminator"):
        path = parts.setting(model.get(f"{name}_from"), str | None, f"model.{name}_from")
        if path is not None:
            of = opener(config)(path)
            where = f"model.{name}_from={shown(path, PATH)}"
            found[name] = Source(getattr(of, name), of.vocab, where, of.config["model"].get(name) or {})
    return found


def rebuilt(saved: dict[str, Any], packages: tuple[str, ...]) -> Players:
    """The players that a checkpoint describes, in eval mode; ``packages`` beyond ours may be named by it.

    Raises:
        UserError: its settings, vocabulary and weights do not fit together.
    """
    settings = parts.group(saved, "textgan_lit.settings")
    check(settings, packages)
    kept, model = saved["textgan_lit"], parts.group(settings, "model")
    vocab = Vocab.restored(parts.group(kept, "vocab"))
    known = {"vocab": vocab, "max_length": parts.setting(kept.get("max_length"), Length, "max_length")}
    weights = _weights(saved["state_dict"])
    if (kept.get("choice") or {}).get("kept") == "likelihood":  # what the game left was not better
        weights = dict(parts.group(kept, "pretraining")), weights[1]
    # First without memory, so that nothing is allocated for a description that does not fit. A class of the user's own
    # may need numbers to be built.
    with contextlib.nullcontext() if packages else torch.device("meta"):
        empty = _players(model, known, weights)
    try:
        for player, its in zip(empty, weights, strict=True):
            if player is not None:
                check_fit(player.state_dict(), its, type(player).__name__, vocab.inputs)
    except UserError as error:
        raise UserError(f"{error} Give the file as it was saved.") from error
    generator, discriminator = players = _players(model, known, weights)
    check_bases(parts.setting(kept.get("bases", {}), BASES, "textgan_lit.bases"), bases(generator, discriminator))
    for player, its in zip(players, weights, strict=True):
        if player is not None:
            player.eval().load_state_dict(its)
    policy = parts.part(model.get("policy"), "model.policy", Policy)
    return Players(generator, vocab, dict(settings), policy, discriminator)


@torch.random.fork_rng(devices=[])  # what is drawn for the weights is nobody else's
def _players(
    model: Mapping[str, Any], known: Mapping[str, Any], weights: tuple[Weights, Weights]
) -> tuple[Generator, Discriminator | None]:
    """Both players with weights of their own; no discriminator where none were saved."""
    leaked = experiment.leaked_discriminator(model, known)
    generator = parts.part(model.get("generator"), "model.generator", Generator, **known, leaked_discriminator=leaked)
    if not weights[1]:
        return generator, None
    described = model.get("discriminator")
    return generator, parts.part(described, "model.discriminator", Discriminator, **known, generator=generator)


def _weights(state: Any) -> tuple[Weights, Weights]:
    """The generator's (their average, where one was kept) and the discriminator's, which may have none."""
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise UserError("Its state_dict has no names. Give the file as it was saved.")
    return _of(state, "average.generator.") or _of(state, "generator."), _of(state, "discriminator.")


def _of(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
