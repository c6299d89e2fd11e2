"""E_z by quadrature: z of one number on a grid, or every order."""

from itertools import permutations

import torch

from tests.helpers.worlds import LENGTH
from textgan_lit.model.generator.gaussian import Gaussian
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch

POINTS = 400  # of the quadrature


def sharper(generator):
    """The same with tokens that depend much on z, and a posterior that is neither the prior nor a point."""
    with torch.no_grad():
        if isinstance(generator, Gaussian):
            generator.encoder.output.weight *= 0.5
        for name, weight in generator.named_parameters():
            if name in ("first.weight", "decoder.output.weight", "output.weight"):
                weight *= 3
    return generator


def midpoints(n=POINTS):
    return ((torch.arange(n) + 0.5) / n).unsqueeze(1)


def points(generator):
    """All of the prior: z of one number on a grid, or every order."""
    if isinstance(generator, MaskedDiffusion):
        return (torch.tensor(list(permutations(range(LENGTH)))) + 0.5) / LENGTH
    return generator.prior(midpoints())


def pairs(generator, sentences):
    """Every sentence with every point of the prior: a batch of their pairs, and the z of each."""
    z = points(generator)
    batch = TextBatch(*(rows.repeat_interleave(len(z), 0) for rows in sentences))
    return batch, z.repeat(len(sentences.tokens), 1)


def marginal(generator, sentences):
    """G(x) = E_z G(x | z) of every sentence, in float64."""
    batch, z = pairs(generator, sentences)
    return generator.logp(batch, Categorical(), latent=z).double().sum(1).exp().view(len(sentences.tokens), -1).mean(1)
