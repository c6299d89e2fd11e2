"""What holds for every discriminator, in worlds whose sentences can all be listed."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import textgan_lit.model.discriminator
from textgan_lit.errors import UserError
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.credit import continuations
from textgan_lit.model.discriminator.base import Discriminator, last_score
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.empirical import Empirical
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.oracle import LIMIT, Optimal
from textgan_lit.model.discriminator.ranker import Ranker
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator.spectral import Spectral
from textgan_lit.model.discriminator.transformer import Transformer
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.model.sampling import sample
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LENGTH = 4
SMALL = {
    Conv: {"filters": [(1, 3), (2, 4), (3, 2)], "embedding": 3, "dropout": 0.5},
    Recurrent: {"embedding": 3, "hidden": 5, "dropout": 0.5},
    Transformer: {"width": 8, "heads": 2, "dropout": 0.5},
    Optimal: {},
    DensityAware: {},
    Spectral: {},
    Mediator: {},
    Empirical: {},
    Ranker: {},
}


@pytest.fixture
def real(vocab, unlike):
    """P: anything that writes; here with more memory than G has, and with parameters of its own."""
    return unlike(LSTM(vocab, LENGTH, embedding=3, hidden=5), seed=1)


@pytest.fixture
def fake(vocab, unlike):
    return unlike(Markov(vocab, LENGTH), seed=2)


@pytest.fixture(params=[*SMALL, (DensityAware, Recurrent), "views"], ids=str)
def discriminator(request, vocab, unlike, real, sentences):
    if request.param == "views":
        return unlike(Conv(vocab, LENGTH, **SMALL[Conv], views=3))
    kind, critic = request.param if isinstance(request.param, tuple) else (request.param, Conv)
    options = {
        Optimal: {"oracle": real},
        DensityAware: {"generator": real, "critic": critic(vocab, LENGTH, **SMALL[critic])},
        Spectral: {"critic": critic(vocab, LENGTH, **SMALL[critic])},
        Empirical: {"sentences": lambda split: sentences},
        Ranker: {"critic": critic(vocab, LENGTH, **SMALL[critic]), "sentences": lambda split: sentences},
        Mediator: {"model": LSTM(vocab, LENGTH, embedding=3, hidden=5, dropout=0.5)},
    }
    return unlike(kind(vocab, LENGTH, **options.get(kind, SMALL[kind])))


@pytest.fixture
def score(discriminator, fake):
    """score(words, mask): as the game calls it, with G's density where that is asked for."""

    def judge(words, mask):
        if not discriminator.reads_density:
            return discriminator(words, mask)
        return discriminator(words, mask, fake.logp(TextBatch(words, mask), Categorical()).detach())

    return judge


def test_every_discriminator_is_under_these_laws(every):
    assert every(textgan_lit.model.discriminator, Discriminator) == set(SMALL)


def test_there_is_one_finite_score_for_all_that_is_judged(discriminator, score, sentences):
    n, scores = len(sentences.tokens), score(*sentences)
    assert scores.shape == {"sentence": (n,), "word": (n, LENGTH)}[discriminator.scores]
    assert scores.isfinite().all()
    assert last_score(scores, sentences.mask).std() > 0.01


@pytest.mark.parametrize("vocab", ["eos"], indirect=True)
@pytest.mark.parametrize("learning", [True, False])  # torch takes another way through some layers without autograd
def test_padding_never_changes_a_score(discriminator, score, sentences, learning):
    (tokens, mask), stream = sentences, torch.Generator().manual_seed(3)
    with torch.set_grad_enabled(learning):
        scores = score(tokens, mask)
        anything = torch.randint(0, discriminator.vocab.inputs, tokens.shape, generator=stream)
        assert_close(score(tokens.where(mask, anything), mask), scores)
        short = ~mask[:, -1]  # these end before the last column: without it, nothing is missing
        cut = scores[short] if scores.dim() == 1 else scores[short, :-1]
        assert_close(score(tokens[short, :-1], mask[short, :-1]), cut)
    if discriminator.scores == "word":
        assert (scores[~mask] == 0).all()


def test_what_is_called_density_on_padding_is_not_read(vocab, real, fake, sentences):
    density = fake.logp(sentences, Categorical())
    anything = density.where(sentences.mask, torch.full_like(density, float("-inf")))
    judge = Optimal(vocab, LENGTH, real)
    assert_close(judge(*sentences, anything), judge(*sentences, density))


