"""A player of another run, whose weights one of this run starts with: model.generator_from and discriminator_from."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from textgan_lit.errors import UserError
from textgan_lit.model.weights import check_fit
from textgan_lit.types import Vocab


class Source(NamedTuple):
    """``where`` is the setting that named the run, ``config`` what the run's own configuration says of the player."""

    player: nn.Module | None  # None: that run has none that can be opened
    vocab: Vocab
    where: str
    config: Mapping[str, Any]

    def start(self, player: nn.Module | None, vocab: Vocab) -> None:
        """Gives ``player`` the weights of this one.

        Raises:
            UserError: they are not of one vocabulary or shape, or one of the two is not there.
        """
        if player is None:
            raise UserError(f"{self.where} would be ignored: this model has no such player. Leave it out.")
        if self.player is None:
            raise UserError(f"{self.where}: that run has no such player that can be opened. Give a run that has one.")
        if vocab != self.vocab:
            raise UserError(
                f"{self.where}: that run knows {len(self.vocab.tokens):,} tokens, which are not the "
                f"{len(vocab.tokens):,} of the data here. Give the data and data.tokenizer of that run."
            )
        try:
            check_fit(player.state_dict(), self.player.state_dict(), type(player).__name__, vocab.inputs)
        except UserError as error:
            raise UserError(f"{self.where} does not fit. {error} Give that run's: {self._overrides()}.") from None
        if player.base != self.player.base:
            raise UserError(
                f"{self.where}: that run's player stands on other pretrained weights than this one. Give that run's: "
                f"{self._overrides()}."
            )
        player.load_state_dict(self.player.state_dict())

    def _overrides(self) -> str:
        """What chooses a player like that run's on the command line."""
        place, kind = self.where.partition("_from")[0], type(self.player)
        usual = {name: known.default for name, known in inspect.signature(kind).parameters.items()}
        given = [f"{place}.{name}={value}" for name, value in self.config.items() if usual.get(name, value) != value]
        plain = [override.replace(" ", "") for override in given]
        return " ".join([f"{place.replace('.', '/')}={kind.__module__.rpartition('.')[2]}", *plain])
