"""What every objective is given: the players, and this step's noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.model.discriminator.base import Discriminator, last_score
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.latent import Latent
from textgan_lit.model.policy import Policy
from textgan_lit.model.shape_check import checked
from textgan_lit.noise import Noise
from textgan_lit.types import Samples, TextBatch, Tokens, Vocab

SCORED = 1024  # continuations scored at once


@dataclass(frozen=True)
class Game:
    """The two players as they stand at this step.

    The generator that is judged is the network *under its policy*: what writes is what is scored.
    """

    generator: Generator
    discriminator: Discriminator | None
    policy: Policy
    noise: Noise

    @property
    def vocab(self) -> Vocab:
        return self.generator.vocab

    def sample(self, n: int) -> Samples:
        """n new sentences on this rank."""
        return self.generator.sample(self.noise.uniform(n, self.generator.uniforms), self.policy)

    def choose(self, n: int, candidates: int, lots: Noise | None = None) -> Samples:
        """n sentences, each one of so many candidates, chosen by D's odds e^s (Deng et al. 2020, arXiv:2004.11714).

        As the candidates grow in number, what is chosen is distributed as G·e^s/Z; their ``logp`` stays log G. With
        ``lots``, noise of the choices' own, n sentences begin like any larger number of them.
        """
        written = self.sample(n * candidates)
        parts = zip(*(x.split(SCORED) for x in (*written.batch, written.logp)), strict=True)
        logits = torch.cat([self.sentence_logit(TextBatch(tokens, mask), logp) for tokens, mask, logp in parts])
        chosen, _ = draw(logits.view(n, candidates), (lots or self.noise).uniform(n))
        each = torch.arange(n, device=chosen.device)
        return Samples(*(rows.unflatten(0, (n, candidates))[each, chosen] for rows in written))

    def score(
        self, tokens: Tokens, mask: Bool[Tensor, "B T"], logp: Float[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B *T"]:
        """The discriminator's raw logits in float32: one a sentence, or one a token (see its ``scores``).

        ``logp`` is log G of each token, where it is known: else a discriminator that needs it has it computed.
        """
        player = self.discriminator
        assert player is not None
        density = ()
        if player.needs_density:
            density = (self.density(TextBatch(tokens, mask)) if logp is None else logp.detach(),)
        wanted = mask.shape if player.scores == "token" else mask.shape[:1]
        return checked(player, player(tokens, mask, *density), wanted, f"a score for each {player.scores}").float()

    @torch.no_grad()
    def density(self, batch: TextBatch) -> Float[Tensor, "B T"]:
        """log G of each token, which nobody learns from."""
        with self.generator.decoding():
            return self.generator.logp(batch, self.policy)

    def likelihood(self, batch: TextBatch) -> Float[Tensor, " B"]:
        """log G of whole sentences; of a generator that has a bound alone, that bound, with this game's noise."""
        if isinstance(self.generator, Latent):
            uniform = self.noise.uniform(len(batch.tokens), self.generator.proposals, self.generator.latent)
            return self.generator.bound(batch, self.policy, uniform)
        parts = (TextBatch(*rows) for rows in zip(*(part.split(SCORED) for part in batch), strict=True))
        return torch.cat([self.generator.logp(part, self.policy).sum(1) for part in parts])

    def sentence_logit(self, batch: TextBatch, logp: Float[Tensor, "B T"] | None = None) -> Float[Tensor, " B"]:
        """One raw logit a sentence from any discriminator; ``logp`` as in :meth:`score`."""
        return last_score(self.score(*batch, logp), batch.mask)

    def sentence_logits(self, written: Int[Tensor, "P B N T"]) -> Float[Tensor, "P B N"]:
        """One raw logit for each continuation of each prefix (see :func:`textgan_lit.model.credit.continuations`),
        whose tokens come as they were written."""
        assert self.discriminator is not None
        if self.discriminator.shares_prefixes and self.generator.is_left_to_right:
            return self.discriminator.continuations(written).float()
        parts = self.generator.to_reading_order(written.flatten(0, 2)).split(SCORED)
        scores = [self.sentence_logit(TextBatch(part, part != self.vocab.pad)) for part in parts]
        return torch.cat(scores).view(written.shape[:-1])


def silence_dropout(player: nn.Module) -> None:
    """Eval mode for all but the recurrent cores, whose cuDNN backward pass only works in train mode.

    Players keep dropout out of their cores, so nothing random is left.
    """
    for module in player.modules():
        module.training = isinstance(module, nn.RNNBase)