@torch.no_grad()
def test_a_sentence_is_judged_by_itself(score, sentences):
    rows = torch.randperm(len(sentences.tokens), generator=torch.Generator().manual_seed(4))[:17]
    assert_close(score(sentences.tokens[rows], sentences.mask[rows]), score(*sentences)[rows])


def test_in_eval_mode_a_score_is_a_function(discriminator, score, sentences):
    assert score(*sentences).equal(score(*sentences))
    if any(isinstance(part, nn.Dropout) for part in discriminator.modules()):
        discriminator.train()
        assert not score(*sentences).equal(score(*sentences))


def test_every_parameter_is_reached_by_a_gradient(discriminator, score, sentences):
    parameters = [weight for weight in discriminator.parameters() if weight.requires_grad]
    if not parameters:
        pytest.skip("nothing to train")
    scores = last_score(score(*sentences), sentences.mask)
    weight = torch.randn(scores.shape, generator=torch.Generator().manual_seed(5))
    assert all(gradient.any() for gradient in torch.autograd.grad((weight * scores).sum(), parameters))


@torch.no_grad()
def test_one_that_scores_words_judges_each_by_the_words_so_far(discriminator, score, sentences):
    if discriminator.scores != "word":
        pytest.skip("scores sentences")
    full = sentences.mask.all(1)
    tokens, mask = sentences.tokens[full], sentences.mask[full]
    for t in range(LENGTH):
        changed = tokens.clone()
        changed[:, t] = (changed[:, t] + 1) % len(discriminator.vocab.words)
        before, after = score(tokens, mask), score(changed, mask)
        assert_close(after[:, :t], before[:, :t])
        assert (after[:, t:] - before[:, t:]).abs().mean() > 0.01


# --- soft words -------------------------------------------------------------------------------------------------------


@pytest.fixture
def soft(discriminator, sentences):
    """Every sentence as one-hot words."""
    if not discriminator.reads_soft:
        pytest.skip("reads whole words only")
    return one_hot(*sentences, discriminator.vocab.size).requires_grad_()


def test_who_reads_soft_words():
    vocab, real = Vocab(("a", "b")), Markov(Vocab(("a", "b")), LENGTH)
    assert all(kind(vocab, LENGTH).reads_soft for kind in (Conv, Recurrent, Transformer))
    assert Spectral(vocab, LENGTH, Conv(vocab, LENGTH)).reads_soft
    assert not any(kind.reads_soft for kind in (Optimal, DensityAware, Mediator))
    assert not DensityAware(vocab, LENGTH, real, Conv(vocab, LENGTH)).reads_soft


def test_one_hot_words_score_as_the_words_themselves(discriminator, score, sentences, soft):
    assert_close(score(soft, sentences.mask), score(*sentences))


def test_every_word_has_a_slope_and_padding_has_none(discriminator, score, sentences, soft):
    verdict = last_score(score(soft, sentences.mask), sentences.mask)
    (slope,) = torch.autograd.grad(verdict.sum(), soft)
    assert (slope[~sentences.mask] == 0).all()
    for t in range(LENGTH):
        assert slope[:, t].abs().sum() > 1e-3
    if isinstance(discriminator, Transformer):  # (a maximum over time has a slope where it is reached only)
        assert (slope[sentences.mask].abs().sum(1) > 0).all()


@pytest.mark.parametrize("vocab", ["eos"], indirect=True)
def test_soft_padding_never_changes_a_score(discriminator, score, sentences, soft):
    anything = torch.rand(soft.shape, generator=torch.Generator().manual_seed(3))
    other = soft.where(sentences.mask.unsqueeze(2), anything)
    assert_close(score(other, sentences.mask), score(soft, sentences.mask))


def test_a_word_between_two_is_read_as_the_mixture_of_their_embeddings(discriminator, score, sentences, soft):
    """Against the same network with one more word, whose embedding is the mixture."""
    inner = getattr(discriminator, "critic", discriminator)
    if inner is not discriminator:
        pytest.skip("as its critic")
    share, size = torch.tensor([0.2, 0.5, 0.3, 0.0][: discriminator.vocab.size]), discriminator.vocab.size
    words = soft.detach().clone()
    words[:, 0] = share
    with torch.no_grad():
        mixed = score(words, sentences.mask)
        discriminator.embedding.weight[discriminator.vocab.bos] = share @ discriminator.embedding.weight[:size]
        tokens = sentences.tokens.clone()
        tokens[:, 0] = discriminator.vocab.bos
        assert_close(mixed, score(tokens, sentences.mask))


