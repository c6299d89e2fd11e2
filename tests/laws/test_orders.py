"""One network, two orders of writing: a generator of any fixed order is a left-to-right one on sentences re-arranged.

So whatever is true of writing left to right is held against every other order, on the same weights and noise: what
stands at position ``order[s]`` here stands at s there.
"""

import copy

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.order import Marginals, to_generation_order
from textgan_lit.model.baseline import BatchMean, Zero
from textgan_lit.model.credit import MonteCarlo, RewardToGo, Terminal
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.mediator import Mediator
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.estimator.exact import Exact
from textgan_lit.model.estimator.relaxed import Relaxed
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.estimator.taylor import Taylor
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.objective import Likelihood, ScheduledSampling
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.model.reward import LogOdds, Minimax
from textgan_lit.noise import Noise
from textgan_lit.truth.models import Models, measure
from textgan_lit.types import TextBatch, Vocab

LENGTH = 4
VOCAB = Vocab(("a", "b", "c"))
SMALL = [
    (LSTM, {"embedding": 3, "hidden": 5, "layers": 2}),
    (Transformer, {"width": 8, "heads": 2}),
]
ORDERS = ["r2l", "random", "binary_tree", [2, 0, 3, 1]]


@pytest.fixture(params=SMALL, ids=lambda case: case[0].__name__)
def kind(request):
    return request.param


@pytest.fixture(params=ORDERS, ids=str)
def pair(request, kind, unlike):
    """The same network, written in an order and left to right."""
    cls, options = kind
    ordered = unlike(cls(VOCAB, LENGTH, **options, order=request.param, order_seed=2))
    assert not ordered.is_left_to_right
    plain = unlike(cls(VOCAB, LENGTH, **options))
    plain.load_state_dict(ordered.state_dict())
    return ordered, plain


@pytest.fixture
def sentences():
    return every_sentence(VOCAB, LENGTH)


class Rearranged(Discriminator):
    """Judges the steps of writing as another judges tokens."""

    accepts_soft = True

    def __init__(self, inner, order):
        super().__init__(inner.vocab, inner.max_length)
        self.inner, self.order = inner, order

    def forward(self, tokens, mask, density=None):
        return self.inner(to_generation_order(tokens, self.order), mask)


@pytest.fixture
def games(pair, unlike):
    """Two games that are one but for the order."""
    ordered, plain = pair
    judge = unlike(Conv(VOCAB, LENGTH, filters=[(1, 3), (2, 4)], embedding=3), seed=3)
    hidden = Rearranged(judge, ordered.order_of_writing)
    return (
        Game(ordered, hidden, Categorical(), Noise(0, "order")),
        Game(plain, judge, Categorical(), Noise(0, "order")),
    )


def test_left_to_right_is_what_it_was(kind, unlike):
    cls, options = kind
    names = set(cls(VOCAB, LENGTH, **options).state_dict())
    assert not any("order" in name or "place" in name for name in names)
    assert cls(VOCAB, LENGTH, **options, order=[0, 1, 2, 3]).is_left_to_right


def test_its_likelihood_is_that_of_the_rearranged_sentence(pair, sentences):
    ordered, plain = pair
    turned = TextBatch(ordered.to_generation_order(sentences.tokens), sentences.mask)
    assert not turned.tokens.equal(sentences.tokens)
    for policy in (Categorical(), Categorical(0.5), TopK(2)):
        assert ordered.logp(sentences, policy).equal(ordered.to_reading_order(plain.logp(turned, policy)))
        assert ordered.predict(sentences, policy).equal(ordered.to_reading_order(plain.predict(turned, policy)))
    assert_close(ordered.logp(sentences, Categorical()).sum(1).exp().sum().item(), 1.0, rtol=0, atol=1e-5)


