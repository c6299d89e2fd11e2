"""A discriminator that is a language model: of real and generated sentences, half and half."""

from __future__ import annotations

import math
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator, sentence_density
from textgan_lit.model.generator.base import Generator, fitting
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch, Vocab

LIMIT = 1e4  # nats
LEAST = -10.0  # log-odds where M says less than G/2, as no mixture of G and anything can


@final
class Mediator(Discriminator):
    r"""M, a generator of its own that learns M = (P + G)/2 by likelihood (CoT: Lu et al. 2018, arXiv:1804.03782).

    .. math:: \log P/G = \log(2 M/G - 1)

    It is taught by likelihood (``discriminator_loss=mediation``), not through its score.
    """

    needs_density: ClassVar[bool] = True

    def __init__(self, vocab: Vocab, max_length: int, model: Generator):
        super().__init__(vocab, max_length)
        if model.likelihood != "exact":
            exact = fitting(lambda kind: kind.likelihood == "exact")
            known = "knows only as a bound" if model.likelihood == "bound" else "does not know"
            raise UserError(
                f"discriminator=mediator needs M's probabilities, which {type(model).__name__} {known}. "
                f"Use model/generator@model.discriminator.model={exact}."
            )
        self.model = model

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        generated = sentence_density(self, density, mask)
        mixture = self.model.logp(TextBatch(tokens, mask), Categorical()).sum(1)
        above = (mixture - generated + math.log(2)).clamp(-LIMIT, LIMIT)
        # log(e^above − 1), in the form that neither overflows nor loses digits
        odds = above + torch.log1p(-(-above).exp().clamp_max(1 - 1e-7))
        return odds.nan_to_num(nan=LEAST).clamp_min(LEAST)