# --- spectral ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("critic", [Conv, Transformer])
@pytest.mark.parametrize("vocab", ["eos"], indirect=True)
def test_spectral_divides_every_matrix_by_its_largest_singular_value(vocab, critic, sentences, unlike):
    """torch.linalg's, once the power iteration has had some turns; a convolution counts as one matrix."""
    judge = unlike(Spectral(vocab, LENGTH, critic(vocab, LENGTH, **SMALL[critic])))
    raw = {name: weight for name, weight in judge.named_parameters() if name.endswith(".original")}
    expected = sum(weight.dim() > 1 for weight in critic(vocab, LENGTH, **SMALL[critic]).parameters())
    assert len(raw) == expected
    judge.train()
    for _ in range(100):
        judge(*sentences)
    judge.eval()
    for name, weight in raw.items():
        module = judge.get_submodule(name.split(".parametrizations.")[0])
        bounded = getattr(module, name.split(".")[-2]).flatten(1)
        assert_close(torch.linalg.matrix_norm(bounded, 2), torch.tensor(1.0), rtol=1e-2, atol=0)
        assert_close(bounded * torch.linalg.matrix_norm(weight.flatten(1), 2), weight.flatten(1), rtol=1e-2, atol=1e-4)


def test_spectral_scales_do_not_matter(vocab, sentences, unlike):
    """What is learnt is a direction: weights ten times as large give the same score."""
    judge = unlike(Spectral(vocab, LENGTH, Conv(vocab, LENGTH, **SMALL[Conv]))).train()
    for _ in range(10):
        judge(*sentences)
    before = judge.eval()(*sentences)
    with torch.no_grad():
        for name, weight in judge.named_parameters():
            if name.endswith(".original"):
                weight *= 10
    assert_close(judge(*sentences), before)


def test_spectral_follows_the_value_in_train_mode_only(vocab, sentences):
    judge = Spectral(vocab, LENGTH, Conv(vocab, LENGTH, **SMALL[Conv])).eval()
    with torch.no_grad():
        for weight in judge.parameters():
            weight.normal_()
    vectors = [value.clone() for value in judge.buffers()]
    judge(*sentences)
    assert all(one.equal(other) for one, other in zip(vectors, judge.buffers(), strict=True))
    judge.train()(*sentences)
    assert not any(one.equal(other) for one, other in zip(vectors, judge.buffers(), strict=True) if len(one) > 1)


def test_spectral_refuses_what_it_does_not_cover(vocab, real, fake):
    for critic in (Recurrent(vocab, LENGTH), Optimal(vocab, LENGTH, real)):
        with pytest.raises(UserError, match=rf"{type(critic).__name__} is not made of. Use .*critic=conv or transf"):
            Spectral(vocab, LENGTH, critic)


# --- the mediator -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_mediator_says_log_p_over_g(vocab, real, fake, sentences):
    """Of a model that is the mixture of the two: whatever P is."""
    p, g = (player.logp(sentences, Categorical()).sum(1).double().exp() for player in (real, fake))
    judge = Mediator(vocab, LENGTH, fake)
    log_m = ((p + g) / 2).log().float()
    judge.model.logp = lambda *_: log_m.unsqueeze(1)
    score = judge(*sentences, g.log().float().unsqueeze(1) * torch.eye(LENGTH)[0])
    assert_close(score.double(), (p / g).log().clamp_min(-10.0), rtol=1e-3, atol=2e-3)


def test_the_mediator_stays_finite_and_asks_for_the_density(vocab, real, fake, sentences):
    judge = Mediator(vocab, LENGTH, real)
    density = judge.model.logp(sentences, Categorical()).detach()
    assert (judge(*sentences, density + 1.0 * sentences.mask) == -10).all()  # M below G/2: no mixture of G
    assert judge(*sentences, fake.logp(sentences, TopK(2))).isfinite().all()
    with pytest.raises(ValueError, match="pass density"):
        judge(*sentences)
    fake.likelihood = "none"
    with pytest.raises(UserError, match=r"which Markov does not know\. Use .*model=lstm"):
        Mediator(vocab, LENGTH, fake)


@torch.no_grad()
def test_several_views_are_judged_by_the_mean_of_what_each_says(vocab, sentences, unlike):
    judge = unlike(Conv(vocab, LENGTH, **SMALL[Conv], views=3))
    each = []
    for view in judge.embedding.weight.chunk(3, 1):
        one = Conv(vocab, LENGTH, **SMALL[Conv]).eval()
        one.load_state_dict(judge.state_dict() | {"embedding.weight": view})
        each.append(one(*sentences))
    assert (each[0] - each[1]).abs().max() > 0.1
    assert_close(judge(*sentences), torch.stack(each).mean(0))


