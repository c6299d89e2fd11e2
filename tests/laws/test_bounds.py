"""What the bounds on log G(x) are made of, each against its definition."""

import pytest
import torch
from torch.distributions import Normal
from torch.testing import assert_close

from tests.helpers.latents import marginal, points, sharper
from tests.helpers.worlds import LENGTH
from textgan_lit.model.game import Game
from textgan_lit.model.generator.latent import Elbo
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.generator.one_shot import OneShot
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.objective import ELBO
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab


@pytest.fixture(params=[(OneShot, {"width": 8, "heads": 2}), (VAE, {"embedding": 3, "hidden": 5})], ids=["shot", "vae"])
def gaussian(request, vocab, unlike):
    kind, options = request.param
    return sharper(unlike(kind(vocab, LENGTH, latent=2, **options)))


@pytest.fixture
def diffusion(vocab, unlike):
    return unlike(MaskedDiffusion(vocab, LENGTH, width=8, heads=2))


@torch.no_grad()
def test_a_proposal_is_of_the_posterior_and_says_how_far_it_is_from_the_prior(gaussian, sentences):
    uniform = torch.rand(len(sentences.tokens), 2, generator=torch.Generator().manual_seed(1))
    mean, spread = gaussian.posterior(sentences)
    q = Normal(mean, spread.exp())
    z, excess = gaussian.propose(sentences, uniform)
    assert_close(z, q.icdf(uniform), rtol=1e-3, atol=1e-4)
    assert_close(excess, (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(1), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_the_bound_is_the_log_of_the_mean_weight(gaussian, sentences):
    uniform = torch.rand(len(sentences.tokens), 3, 2, generator=torch.Generator().manual_seed(2))
    weights = []
    for draw in uniform.unbind(1):
        z, excess = gaussian.propose(sentences, draw)
        weights.append((gaussian.logp(sentences, Categorical(), latent=z).double().sum(1) - excess).exp())
    assert_close(gaussian.bound(sentences, Categorical(), uniform), torch.stack(weights).mean(0).log().float())


@torch.no_grad()
def test_over_all_orders_the_bound_is_the_likelihood(diffusion, sentences):
    orders = points(diffusion).expand(len(sentences.tokens), -1, -1)
    found = diffusion.bound(sentences, Categorical(), orders)
    assert_close(found, marginal(diffusion, sentences).log().float(), rtol=1e-4, atol=1e-4)


def test_a_latent_is_learnt_through(gaussian, sentences):
    """∂ log G(x | z) / ∂z against differences."""
    z = torch.tensor([[0.3, -0.7]]).repeat(len(sentences.tokens), 1).double().requires_grad_()
    gaussian.double()
    logp = gaussian.of_written(gaussian.features(_inputs(gaussian, sentences), z), sentences, Categorical())
    (found,) = torch.autograd.grad(logp.sum(), z)
    assert found.abs().max() > 0.1
    for along in torch.eye(2, dtype=torch.double):
        ends = [
            gaussian.of_written(
                gaussian.features(_inputs(gaussian, sentences), z.detach() + step * along), sentences, Categorical()
            )
            for step in (0.01, -0.01)
        ]
        assert_close(found @ along, (ends[0] - ends[1]).double().sum(1) / 0.02, rtol=0.02, atol=5e-3)


def _inputs(generator, sentences):
    bos = torch.full_like(sentences.tokens[:, :1], generator.vocab.bos)
    return torch.cat([bos, sentences.tokens[:, :-1]], 1)


@torch.no_grad()
def test_the_encoder_reads_both_ways(gaussian, sentences):
    encoder = gaussian.encoder
    for tokens, mask, mean in list(zip(*sentences, gaussian.posterior(sentences)[0], strict=True))[::7]:
        read = encoder.embedding(tokens[mask])
        ends = [encoder.forwards(read)[0][-1], encoder.backwards(read.flip(0))[0][-1]]
        assert_close(mean, encoder.output(torch.cat(ends))[:2])


def test_rounds_follow_the_order_and_what_is_no_token_has_none(diffusion):
    order = torch.tensor([[0.9, 0.1, 0.5, 0.3]]).repeat(2, 1)
    tokens = torch.tensor([[True] * 4, [True, True, False, False]])
    assert diffusion.rounds(order, tokens).tolist() == [[3, 0, 2, 1], [1, 0, 4, 4]]


@torch.no_grad()
def test_how_many_tokens_there_are_is_a_part_of_the_last_one_under_every_policy(diffusion, sentences):
    said = diffusion.of_length(sentences, diffusion.content(sentences), Categorical())
    last = sentences.mask.long().cumsum(1).argmax(1, keepdim=True)
    assert not said.scatter(1, last, 0.0).any()
    assert said.any() == diffusion.vocab.has_eos
    noise = torch.rand(200, diffusion.uniforms, generator=torch.Generator().manual_seed(3))
    written = diffusion.sample(noise, Categorical(0.3))
    assert_close(written.logp, diffusion.logp(written.batch, Categorical(0.3), latent=written.latent))
    if diffusion.vocab.has_eos:
        cold = Categorical(0.3)(diffusion.length_logits()).softmax(0)
        found = diffusion.of_length(sentences, diffusion.content(sentences), Categorical(0.3)).sum(1).exp()
        assert_close(found, cold[diffusion.content(sentences).sum(1)])


class Costs(Markov):
    """A generator whose latent costs what it is told, by coordinate."""

    def __init__(self, kl):
        super().__init__(Vocab(("a",)), 5)
        self.kl = kl

    def elbo(self, batch, policy, noise):
        return Elbo(torch.zeros(batch.tokens.shape), self.kl)


def test_free_bits_are_of_each_coordinate_and_of_the_mean_and_the_weight_ends_at_1():
    kl = torch.tensor([[0.0, 3.0, 0.0], [0.4, 1.0, 0.9]])  # means .2, 2 and .45
    batch = TextBatch(torch.zeros(2, 5, dtype=torch.long), torch.ones(2, 5, dtype=torch.bool))
    objective = ELBO(anneal_steps=2, free_bits=0.5)
    losses = [objective(Game(Costs(kl), None, Categorical(), Noise(0)), batch).loss.item() for _ in range(5)]
    charged = (0.5 + 2.0 + 0.5) * 2 / 10
    assert losses == pytest.approx([0.0, charged / 2, charged, charged, charged])
