"""A discriminator that cannot lag behind: it is given the generator's own density."""

from __future__ import annotations

from typing import Annotated, ClassVar, final

import torch
from annotated_types import Ge
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch, Vocab

LIMIT = 1e4  # nats; finite scores stay far below it


@final
class DensityAware(Discriminator):
    r"""Any critic c, beside the generator's log-probability now and at the critic's first step.

    .. math:: \mathrm{logit}\, D(x) = c(x) + \log G_0(x) - \log G(x)

    G₀ is a frozen copy of the generator that the critic first met. The best critic, log P/G₀, does not depend on G:
    when G moves, D moves with it exactly, however well or badly c is trained. Where a critic scores tokens, x is the
    prefix. No gradient flows through either density. It is the discriminator of Finn et al. 2016 (arXiv:1611.03852)
    and AIRL (Fu et al. 2018, arXiv:1710.11248), for whole sentences; exp(c) · G₀ is an energy model of the data,
    which the game distils into G.

    ``refresh`` takes G₀ anew every so many cycles: log P/G₀ becomes smaller, but c has to learn it anew and lags for as
    long.
    """

    needs_density: ClassVar[bool] = True

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        generator: Generator,
        critic: Discriminator,
        refresh: Annotated[int, Ge(1)] | None = None,
    ):
        super().__init__(vocab, max_length)
        generator.need_likelihood("discriminator=density_aware", "model/discriminator=conv")
        if critic.needs_density:
            raise UserError(
                f"discriminator=density_aware wraps a critic that reads sentences alone, but {type(critic).__name__} "
                "is given the density itself. Use model/discriminator@model.discriminator.critic=conv, for example."
            )
        if critic.scores == "token" and not generator.is_left_to_right:
            raise UserError(
                f"discriminator=density_aware needs the density of every beginning of a sentence around "
                f"{type(critic).__name__}, which scores tokens, but {type(generator).__name__} writes in another "
                "order. Use model/discriminator@model.discriminator.critic=conv, or model.generator.order=l2r."
            )
        self.critic, self.scores, self.base = critic, critic.scores, critic.base
        self.reference = generator.frozen()
        self.refresh = refresh
        self.register_buffer("met", torch.zeros((), dtype=torch.long))

    def sync_with(self, generator: Generator) -> None:
        if int(self.met) == 0 or (self.refresh and int(self.met) % self.refresh == 0):
            self.reference.load_state_dict(generator.state_dict())
        self.met += 1

    def train(self, mode: bool = True) -> DensityAware:
        super().train(mode)
        self.reference.eval()
        return self

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B *T"]:
        if density is None:
            raise ValueError("DensityAware compares with the generator's own density: pass density, log G(x_t | x<t).")
        with torch.no_grad(), self.reference.decoding():
            before = self.reference.logp(TextBatch(tokens, mask), Categorical())
            moved = (before - density).masked_fill(~mask, 0.0).clamp(-LIMIT, LIMIT)
            moved = moved.cumsum(1) * mask if self.scores == "token" else moved.sum(1)
        return self.critic(tokens, mask) + moved
