"""One uniform number a token, through the inverse CDF: against float64, against counts, and at every edge."""

import pytest
import torch
from scipy.stats import chisquare
from torch.testing import assert_close

from textgan_lit.functional.inverse_cdf import BLOCKED_FROM, _block_width, draw

SIZES = [1, 2, 7, BLOCKED_FROM - 1, BLOCKED_FROM, BLOCKED_FROM + 1, 1000, 5000]  # the larger ones go by blocks
LAST = 1 - 2**-24  # the largest uniform number there is
EDGE = 4 * 2**-24  # what float32 sums leave unsure of where a token begins


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


def steps(n):
    """n uniform numbers at equal distances: tokens then come as often as they are probable, give or take one."""
    return (torch.arange(n) + 0.5) / n


@pytest.mark.parametrize("size", [3, BLOCKED_FROM + 1])
def test_of_numbers_that_are_none_some_token_is_drawn_and_its_probability_is_none(size):
    token, logp = draw(torch.full((2, size), float("nan")), torch.tensor([0.0, 0.9]))
    assert (token < size).all()
    assert logp.isnan().all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
def test_the_token_is_the_inverse_cdf(size, scale, stream):
    logits = torch.randn(300, size, generator=stream) * scale
    uniform = torch.rand(300, generator=stream)
    token, logp = draw(logits, uniform)
    probability = logits.double().softmax(-1)
    above = probability.cumsum(-1).gather(-1, token.unsqueeze(-1)).squeeze(-1)
    chosen = probability.gather(-1, token.unsqueeze(-1)).squeeze(-1)
    assert (uniform < above + EDGE).all()
    assert (uniform >= above - chosen - EDGE).all()
    assert_close(logp.double(), chosen.log(), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("size", [4, 1024])
def test_a_token_begins_exactly_where_the_one_before_it_ends(size):
    # Equal tokens of a power of two: every sum is exact, so token k is drawn from k/V on, and k − 1 just below it.
    begins = torch.arange(size) / size
    equal = torch.zeros(size, size)
    assert draw(equal, begins)[0].tolist() == list(range(size))
    assert draw(equal[1:], begins[1:] - 2**-24)[0].tolist() == list(range(size - 1))
    assert draw(equal[:1], torch.tensor([LAST]))[0].item() == size - 1


@pytest.mark.parametrize("size", [5, 1000])
def test_tokens_come_as_often_as_they_are_probable(size, stream):
    logits = torch.randn(size, generator=stream) * 1.5
    probability, n = logits.double().softmax(-1), 2**16
    assert_close(counts(logits, steps(n)) / n, probability, rtol=0, atol=1 / n + EDGE)
    expected = probability * n  # and with random numbers as often as chance allows
    rare = expected <= expected.min().clamp_min(5)
    cells = [
        torch.cat([x[~rare], x[rare].sum().view(1)])
        for x in (counts(logits, torch.rand(n, generator=stream)), expected)
    ]
    assert chisquare(*cells).pvalue > 0.001


def counts(logits, uniform):
    return draw(logits.expand(len(uniform), -1), uniform)[0].bincount(minlength=len(logits)).double()


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("impossible", [float("-inf"), -300.0])  # e⁻³⁰⁰ is 0 in float32
def test_probability_0_is_never_drawn(size, impossible, stream):
    logits = torch.randn(400, size, generator=stream)
    out = torch.rand(400, size, generator=stream) < torch.rand(400, 1, generator=stream)
    out[:100, : size // 2] = True  # whole blocks, at either end
    out[100:200, size // 2 :] = True
    out[torch.arange(400), torch.randint(0, size, (400,), generator=stream)] = False
    logits = logits.masked_fill(out, impossible)
    for uniform in (torch.zeros(400), torch.full((400,), LAST), torch.rand(400, generator=stream)):
        token, logp = draw(logits, uniform)
        assert not out[torch.arange(400), token].any()
        assert logp.isfinite().all()


@pytest.mark.parametrize("share", [0, -1, 1])
def test_no_impossible_token_is_drawn_at_the_edge_of_a_block(share, stream):
    """Both ends of every block are impossible, and the uniform numbers fall on the blocks' edges, or next to them."""
    width = _block_width(1000)
    logits = torch.randn(40, 1000, generator=stream).unflatten(1, (-1, width))
    logits[:, :, [0, 1, -2, -1]] = float("-inf")
    weight = logits.flatten(1).softmax(-1)
    blocks = weight.unflatten(1, (-1, width)).sum(-1).cumsum(-1)
    for edge in (blocks / blocks[:, -1:]).unbind(1):
        uniform = ((edge * 2**24).round() + share).clamp(0, 2**24 - 1) / 2**24
        token, _ = draw(logits.flatten(1), uniform)
        assert (weight.gather(1, token.unsqueeze(1)) > 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_probability_1_is_always_drawn(size, stream):
    only = torch.randint(0, size, (200,), generator=stream)
    logits = torch.full((200, size), float("-inf")).scatter(1, only.unsqueeze(1), -7.0)
    for uniform in (torch.zeros(200), torch.full((200,), LAST), torch.rand(200, generator=stream)):
        token, logp = draw(logits, uniform)
        assert token.equal(only)
        assert (logp == 0).all()


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize("shift", [-1e4, 1e4, 3e38, -3e38])
def test_huge_logits_are_no_trouble(size, shift, stream):
    logits = torch.randint(-4, 5, (50, size), generator=stream) * 2.0**-4
    uniform = torch.rand(50, generator=stream)
    token, logp = draw(logits + shift, uniform)
    reference, expected = draw(logits + shift - shift, uniform)
    assert token.equal(reference)
    assert_close(logp, expected, rtol=1e-6, atol=1e-3)
    token, logp = draw(torch.tensor([[-3e38, 3e38, -3e38]]), torch.tensor([LAST]))
    assert (token.item(), logp.item()) == (1, 0.0)


@pytest.mark.parametrize(("rare", "error"), [(-80.0, 1e-5), (-100.0, 0.02)])
def test_the_rarest_token_has_its_probability(rare, error):
    # Only a uniform of exactly 0 reaches such tokens; e⁻¹⁰⁰ is 27 of the smallest steps float32 can take.
    token, logp = draw(torch.tensor([[rare, 0.0]]), torch.zeros(1))
    assert token.item() == 0
    assert logp.item() == pytest.approx(rare, abs=error)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("size", [7, 1000])
def test_any_precision_is_drawn_from_as_float32(size, dtype, stream):
    logits = torch.randn(200, size, generator=stream).to(dtype)
    uniform = torch.rand(200, generator=stream)
    token, logp = draw(logits, uniform)
    assert logp.dtype == torch.float32
    assert token.equal(draw(logits.float(), uniform)[0])


@pytest.mark.parametrize("size", [BLOCKED_FROM + 1, 5000])
def test_many_rows_are_drawn_as_one_by_one(size, stream):
    n = 300
    logits, uniform = torch.randn(n, size, generator=stream), torch.rand(n, generator=stream)
    token, logp = draw(logits, uniform)
    single = [draw(logits[i : i + 1], uniform[i : i + 1]) for i in range(n)]
    assert token.equal(torch.cat([one for one, _ in single]))
    assert logp.equal(torch.cat([one for _, one in single]))