def test_the_last_score_is_the_verdict_on_the_sentence():
    mask = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])
    words = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    assert last_score(words, mask).tolist() == [2.0, 6.0, 7.0]
    assert last_score(words[:, 0], mask).tolist() == [1.0, 4.0, 7.0]


def test_optimal_is_p_over_p_plus_g(vocab, real, fake, sentences):
    p, g = (player.logp(sentences, Categorical()).sum(1).double().exp() for player in (real, fake))
    assert_close(p.sum().item(), 1.0, rtol=0, atol=1e-5)
    score = Optimal(vocab, LENGTH, real)(*sentences, fake.logp(sentences, Categorical())).double()
    assert_close(score, p.log() - g.log(), rtol=1e-4, atol=1e-5)
    assert_close(score.sigmoid(), p / (p + g), rtol=1e-4, atol=1e-5)
    # No D earns more in the game than D*: nudge any one of its verdicts and E_P log D + E_G log(1 − D) falls.
    value = p * score.sigmoid().log() + g * (-score).sigmoid().log()
    for nudged in (score - 0.1, score + 0.1):
        assert (p * nudged.sigmoid().log() + g * (-nudged).sigmoid().log() < value).all()


def test_optimal_stays_finite_where_one_of_the_two_is_impossible(vocab, real, fake, sentences):
    with torch.no_grad():
        real.output.bias[0] = float("-inf")  # P never says "a"; under top-2, G leaves words out as well
    density = fake.logp(sentences, TopK(2))
    never_p, never_g = (sentences.tokens == 0).any(1), density.isinf().any(1)
    score = Optimal(vocab, LENGTH, real)(*sentences, density)
    assert (never_p & never_g).any()
    assert (score[never_p & ~never_g] == -LIMIT).all()
    assert (score[~never_p & never_g] == LIMIT).all()
    assert (score[never_p & never_g] == 0).all()
    assert (score[~never_p & ~never_g].abs() < 100).all()


def test_optimal_has_nothing_to_train_and_nothing_to_save(vocab, real, fake, sentences):
    judge = Optimal(vocab, LENGTH, real.train())
    assert not list(judge.parameters())
    assert not judge.state_dict()
    judge.train()
    assert not real.training  # P is frozen, dropout and all
    assert not judge(*sentences, fake.logp(sentences, Categorical())).requires_grad


def test_optimal_takes_its_oracle_to_where_the_words_are(vocab, real, sentences):
    words, mask = sentences.tokens.to("meta"), sentences.mask.to("meta")
    assert Optimal(vocab, LENGTH, real)(words, mask, torch.zeros(words.shape, device="meta")).device.type == "meta"


def test_optimal_asks_for_the_density(vocab, real, sentences):
    with pytest.raises(ValueError, match=r"pass density"):
        Optimal(vocab, LENGTH, real)(*sentences)


@pytest.fixture
def aware(vocab, fake, unlike):
    return DensityAware(vocab, LENGTH, fake, unlike(Conv(vocab, LENGTH, **SMALL[Conv])))


