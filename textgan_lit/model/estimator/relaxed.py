"""Gradients that pass the discriminator through relaxed tokens: Gumbel-softmax."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, final

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from torch.distributions import Categorical

from textgan_lit.errors import UserError
from textgan_lit.functional.relaxation import gumbel_softmax
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.estimator.slope import check_soft, slope
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator, fitting
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.reward import Reward
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, TextBatch

BIAS = "tokens are relaxed, and where sentences end is not differentiated"


@final
class Relaxed(Loss):
    """Write soft tokens, let D judge them, and follow its slope back into G (Kusner & Hernández-Lobato 2016,
    arXiv:1611.04051).

    Tokens are Gumbel-softmax draws whose temperature falls from ``temperature`` to ``final_temperature`` over the first
    ``steps`` steps, by a factor a step. Soft tokens bias the gradient, the less the colder, at the price of variance.
    ``hard`` shows D and G whole tokens and keeps the soft ones' gradient (straight-through): its bias does not vanish,
    unless D is linear between tokens. Where sentences end is not differentiated, and that bias does not vanish either.
    """

    def __init__(
        self,
        reward: Reward,
        temperature: Annotated[float, Gt(0)] = 1.0,
        final_temperature: Annotated[float, Gt(0)] = 0.2,
        steps: Annotated[int, Ge(1)] = 500,
        hard: bool = True,
    ):
        super().__init__()
        self.reward, self.null = reward, reward.null
        self.claim = Claim(reward.divergence, BIAS, "temperature")
        self.temperature, self.final_temperature, self.steps, self.hard = temperature, final_temperature, steps, hard
        self.register_buffer("played", torch.zeros((), dtype=torch.long))

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        check_soft("relaxed", discriminator)
        if not (generator.accepts_soft and generator.autoregressive):
            able = fitting(lambda kind: kind.accepts_soft and kind.autoregressive)
            raise UserError(
                f"estimator=relaxed feeds soft tokens back into the generator, but {type(generator).__name__} reads "
                f"whole tokens only. Use model/generator={able}, or model/estimator=score_function."
            )
        fades = "" if self.hard or generator.vocab.has_eos else "temperature"
        self.claim = replace(self.claim, fades=fades)

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        temperature = self._now()
        tokens, mask, entropy = self._write(game, len(batch.tokens), temperature)
        reward, direction = slope(self.reward, game, tokens.detach(), mask)
        self.played += 1
        logs = {"reward": reward, "entropy": entropy, "temperature": reward.new_tensor(temperature)}
        return Outcome(-(tokens * direction).sum() / len(tokens), logs)

    def _now(self) -> float:
        share = min(int(self.played) / self.steps, 1.0)
        return self.temperature * (self.final_temperature / self.temperature) ** share

    def _write(self, game: Game, n: int, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        """Soft sentences, zeros after their ends; where they have tokens; mean entropy of the tokens' distributions."""
        generator, vocab = game.generator, game.vocab
        latent = generator.prior(game.noise.uniform(n, generator.latent))
        prev, state, is_open = generator.start_decoding(n, latent)
        tokens, masks, nats = [], [], []
        for _ in range(generator.max_length):
            features, state = generator.advance(prev, state)
            logits = game.policy(generator.head(features).float())
            uniform = game.noise.uniform(n, vocab.size)
            prev = gumbel_softmax(logits, uniform, temperature, self.hard) * is_open.unsqueeze(1)
            tokens.append(prev)
            masks.append(is_open)
            nats.append(Categorical(logits=logits.detach()).entropy() * is_open)
            is_open = generator.unfinished(is_open, prev.detach().argmax(1))
        mask = generator.to_reading_order(torch.stack(masks, 1))
        entropy = torch.stack(nats).sum() / all_mean(mask.sum(dtype=torch.float))
        return generator.to_reading_order(torch.stack(tokens, 1)), mask, entropy
