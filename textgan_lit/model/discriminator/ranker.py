"""A discriminator that ranks a sentence among real ones, in the manner of RankGAN.

Left out on purpose (Lin et al. 2017, arXiv:1705.11001): reference and comparison sets drawn anew at every step (here
one set of training sentences serves as both, for good); the ranking loss (any loss of D's takes its place).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, final

import torch
from annotated_types import Gt, Interval
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.types import TextBatch, Tokens, Vocab


@final
class Ranker(Discriminator):
    r"""How much closer a sentence is to reference sentences than those are to each other.

    .. math:: s(x) = \gamma\, a(x) - \log \tfrac1K \sum_k e^{\gamma\, a(u_k)}, \qquad
              a(x) = \tfrac1K \sum_k \cos\big(y(x), y(u_k)\big)

    with y the critic's features and u_1 … u_K the references: the log-odds of its rank among them (eq. 4 and 5).
    """

    accepts_soft = True
    limited = True  # a mean of cosines lies between −1 and 1

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        critic: Discriminator,
        sentences: Callable[[str], TextBatch] | None = None,
        references: Annotated[int, Interval(ge=2, le=10_000)] = 16,
        gamma: Annotated[float, Gt(0)] = 10.0,
    ):
        super().__init__(vocab, max_length)
        if not isinstance(critic, Conv):
            raise UserError(
                f"discriminator=ranker compares a TextCNN's features, and {type(critic).__name__} has none to give. "
                "Use model/discriminator@model.discriminator.critic=conv or conv_seqgan."
            )
        size = references, max_length
        self.register_buffer("tokens", torch.zeros(size, dtype=torch.long))
        self.register_buffer("mask", torch.ones(size, dtype=torch.bool))
        if sentences is not None:  # a checkpoint brings its own
            self.tokens, self.mask = (rows.clone() for rows in sentences("train").first(references))
        critic.output = nn.Identity()  # its features are asked for, not its score
        self.critic, self.gamma = critic, gamma

    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        references, own = (
            F.normalize(self.critic.features(*batch), dim=1) for batch in ((self.tokens, self.mask), (tokens, mask))
        )
        alike, among = (self.gamma * some @ references.mean(0) for some in (own, references))
        return alike - among.logsumexp(0) + math.log(len(among))
