"""A latent of independent normal numbers, and the network that guesses it from a sentence."""

from __future__ import annotations

from abc import ABC

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textgan_lit.model.generator.latent import Elbo, Latent
from textgan_lit.model.policy import Policy
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LEAST = 2.0**-25  # half of the smallest step of a uniform number: Φ⁻¹ stays finite
SPREAD = 6.0  # |log σ| at most


class Gaussian(Latent, ABC):
    """z ~ N(0, I), and q(z | x) = N(μ(x), σ(x)²) (Kingma & Welling 2014, arXiv:1312.6114).

    The encoder is trained by the bound alone. Where a game has moved the decoder since, the bound is still one, but a
    looser one.
    """

    def __init__(self, vocab: Vocab, max_length: int, latent: int, proposals: int, embedding: int, hidden: int):
        super().__init__(vocab, max_length, latent, proposals)
        self.encoder = Encoder(vocab, embedding, hidden, latent)

    def prior(self, uniform: Float[Tensor, "B L"]) -> Float[Tensor, "B L"]:
        return torch.special.ndtri(uniform.clamp_min(LEAST))

    def posterior(self, batch: TextBatch) -> tuple[Float[Tensor, "B L"], Float[Tensor, "B L"]]:
        """μ and log σ of q(z | x)."""
        return self.encoder(batch)

    def propose(self, batch: TextBatch, uniform: Float[Tensor, "B L"]) -> tuple[Tensor, Float[Tensor, " B"]]:
        mean, spread = self.posterior(batch)
        noise = self.prior(uniform)
        z = mean + spread.exp() * noise
        return z, (0.5 * (z.square() - noise.square()) - spread).sum(1)

    def elbo(self, batch: TextBatch, policy: Policy, noise: Noise) -> Elbo:
        mean, spread = self.posterior(batch)
        z = mean + spread.exp() * self.prior(noise.uniform(*mean.shape))
        return Elbo(self.logp(batch, policy, latent=z), kl(mean, spread))


def kl(mean: Float[Tensor, "B L"], spread: Float[Tensor, "B L"]) -> Float[Tensor, "B L"]:
    r"""KL(N(μ, σ²) ‖ N(0, 1)), ``spread`` being log σ.

    >>> kl(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    tensor([[0., 2.]])
    """
    return 0.5 * (mean.square() + (2 * spread).exp() - 1) - spread


class Encoder(nn.Module):
    """Two LSTMs read the sentence, one of them backwards; what both end with gives μ and log σ."""

    def __init__(self, vocab: Vocab, embedding: int, hidden: int, latent: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab.inputs, embedding)
        self.forwards = nn.LSTM(embedding, hidden, batch_first=True)
        self.backwards = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(2 * hidden, 2 * latent)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def forward(self, batch: TextBatch) -> tuple[Float[Tensor, "B L"], Float[Tensor, "B L"]]:
        tokens = batch.tokens.masked_fill(~batch.mask, 0)
        last = batch.mask.sum(1, keepdim=True) - 1
        turned = (last - torch.arange(tokens.shape[1], device=tokens.device)).clamp_min(0)
        ends = [_end(self.forwards, self.embedding(tokens), last)]
        ends += [_end(self.backwards, self.embedding(tokens.gather(1, turned)), last)]
        mean, spread = self.output(torch.cat(ends, 1)).float().chunk(2, 1)
        return mean, SPREAD * (spread / SPREAD).tanh()


def _end(core: nn.LSTM, tokens: Float[Tensor, "B T E"], last: Int[Tensor, "B 1"]) -> Float[Tensor, "B H"]:
    """What the core says after each sentence's last token."""
    said, _ = core(tokens)
    return said.gather(1, last.unsqueeze(2).expand(-1, -1, said.shape[2])).squeeze(1)
