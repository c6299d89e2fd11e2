"""Opening a run that was played: generator, vocabulary and configuration, in a notebook."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch

from textgan_lit import build
from textgan_lit.checkpoint import newest, read
from textgan_lit.discriminator.base import Discriminator
from textgan_lit.errors import UserError
from textgan_lit.game import Game
from textgan_lit.generator.base import Generator
from textgan_lit.noise import Noise
from textgan_lit.policy import Policy
from textgan_lit.types import Vocab


class Run(NamedTuple):
    """What is left of a run. ``discriminator`` is None where there was none, or where it needs the oracle."""

    generator: Generator
    vocab: Vocab
    config: dict[str, Any]
    policy: Policy
    discriminator: Discriminator | None

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0, candidates: int = 1) -> list[str]:
        """n sentences as text, the same for the same seed; each one of ``candidates``, chosen by the discriminator."""
        game = Game(self.generator, self.discriminator, self.policy, Noise(seed, "sample"))
        if candidates < 1:
            raise UserError(f"sample(candidates={candidates}): wanted a whole number from 1 on.")
        if candidates > 1 and self.discriminator is None:
            raise UserError(
                f"sample(candidates={candidates}) lets the discriminator choose, but this run has none that can be "
                "loaded. Leave candidates out, or train one, for example model=residual_ebm."
            )
        tokens = game.sample(n).tokens if candidates == 1 else game.choose(n, candidates).tokens
        return [self.vocab.text(row) for row in tokens.tolist()]


def load(run: str | Path, checkpoint: str = "last") -> Run:
    """Reads a run's folder (or one .ckpt file): the players in eval mode, on the CPU.

    ``checkpoint`` is "last" or "best" (lowest true JSD of an evaluation, where the truth was known).
    """
    saved = read(_file(Path(run), checkpoint))
    kept, weights = saved["textgan_lit"], saved["state_dict"]
    vocab = Vocab(tuple(kept["vocab"]["words"]), kept["vocab"]["has_eos"])
    model, known = kept["settings"]["model"], {"vocab": vocab, "max_length": kept["max_length"]}
    generator = build.part(model["generator"], "model.generator", **known)
    generator.load_state_dict(_of(weights, "average.") or _of(weights, "generator."))
    critic = _of(weights, "discriminator.")
    discriminator = None
    if critic:
        known["generator"] = generator
        discriminator = build.part(model["discriminator"], "model.discriminator", **known).eval()
        discriminator.load_state_dict(critic)
    return Run(generator.eval(), vocab, kept["settings"], build.part(model["policy"], "model.policy"), discriminator)


def _file(run: Path, checkpoint: str) -> Path:
    if run.suffix == ".ckpt":
        return run
    folder = run / "checkpoints"
    found = newest(folder, warnings.warn) if checkpoint == "last" else folder / f"{checkpoint}.ckpt"
    if found is None or not found.is_file():
        raise UserError(
            f"{folder} holds no checkpoint {checkpoint!r}. Give a folder that a run was played in, or a .ckpt file."
        )
    return found


def _of(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