def test_a_token_is_judged_by_what_was_written_before_it_alone(pair, sentences):
    ordered, _ = pair
    order = ordered.order_of_writing[0].tolist()
    before = ordered.predict(sentences, Categorical())
    for step, place in enumerate(order):
        changed = sentences.tokens.clone()
        changed[:, place] = (changed[:, place] + 1) % VOCAB.size
        after = ordered.predict(TextBatch(changed, sentences.mask), Categorical())
        assert after[:, order[: step + 1]].equal(before[:, order[: step + 1]])
        assert all((after[:, later] - before[:, later]).abs().max() > 1e-4 for later in order[step + 1 :])


def test_the_same_noise_writes_the_same_tokens_elsewhere(pair):
    ordered, _ = pair
    noise = torch.rand(300, LENGTH, generator=torch.Generator().manual_seed(1))
    here, there = (generator.sample(noise, Categorical()) for generator in pair)
    assert all(ordered.to_generation_order(one).equal(other) for one, other in zip(here[:3], there[:3], strict=True))
    assert_close(here.logp, ordered.logp(here.batch, Categorical()).detach())


@pytest.mark.parametrize(
    "objective",
    [
        Likelihood(),
        ScheduledSampling(half_steps=1, min_share=0.3),
        ScoreFunction(Minimax(), Terminal(), BatchMean()),
        ScoreFunction(Minimax(), MonteCarlo(rollouts=3), Zero()),
        Relaxed(LogOdds(), hard=False),
        Relaxed(LogOdds()),
        Taylor(LogOdds()),
    ],
    ids=lambda objective: type(objective).__name__ + type(getattr(objective, "credit", None)).__name__,
)
def test_every_objective_has_the_gradient_of_its_left_to_right_twin(games, sentences, objective):
    found = []
    for game in games:
        batch = TextBatch(game.generator.to_reading_order(sentences.tokens), sentences.mask)  # the twins' own
        own = copy.deepcopy(objective)
        if isinstance(own, ScheduledSampling):
            own.played.fill_(5)
        loss, logs, _ = own(game, batch)
        found.append((loss, torch.autograd.grad(loss, list(game.generator.parameters()), allow_unused=True), logs))
    assert_close(*found, rtol=1e-4, atol=1e-6)
    assert any(gradient.abs().max() > 1e-4 for gradient in found[0][1] if gradient is not None)


def test_conv_scores_rollouts_as_it_scores_sentences(pair, unlike):
    """Its quick way takes what is written first for what is read first."""
    ordered, _ = pair
    judge = unlike(Conv(VOCAB, LENGTH, filters=[(1, 3), (2, 4)], embedding=3), seed=3)
    game = Game(ordered, judge, Categorical(), Noise(0))
    tokens = torch.randint(0, 3, (LENGTH - 1, 5, 2, LENGTH), generator=torch.Generator().manual_seed(2))
    flat = ordered.to_reading_order(tokens.flatten(0, 2))
    wanted = judge(flat, torch.ones_like(flat, dtype=torch.bool)).view(tokens.shape[:-1])
    assert_close(game.sentence_logits(tokens), wanted)


def told(truth):
    return truth.compute() | {f"curve/{name}": value for name, value in truth.curves().items()}


