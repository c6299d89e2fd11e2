"""A policy declares a distribution, softmax(policy(logits)), and that is the one tokens are drawn from."""

import pytest
import torch
from scipy.stats import chisquare
from torch.testing import assert_close

from textgan_lit.functional.inverse_cdf import draw
from textgan_lit.functional.likelihood import token_logp
from textgan_lit.model.policy import Categorical, Greedy, Nucleus, Policy, Tempered, TopK, Without

POLICIES = [
    Categorical(),
    Categorical(0.5),
    Categorical(2.0),
    Greedy(),
    TopK(3),
    TopK(3, 0.5),
    Nucleus(0.8),
    Nucleus(0.8, 2.0),
    Tempered(TopK(3, 2.0), 0.5),
    Without(TopK(3), 1),
]
LOGITS = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
NEVER = float("-inf")


def name(policy):
    settings = (name(value) if isinstance(value, Policy) else str(value) for value in vars(policy).values())
    return "-".join([type(policy).__name__, *settings])


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("policy", "odds"),
    [
        (Categorical(), [4, 2, 1, 1]),
        (Categorical(0.5), [16, 4, 1, 1]),  # p^(1/T): squares
        (Greedy(), [1, 0, 0, 0]),
        (TopK(1), [1, 0, 0, 0]),
        (TopK(2), [4, 2, 0, 0]),
        (TopK(3), [4, 2, 1, 1]),  # the fourth ties with the third
        (TopK(9), [4, 2, 1, 1]),  # more than there are
        (TopK(2, 0.5), [16, 4, 0, 0]),
        (Nucleus(1e-6), [1, 0, 0, 0]),  # never fewer than one
        (Nucleus(0.4), [1, 0, 0, 0]),
        (Nucleus(0.7), [4, 2, 0, 0]),  # .5 < .7 ≤ .75
        (Nucleus(0.8), [4, 2, 1, 0]),  # the first of the two that tie
        (Nucleus(0.9), [4, 2, 1, 1]),
        (Nucleus(1.0), [4, 2, 1, 1]),
        (Nucleus(0.8, 0.5), [16, 4, 0, 0]),  # of 22: 16/22 = .73 < .8 ≤ .91
        (Without(Categorical(0.5), 1), [16, 0, 1, 1]),
        (Without(TopK(2), 0), [0, 2, 0, 0]),  # passed over: nothing comes in its place
        (Without(Greedy(), 0), [0, 1, 0, 0]),  # but where it alone was chosen
    ],
    ids=lambda value: None if isinstance(value, list) else name(value),
)
def test_the_distribution_worked_by_hand(policy, odds):
    wanted = torch.tensor(odds).float()
    assert_close(policy(LOGITS).softmax(-1), wanted / wanted.sum())


@pytest.mark.parametrize("policy", POLICIES, ids=name)
@pytest.mark.parametrize("size", [6, 500])
def test_tokens_are_drawn_from_what_is_declared(policy, size, stream):
    logits, n = torch.randn(size, generator=stream) * 2, 2**14
    declared = policy(logits).double().softmax(-1)
    rows = policy(logits.expand(n, -1))
    token, logp = draw(rows, torch.rand(n, generator=stream))
    assert_close(logp.double(), declared.log()[token], rtol=0, atol=1e-5)
    seen, expected = token.bincount(minlength=size).double(), declared * n
    assert not seen[declared == 0].any()
    rare = expected <= expected[expected > 0].min().clamp_min(5)
    if (~rare).any():  # more than one cell
        seen, expected = (torch.cat([x[~rare], x[rare].sum().view(1)]) for x in (seen, expected))
        assert chisquare(seen, expected).pvalue > 0.001


@pytest.mark.parametrize("policy", [*POLICIES, TopK(9), Nucleus(1.0)], ids=name)
def test_the_impossible_stays_impossible(policy):
    logits = torch.tensor([[NEVER, 1.0, NEVER, 0.0], [NEVER, NEVER, NEVER, 0.0]])
    assert (policy(logits).softmax(-1)[logits == NEVER] == 0).all()
    assert_close(policy(logits).softmax(-1).sum(-1), torch.ones(2))


@pytest.mark.parametrize("policy", POLICIES, ids=name)
def test_every_position_is_treated_alike(policy, stream):
    logits = torch.randint(0, 4, (5, 6, 7), generator=stream).float()  # with many ties
    assert policy(logits).equal(torch.stack([policy(logits[:, t]) for t in range(6)], 1))


@pytest.mark.parametrize("policy", [*POLICIES, Nucleus(1.0)], ids=name)
def test_learning_through_a_policy_has_finite_gradients(policy, stream):
    logits = torch.randn(3, 4, 8, generator=stream).requires_grad_()
    tokens = policy(logits).argmax(-1)
    token_logp(policy(logits), tokens, torch.ones_like(tokens, dtype=torch.bool)).sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.any() == (not isinstance(policy, Greedy))  # what is certain has nothing to learn


def test_greedy_takes_the_first_of_the_best():
    assert Greedy()(torch.tensor([[1.0, 3.0, 3.0], [3.0, 3.0, 3.0]])).argmax(-1).tolist() == [1, 0]


def test_a_nucleus_of_everything_leaves_nothing_out(stream):
    # The sum of 5000 rounded probabilities reaches 1 long before the last token.
    logits = torch.randn(20, 5000, generator=stream) * 4
    assert Nucleus(1.0)(logits).equal(logits)


@pytest.mark.parametrize("p", [0.3, 0.9, 0.999])
def test_a_nucleus_is_the_smallest_that_reaches_p(p, stream):
    logits = torch.randn(50, 40, generator=stream) * 2
    probability = logits.double().softmax(-1)
    inside = Nucleus(p)(logits) > NEVER
    mass, least = (probability * inside).sum(-1), probability.where(inside, torch.ones(())).amin(-1)
    assert (mass >= p - 1e-6).all()
    assert (mass - least < p + 1e-6).all()
    assert (probability.where(~inside, torch.zeros(())).amax(-1) <= least).all()


def test_a_tempered_policy_leaves_out_what_its_policy_does():
    # 4 : 2 : 1 : 1 without the last two, at temperature ½: squares, 16 : 4
    tempered = Tempered(TopK(2), 0.5)
    assert_close(tempered(LOGITS).softmax(-1), torch.tensor([0.8, 0.2, 0.0, 0.0]))
    assert tempered.leaves_out
    assert not Tempered(Categorical(), 0.5).leaves_out


def test_temperatures_multiply():
    assert_close(Tempered(Categorical(2.0), 0.5)(LOGITS), LOGITS)
    assert_close(Tempered(Categorical(0.5), 0.5)(LOGITS), Categorical(0.25)(LOGITS))
    assert Tempered(Categorical(), 1.0)(LOGITS).equal(LOGITS)
