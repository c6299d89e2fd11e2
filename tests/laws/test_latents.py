"""What holds for every generator that writes from a latent, where E_z can be taken: z of one number, by quadrature."""

import copy
import math
from dataclasses import dataclass

import pytest
import torch
from scipy.stats import chisquare
from torch.testing import assert_close

import textgan_lit.model.generator
from tests.helpers.latents import POINTS, marginal, midpoints, pairs, points, sharper
from tests.helpers.playing import built
from tests.helpers.worlds import LENGTH
from textgan_lit.errors import UserError
from textgan_lit.model.baseline import Zero
from textgan_lit.model.credit import MonteCarlo, Terminal
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.gaussian import Gaussian
from textgan_lit.model.generator.latent import Latent
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.generator.one_shot import OneShot
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.objective import ELBO
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import Score
from textgan_lit.noise import Noise
from textgan_lit.types import Samples, TextBatch

SMALL = [
    (OneShot, {"latent": 1, "width": 8, "heads": 2}),
    (VAE, {"latent": 1, "embedding": 3, "hidden": 5}),
    (MaskedDiffusion, {"width": 8, "heads": 2}),
    (MaskedDiffusion, {"width": 8, "heads": 2, "steps": 2}),
]


@pytest.fixture(params=SMALL, ids=lambda case: case[0].__name__ + str(case[1].get("steps", "")))
def generator(request, vocab, unlike):
    kind, options = request.param
    return sharper(unlike(kind(vocab, LENGTH, **options)))


@dataclass(frozen=True)
class Told(Game):
    """Says what it is told to say."""

    said: Samples

    def sample(self, n):
        return self.said


def weights(generator):
    return [weight for name, weight in generator.named_parameters() if "encoder" not in name]


def test_every_latent_is_under_these_laws(every):
    assert every(textgan_lit.model.generator, Latent) == {kind for kind, _ in SMALL}


def test_the_marginal_is_a_distribution_that_depends_on_the_latent(generator, sentences):
    with torch.no_grad():
        assert_close(marginal(generator, sentences).sum().item(), 1.0, rtol=0, atol=1e-5)
        batch, z = pairs(generator, sentences)
        logp = generator.logp(batch, Categorical(), latent=z).sum(1).view(len(sentences.tokens), -1)
    assert logp.std(1).mean() > 0.1


def test_without_its_latent_a_sentence_has_no_likelihood(generator, sentences):
    with pytest.raises(ValueError, match=r"knows log G\(x \| z\) alone: pass latent"):
        generator.logp(sentences, Categorical())


@torch.no_grad()
def test_sentences_are_as_frequent_as_the_marginal_says(generator, sentences):
    n = 10_000
    noise = torch.rand(n, generator.uniforms, generator=torch.Generator().manual_seed(3))
    written = generator.sample(noise, Categorical())
    assert_close(written.latent, generator.prior(noise[:, : generator.latent]))
    assert written.mask.equal(written.tokens != generator.vocab.pad)
    assert_close(written.logp, generator.logp(written.batch, Categorical(), latent=written.latent))
    seen = (written.tokens[:, None] == sentences.tokens).all(2).sum(0)
    expected = marginal(generator, sentences) * n
    rare = expected <= expected.min().clamp_min(5)
    seen, expected = (torch.cat([x[~rare].double(), x[rare].sum().view(1)]) for x in (seen, expected))
    assert chisquare(seen, expected * n / expected.sum()).pvalue > 0.001


@pytest.mark.slow
@torch.no_grad()
def test_the_bound_is_one_and_becomes_the_likelihood(generator, sentences):
    exact = marginal(generator, sentences).log()
    # A grid of a normal prior knows too little of sentences that its tails alone write.
    likely = exact > (-8 if isinstance(generator, Gaussian) else -math.inf)
    sentences, exact = TextBatch(*(rows[likely] for rows in sentences)), exact[likely]
    assert exact.exp().sum() > 0.9
    stream, gaps = torch.Generator().manual_seed(5), []
    for k, repeats in ((1, 1000), (8, 400), (400, 20)):
        noise = torch.rand(repeats, len(exact), k, generator.latent, generator=stream)
        found = torch.stack([generator.bound(sentences, Categorical(), one) for one in noise]).double()
        error = found.std(0) / repeats**0.5
        assert (found.mean(0) <= exact + 5 * error + 1e-5).all()
        gaps.append((exact - found.mean(0)).mean().item())
    assert gaps[0] > 1.5 * gaps[1] > 3 * gaps[2]
    assert abs(gaps[2]) < 0.05