def test_the_truth_is_told_step_by_step_of_writing(pair, sentences):
    """P re-arranged beside the twin: all of the truth panel, exposure bias and horizon among it."""
    ordered, plain = pair
    oracle = Tiny(vocab_size=3, length=LENGTH, sharpness=2.0, seed=4)
    joint = oracle.logp(sentences, Categorical()).sum(1).double().view((3,) * LENGTH)
    turned = Tiny(vocab_size=3, length=LENGTH)
    rows = Marginals(joint, ordered.order_of_writing[0].tolist()).tables
    turned.table = torch.cat([table.reshape(-1, 3).log_softmax(-1) for table in rows]).float()
    real = oracle.sample(Noise(0, "real").uniform(400, LENGTH), Categorical()).batch
    noise = Noise(0, "fake").uniform(400, LENGTH)
    found = told(measure(Models(oracle, ordered, Categorical()), real, noise))
    there = TextBatch(ordered.to_generation_order(real.tokens), real.mask)
    wanted = told(measure(Models(turned, plain, Categorical()), there, noise))
    assert found.keys() == wanted.keys() >= {"truth/jsd", "truth/exposure_error", "curve/prefix_jsd"}
    for key, value in wanted.items():
        assert_close(found[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_where_a_world_is_too_large_whole_sentences_are_compared(pair, sentences, monkeypatch):
    """Every sentence as often as it is probable would make them exact: here within their standard errors, and the split
    of both NLLs to the last digit."""
    ordered, _ = pair
    oracle = Tiny(vocab_size=3, length=LENGTH, seed=4)
    real = oracle.sample(Noise(0, "real").uniform(2000, LENGTH), Categorical()).batch
    models, noise = Models(oracle, ordered, Categorical()), Noise(0, "fake").uniform(2000, LENGTH)
    known = told(measure(models, real, noise))
    monkeypatch.setattr("textgan_lit.data.oracle.LISTED", 80)
    found = told(measure(models, real, noise))
    assert not {"truth/jsd_chain", "truth/horizon", "truth/exposure_error", "curve/prefix_jsd"} & found.keys()
    assert_close(found["truth/jsd"], known["truth/jsd_direct"])
    for name in ("jsd", "kl_pg", "kl_gp"):
        assert abs(found[f"truth/{name}"] - known[f"truth/{name}"]) < 4 * found[f"truth/{name}_se"]
    for name, terms in (("nll_test", ("entropy_p", "kl_pg_token")), ("nll_oracle", ("entropy_g", "kl_gp_token"))):
        assert_close(found[f"truth/{name}"], sum(found[f"truth/{term}"] for term in terms))
        assert abs(found[f"truth/{name}"] - known[f"truth/{name}"]) < 4 * found[f"truth/{name}_se"]


def test_what_needs_beginnings_as_they_are_read_is_refused(pair, unlike):
    ordered, plain = pair
    recurrent = Recurrent(VOCAB, LENGTH, embedding=3, hidden=4)
    with pytest.raises(UserError, match=r"RewardToGo credit.*another order.*monte_carlo, or model.generator.order=l2r"):
        ScoreFunction(Minimax(), RewardToGo(), Zero()).check(ordered, recurrent)
    with pytest.raises(UserError, match=r"density_aware.*Recurrent, which scores tokens.*critic=conv"):
        DensityAware(VOCAB, LENGTH, ordered, recurrent)
    for generator, model in ((ordered, plain), (plain, ordered)):
        with pytest.raises(UserError, match=r"both must write left to right.*order=l2r"):
            Exact(LogOdds()).check(generator, Mediator(VOCAB, LENGTH, model))
    ScoreFunction(Minimax(), RewardToGo(), Zero()).check(plain, recurrent)
    DensityAware(VOCAB, LENGTH, plain, recurrent)


@pytest.mark.parametrize("settings", [{"order": "r2l"}, {"any_order": True}, {"order": [1, 0, 2, 3]}])
def test_sentences_of_varying_length_are_written_left_to_right(kind, settings):
    with pytest.raises(UserError, match=r"vary in length.*order=l2r and any_order=false, or data of one length"):
        kind[0](Vocab(("a", "b"), has_eos=True), LENGTH, **settings)


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4]])
def test_what_is_no_permutation_is_refused(kind, order):
    with pytest.raises(UserError, match=r"generator.order=.*each of the 4 positions from 0 to 3 once"):
        kind[0](VOCAB, LENGTH, order=order)


def test_a_copy_and_a_checkpoint_keep_the_order(pair):
    ordered, _ = pair
    twin = copy.deepcopy(ordered)
    assert twin.order_of_writing.equal(ordered.order_of_writing)
    assert "order_of_writing" not in ordered.state_dict()  # the configuration says it