@torch.no_grad()
def test_one_that_is_given_the_density_moves_with_the_generator(vocab, aware, real, fake, sentences, unlike):
    """At first it is its critic. Then it changes by exactly what log G changes by: log P/G0 in, log P/G out."""
    start = fake.logp(sentences, Categorical())
    critic = aware.critic(*sentences)
    assert_close(aware(*sentences, start), critic)
    unlike(fake, seed=8)  # the generator learns
    moved = fake.logp(sentences, Categorical())
    assert_close(aware(*sentences, moved), critic + (start - moved).sum(1))
    aware.critic.forward = lambda *_: (real.logp(sentences, Categorical()) - start).sum(1)
    assert_close(aware(*sentences, moved), Optimal(vocab, LENGTH, real)(*sentences, moved), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_where_it_starts_is_the_generator_that_it_met(vocab, aware, fake, sentences, unlike):
    unlike(fake, seed=8)
    aware.meet(fake)
    assert_close(aware(*sentences, fake.logp(sentences, Categorical())), aware.critic(*sentences))
    assert not any(weight.requires_grad for weight in aware.reference.parameters())
    assert not aware.train().reference.training
    assert aware.critic.training


def test_its_score_stays_finite_where_the_generator_leaves_words_out(aware, fake, sentences):
    assert aware(*sentences, fake.logp(sentences, TopK(2))).isfinite().all()


def test_it_refuses_what_it_cannot_use(vocab, fake, real, aware):
    fake.likelihood = "bound"
    with pytest.raises(UserError, match=r"knows only a bound on. Use model/generator=lstm"):
        DensityAware(vocab, LENGTH, fake, Conv(vocab, LENGTH))
    for critic in (Optimal(vocab, LENGTH, real), aware):
        with pytest.raises(UserError, match=r"given the density itself. Use .*critic=conv"):
            DensityAware(vocab, LENGTH, real, critic)
    with pytest.raises(ValueError, match="pass density"):
        aware(torch.zeros(1, LENGTH, dtype=torch.long), torch.ones(1, LENGTH, dtype=torch.bool))


def test_the_transformer_refuses_heads_that_do_not_divide_its_width():
    with pytest.raises(UserError, match=r"width=10 and heads=4.*that 4 divides, for example 8"):
        Transformer(Vocab(("a", "b")), LENGTH, width=10, heads=4)


def test_samples_of_p_itself_score_zero_on_average(vocab, real):
    """D* of G = P: log P − log G is 0 for every sentence, so D says ½ of each."""
    rollout = sample(real, torch.rand(50, LENGTH, generator=torch.Generator().manual_seed(6)), Categorical())
    score = Optimal(vocab, LENGTH, real)(rollout.tokens, rollout.mask, rollout.logp)
    assert_close(score, torch.zeros_like(score), rtol=0, atol=1e-5)


def test_continuations_are_scored_as_forward_scores_them(discriminator, fake):
    if not discriminator.shares_prefixes:
        pytest.skip("has no quicker way")
    tokens = sample(fake, torch.rand(5, LENGTH), Categorical()).tokens
    game = Game(fake, discriminator.eval(), Categorical(), Noise(0))
    written = continuations(game, tokens, torch.rand(5, LENGTH * (LENGTH - 1) // 2, 3))
    slowly = discriminator(written.flatten(0, 2), written.flatten(0, 2) != fake.vocab.pad).view(written.shape[:-1])
    assert slowly.std() > 0.01
    assert_close(discriminator.continuations(written), slowly)


# --- what leaks to a generator that looks on ------------------------------------------------------------------------


def test_who_shows_what_it_sees(discriminator):
    assert discriminator.leaks == isinstance(discriminator, Conv)


@pytest.fixture
def leaking(discriminator):
    if not discriminator.leaks:
        pytest.skip("shows nothing")
    return discriminator


@torch.no_grad()
def test_what_is_seen_of_a_beginning_is_what_it_would_be_judged_by_if_it_ended_there(leaking, sentences):
    tokens, mask = sentences
    seen = leaking.prefixes(tokens)
    assert seen.shape == (*tokens.shape, leaking.leaked)
    last = mask.sum(1) - 1
    whole = seen[torch.arange(len(last)), last]
    assert_close(whole, leaking.features(tokens, mask))
    assert_close(leaking.output(whole).squeeze(1), leaking(tokens, mask))
    if leaking.vocab.eos is not None:  # else a sentence has no other length, and its mask is not asked for
        for t in range(1, LENGTH):
            assert_close(seen[:, t - 1], leaking.features(tokens, mask & (torch.arange(LENGTH) < t)))


@torch.no_grad()
def test_word_by_word_the_same_is_seen(leaking, sentences):
    tokens, state, seen = sentences.tokens, leaking.unread(len(sentences.tokens)), []
    for word in tokens.unbind(1):
        found, state = leaking.read(word, state)
        assert {len(leaf) for leaf in state} == {len(tokens)}
        seen.append(found)
    assert_close(torch.stack(seen, 1), leaking.prefixes(tokens))


@torch.no_grad()
def test_what_is_no_word_is_not_seen(leaking, sentences):
    tokens = sentences.tokens
    begun = torch.cat([torch.full_like(tokens[:, :1], leaking.vocab.bos), tokens], 1)
    seen = leaking.prefixes(begun)
    assert_close(seen[:, 1:], leaking.prefixes(tokens))
    assert_close(seen[:, 0], leaking.prefixes(torch.full_like(begun, leaking.vocab.pad))[:, -1])
    assert (seen[:, 0] == seen[0, 0]).all()
    assert seen[:, 1].std(0).max() > 0.01
