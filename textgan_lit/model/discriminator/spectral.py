"""A critic whose weight matrices cannot stretch what they read."""

from __future__ import annotations

from typing import final

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.types import Tokens, Vocab


@final
class Spectral(Discriminator):
    """Any critic, each of its weight matrices divided by its largest singular value (Miyato et al. 2018,
    arXiv:1802.05957).

    The value is followed by a step of power iteration each time a weight is used in training. Recurrent cores are not
    covered and are refused; so are pretrained networks, which would not be the same any more. It smooths; it is no
    bound on the slope of the whole: gates, norms' gains and attention (Kim et al. 2021, arXiv:2006.04710) stay free.
    """

    def __init__(self, vocab: Vocab, max_length: int, critic: Discriminator):
        super().__init__(vocab, max_length)
        recurrent = any(isinstance(module, nn.RNNBase) for module in critic.modules())
        if critic.needs_density or recurrent or critic.base is not None:
            raise UserError(
                f"discriminator=spectral bounds feed-forward layers, which {type(critic).__name__} is not made of. "
                "Use model/discriminator@model.discriminator.critic=conv or transformer."
            )
        for module in list(critic.modules()):
            for name, weight in list(module.named_parameters(recurse=False)):
                if weight.dim() > 1:
                    spectral_norm(module, name)
        self.critic, self.scores, self.accepts_soft = critic, critic.scores, critic.accepts_soft
        self.limited = critic.limited

    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B *T"]:
        return self.critic(tokens, mask)