def test_the_gradient_of_the_elbo_is_that_of_its_integral(generator, sentences):
    """−E_q log G(x | z) + KL(q‖p), by definition and on a grid, against the objective's loss on every point once."""
    if not isinstance(generator, Gaussian):
        pytest.skip("its latent is no number")
    chosen = TextBatch(*(rows[5::9] for rows in sentences))
    if True:
        mean, spread = generator.posterior(chosen)
        q = torch.distributions.Normal(mean.unsqueeze(1), spread.exp().unsqueeze(1))
        z = q.icdf(midpoints()).transpose(0, 1).reshape(-1, 1) if mean.dim() == 1 else q.icdf(midpoints().unsqueeze(0))
        cost = torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, spread.exp()), torch.distributions.Normal(0.0, 1.0)
        ).sum()
    batch = TextBatch(*(rows.repeat_interleave(POINTS, 0) for rows in chosen))
    gain = generator.logp(batch, Categorical(), latent=z.reshape(-1, generator.latent)).sum() / POINTS
    exact = (cost - gain) / chosen.mask.sum()

    class Grid(Noise):
        def uniform(self, rows, *shape):
            return midpoints().repeat(rows // POINTS, 1)

    loss = ELBO(anneal_steps=0)(Game(generator, None, Categorical(), Grid("grid")), batch).loss
    assert_close(loss, exact)
    wanted, found = (torch.autograd.grad(one, list(generator.parameters())) for one in (exact, loss))
    assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert all(gradient.abs().max() > 1e-4 for gradient in wanted)


def test_the_loss_of_a_round_is_the_whole_bound_on_average(generator, sentences):
    """−E_σ log G(x | σ) over all orders, token by token in their rounds, against the objective, which looks at one
    round: on every order and every lot."""
    if not isinstance(generator, MaskedDiffusion):
        pytest.skip("writes token after token")
    chosen, lots = TextBatch(*(rows[3::7] for rows in sentences)), 12
    batch, orders = pairs(generator, chosen)
    exact = -generator.logp(batch, Categorical(), latent=orders).sum() / len(points(generator)) / chosen.mask.sum()
    every = TextBatch(*(rows.repeat_interleave(lots, 0) for rows in batch))
    lot = ((torch.arange(lots) + 0.5) / lots).repeat(len(orders)).unsqueeze(1)

    class Grid(Noise):
        def uniform(self, rows, *shape):
            return torch.cat([orders.repeat_interleave(lots, 0), lot], 1)

    loss = ELBO(anneal_steps=0)(Game(generator, None, Categorical(), Grid("grid")), every).loss
    assert_close(loss, exact)
    wanted, found = (torch.autograd.grad(one, list(generator.parameters())) for one in (exact, loss))
    assert_close(found, wanted, rtol=1e-3, atol=1e-5)
    assert all(gradient.abs().max() > 1e-5 for gradient in wanted)


class Pays(Discriminator):
    """Row by row what it is told to pay."""

    def __init__(self, generator, wages):
        super().__init__(generator.vocab, generator.max_length)
        self.wages = wages

    def forward(self, tokens, mask, density=None):
        return self.wages


def test_the_score_function_of_the_pair_ascends_the_reward_of_the_sentence(generator, sentences):
    """Σ_x r(x) G(x) by quadrature, against the estimator's mean over all pairs of x and z, each as often as it is
    probable."""
    reward = torch.randn(len(sentences.tokens), generator=torch.Generator().manual_seed(6))
    exact = torch.autograd.grad(-(marginal(generator, sentences) * reward.double()).sum(), weights(generator))
    batch, z = pairs(generator, sentences)
    with torch.no_grad():
        logp = generator.logp(batch, Categorical(), latent=z)
    wages = reward.repeat_interleave(len(points(generator))) * logp.sum(1).exp() * len(reward)
    game = Told(generator, Pays(generator, wages), Categorical(), Noise(0), Samples(*batch, logp, z))
    for epochs in (1, 2):  # plain, and as PPO's first step
        loss = ScoreFunction(Score(), Terminal(), Zero(), num_iterations=epochs)(game, batch).loss
        found = torch.autograd.grad(loss, weights(generator))
        assert_close(found, exact, rtol=1e-3, atol=1e-5)
    assert max(gradient.abs().max() for gradient in exact) > 0.01


class Tokens(Discriminator):
    """Pays for a sentence's first and last tokens."""

    def forward(self, tokens, mask, density=None):
        return (tokens[:, 0] == 0).float() + 2.0 * (tokens[:, -1] == 1)


@torch.no_grad()
def test_a_prefix_is_worth_what_comes_after_it_from_the_same_latent(generator, sentences):
    if generator.vocab.has_eos or not isinstance(generator, VAE):
        pytest.skip("one world is enough")
    z = torch.tensor([[1.5], [-1.5]])
    tokens = sentences.tokens[[4, 4]]
    rollout = Samples(tokens, torch.ones_like(tokens, dtype=torch.bool), torch.zeros(2, LENGTH), z)
    game = Game(generator, Tokens(generator.vocab, LENGTH), Categorical(), Noise(1))
    value = MonteCarlo(rollouts=10_000)(Score(), game, rollout)
    everything = TextBatch(*(rows.repeat(2, 1) for rows in sentences))
    chance = generator.logp(everything, Categorical(), latent=z.repeat_interleave(len(sentences.tokens), 0))
    same = (everything.tokens[:, 0] == tokens[0, 0]).double()
    g = chance.sum(1).double().exp() * same
    worth = game.sentence_logit(everything).double()
    exact = torch.stack([(g * worth).view(2, -1)[row].sum() / g.view(2, -1)[row].sum() for row in (0, 1)])
    assert_close(value[:, 0].double(), exact, rtol=0, atol=0.03)
    assert abs(exact[0] - exact[1]) > 0.09


def test_the_bound_does_not_depend_on_padding_or_on_how_many_are_judged_at_once(generator, sentences, monkeypatch):
    noise = torch.rand(len(sentences.tokens), 3, generator.latent, generator=torch.Generator().manual_seed(7))
    found = generator.bound(sentences, Categorical(), noise)
    other = sentences.tokens.where(sentences.mask, torch.randint(0, generator.vocab.inputs, sentences.tokens.shape))
    monkeypatch.setattr("textgan_lit.model.generator.latent.ROWS", 30)
    assert_close(generator.bound(TextBatch(other, sentences.mask), Categorical(), noise), found)
    short = sentences.mask.sum(1) <= 2
    few = TextBatch(sentences.tokens[short, :2], sentences.mask[short, :2])
    assert_close(generator.bound(few, Categorical(), noise[short]), found[short])


def test_annealing_and_free_bits_are_charged_as_they_say(generator, sentences):
    def played(objective, times=1):
        objective = copy.deepcopy(objective)
        for _ in range(times):
            outcome = objective(Game(generator, None, Categorical(), Noise(2)), sentences)
        return outcome

    whole, tokens = played(ELBO(anneal_steps=0)), sentences.mask.sum()
    cost = whole.logs["kl"] * len(sentences.tokens) / tokens
    assert_close(whole.loss.detach(), whole.logs["nll_bound"])
    half = played(ELBO(anneal_steps=4), 3)
    assert half.logs["kl_weight"] == 0.5
    assert_close(half.loss, whole.loss - cost / 2)
    if cost:
        free = played(ELBO(anneal_steps=0, free_bits=50.0))
        assert_close(free.loss, whole.loss - cost + 50.0 * len(sentences.tokens) / tokens)
        assert_close(free.logs["nll_bound"], whole.logs["nll_bound"])


LATENT = ("data=tiny", "model/generator=vae", "model/objective=elbo")


@pytest.mark.parametrize(
    ("overrides", "fits"),
    [
        (("model=airl",), "discriminator=conv"),
        (("model=dgsan",), "estimator=score_function"),
        (("model=jsdgan",), "discriminator=conv"),
        (("model=cot",), "discriminator=conv"),
        (("model=minimax", "model/discriminator=oracle"), "discriminator=conv"),
        (("model=minimax", "model/schedule=regret"), "schedule=staleness"),
        (("model=minimax", "model/objective=likelihood"), "objective=elbo"),
        (("model=minimax", "model/regulariser=[likelihood]"), "regulariser="),
    ],
    ids=lambda given: given[-1] if isinstance(given, tuple) else "",
)
def test_parts_that_need_the_likelihood_are_refused_with_those_that_fit(overrides, fits):
    with pytest.raises(UserError, match=rf"needs log G\(x\), which VAE knows only a bound on.*{fits}"):
        built(*LATENT, *overrides)


def test_a_bound_is_not_asked_of_who_knows_the_likelihood():
    with pytest.raises(UserError, match=r"LSTM knows it\. Use model/objective=likelihood"):
        built("data=tiny", "model=mle", "model/objective=elbo")
