"""One uniform number a word, through the inverse CDF: against float64, against counts, and at every edge."""

import pytest
import torch
from scipy.stats import chisquare
from torch.testing import assert_close

from tests.helpers.enumeration import lively
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical, Nucleus
from textgan_lit.model.sampling import BLOCKED_FROM, Pen, _block_width, begin, between, draw, mixed, sample, write
from textgan_lit.types import Vocab

SIZES = [1, 2, 7, BLOCKED_FROM - 1, BLOCKED_FROM, BLOCKED_FROM + 1, 1000, 5000]  # the larger ones go by blocks
LAST = 1 - 2**-24  # the largest uniform number there is
EDGE = 4 * 2**-24  # what float32 sums leave unsure of where a word begins


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


def steps(n):
    """n uniform numbers at equal distances: words then come as often as they are probable, give or take one."""
    return (torch.arange(n) + 0.5) / n


@pytest.mark.parametrize("size", [3, BLOCKED_FROM + 1])
def test_of_numbers_that_are_none_some_word_is_drawn_and_its_probability_is_none(size):
    word, logp = draw(torch.full((2, size), float("nan")), torch.tensor([0.0, 0.9]))
    assert (word < size).all()
    assert logp.isnan().all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
def test_the_word_is_the_inverse_cdf(size, scale, stream):
    logits = torch.randn(300, size, generator=stream) * scale
    uniform = torch.rand(300, generator=stream)
    word, logp = draw(logits, uniform)
    probability = logits.double().softmax(-1)
    above = probability.cumsum(-1).gather(-1, word.unsqueeze(-1)).squeeze(-1)
    chosen = probability.gather(-1, word.unsqueeze(-1)).squeeze(-1)
    assert (uniform < above + EDGE).all()
    assert (uniform >= above - chosen - EDGE).all()
    assert_close(logp.double(), chosen.log(), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("size", [4, 1024])
def test_a_word_begins_exactly_where_the_one_before_it_ends(size):
    # Equal words of a power of two: every sum is exact, so word k is drawn from k/V on, and k − 1 just below it.
    begins = torch.arange(size) / size
    equal = torch.zeros(size, size)
    assert draw(equal, begins)[0].tolist() == list(range(size))
    assert draw(equal[1:], begins[1:] - 2**-24)[0].tolist() == list(range(size - 1))
    assert draw(equal[:1], torch.tensor([LAST]))[0].item() == size - 1


@pytest.mark.parametrize("size", [5, 1000])
def test_words_come_as_often_as_they_are_probable(size, stream):
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
        word, logp = draw(logits, uniform)
        assert not out[torch.arange(400), word].any()
        assert logp.isfinite().all()


@pytest.mark.parametrize("share", [0, -1, 1])
def test_no_impossible_word_is_drawn_at_the_edge_of_a_block(share, stream):
    """Both ends of every block are impossible, and the uniform numbers fall on the blocks' edges, or next to them."""
    width = _block_width(1000)
    logits = torch.randn(40, 1000, generator=stream).unflatten(1, (-1, width))
    logits[:, :, [0, 1, -2, -1]] = float("-inf")
    weight = logits.flatten(1).softmax(-1)
    blocks = weight.unflatten(1, (-1, width)).sum(-1).cumsum(-1)
    for edge in (blocks / blocks[:, -1:]).unbind(1):
        uniform = ((edge * 2**24).round() + share).clamp(0, 2**24 - 1) / 2**24
        word, _ = draw(logits.flatten(1), uniform)
        assert (weight.gather(1, word.unsqueeze(1)) > 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_probability_1_is_always_drawn(size, stream):
    only = torch.randint(0, size, (200,), generator=stream)
    logits = torch.full((200, size), float("-inf")).scatter(1, only.unsqueeze(1), -7.0)
    for uniform in (torch.zeros(200), torch.full((200,), LAST), torch.rand(200, generator=stream)):
        word, logp = draw(logits, uniform)
        assert word.equal(only)
        assert (logp == 0).all()


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize("shift", [-1e4, 1e4, 3e38, -3e38])
def test_huge_logits_are_no_trouble(size, shift, stream):
    logits = torch.randint(-4, 5, (50, size), generator=stream) * 2.0**-4
    uniform = torch.rand(50, generator=stream)
    word, logp = draw(logits + shift, uniform)
    reference, expected = draw(logits + shift - shift, uniform)
    assert word.equal(reference)
    assert_close(logp, expected, rtol=1e-6, atol=1e-3)
    word, logp = draw(torch.tensor([[-3e38, 3e38, -3e38]]), torch.tensor([LAST]))
    assert (word.item(), logp.item()) == (1, 0.0)


@pytest.mark.parametrize(("rare", "error"), [(-80.0, 1e-5), (-100.0, 0.02)])
def test_the_rarest_word_has_its_probability(rare, error):
    # Only a uniform of exactly 0 reaches such words; e⁻¹⁰⁰ is 27 of the smallest steps float32 can take.
    word, logp = draw(torch.tensor([[rare, 0.0]]), torch.zeros(1))
    assert word.item() == 0
    assert logp.item() == pytest.approx(rare, abs=error)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("size", [7, 1000])
def test_any_precision_is_drawn_from_as_float32(size, dtype, stream):
    logits = torch.randn(200, size, generator=stream).to(dtype)
    uniform = torch.rand(200, generator=stream)
    word, logp = draw(logits, uniform)
    assert logp.dtype == torch.float32
    assert word.equal(draw(logits.float(), uniform)[0])


@pytest.mark.parametrize("size", [BLOCKED_FROM + 1, 5000])
def test_many_rows_are_drawn_as_one_by_one(size, stream):
    n = 300
    logits, uniform = torch.randn(n, size, generator=stream), torch.rand(n, generator=stream)
    word, logp = draw(logits, uniform)
    single = [draw(logits[i : i + 1], uniform[i : i + 1]) for i in range(n)]
    assert word.equal(torch.cat([one for one, _ in single]))
    assert logp.equal(torch.cat([one for _, one in single]))


@pytest.fixture
def certain():
    """Says "a b eos", and after padding anything."""
    generator = Markov(Vocab(("a", "b"), has_eos=True), 4)
    generator.table.weight.data[[3, 0, 1], [0, 1, 2]] = 100.0  # bos → a → b → eos
    return generator


def test_after_eos_there_is_padding_that_costs_nothing(certain):
    rollout = sample(certain, torch.rand(2, 4), Categorical())
    assert rollout.tokens.tolist() == [[0, 1, 2, 4]] * 2  # a b eos pad
    assert rollout.mask.tolist() == [[True, True, True, False]] * 2
    assert (rollout.logp == 0).all()
    assert not rollout.logp.requires_grad


def test_the_last_column_of_noise_ends_every_sentence(certain):
    rollout = sample(certain, torch.rand(2, 2), Categorical())
    assert rollout.tokens.tolist() == [[0, 1]] * 2  # cut before eos
    assert rollout.mask.all()


def test_pens_are_taken_up_again_where_they_were(certain):
    half = torch.full((2,), 0.5)
    start = begin(certain, 2)
    word, _, after_a = write(certain, start, Categorical(), half)
    _, _, after_b = write(certain, after_a, Categorical(), half)
    _, _, ended = write(certain, after_b, Categorical(), half)
    assert word.tolist() == [0, 0]
    pens = Pen.join([pen.rows(torch.tensor([0])) for pen in (start, after_a, after_b, ended)])
    word, _, after = write(certain, pens, Categorical(), torch.full((4,), 0.5))
    assert word.tolist() == [0, 1, 2, 4]
    assert after.open.tolist() == [True, True, False, False]


class Half(Generator):
    """Logits in bfloat16, as mixed precision gives them."""

    def __init__(self, inner):
        super().__init__(inner.vocab, inner.max_length)
        self.inner = inner

    def start(self, n):
        return self.inner.start(n)

    def advance(self, prev, state):
        return self.inner.advance(prev, state)

    def features(self, inputs):
        return self.inner.features(inputs)

    def head(self, features):
        return self.inner.head(features).bfloat16()


def test_what_was_written_in_half_precision_can_be_rescored(stream):
    # In bfloat16 a cumulative sum stalls, so a nucleus taken there would hold other words than when re-scored.
    generator = Half(Markov(Vocab(tuple(map(str, range(300)))), 3))
    torch.nn.init.normal_(generator.inner.table.weight, generator=stream)
    rollout, policy = sample(generator, torch.rand(200, 3, generator=stream), Nucleus(0.5)), Nucleus(0.5)
    assert_close(generator.logp(rollout.batch, policy).detach(), rollout.logp)


# --- sentences of two authors -----------------------------------------------------------------------------------------


def test_a_sentence_of_which_nothing_is_given_is_the_generators_own(stream):
    generator = lively(LSTM(Vocab(("a", "b", "c")), 4, embedding=3, hidden=4))
    noise, given = torch.rand(50, 4, generator=stream), torch.zeros(50, 4, dtype=torch.long)
    own = mixed(generator, given, torch.zeros(50, 4, dtype=torch.bool), noise, Categorical())
    assert own.equal(sample(generator, noise, Categorical()).tokens)
    assert mixed(generator, given, torch.ones(50, 4, dtype=torch.bool), noise, Categorical()).equal(given)


def test_every_other_word_follows_the_words_before_it_whoever_wrote_them(stream):
    """A generator that says b after a, c after b, then eos, and begins anew: the data say where to end."""
    generator = Markov(Vocab(("a", "b", "c"), has_eos=True), 4)
    for word, after in ((0, 1), (1, 2), (2, 3), (3, 0), (generator.vocab.bos, 0)):
        generator.table.weight.data[word, after] = 1e4
    given = torch.tensor([[2, 2, 2, 2], [1, 3, 5, 5]])  # the second ends, and its padding is not given on
    keep = torch.tensor([[False, True, False, False], [True, True, False, True]])
    found = mixed(generator, given, keep, torch.rand(2, 4, generator=stream), Categorical())
    assert found.tolist() == [[0, 2, 3, 0], [1, 3, 0, 5]]


def test_the_way_between_two_latents_is_a_quarter_of_a_circle():
    """Halfway √½ of each, not ½: a mean would be likelier than any sample."""
    latents = torch.special.ndtr(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    one, other = torch.cat([latents, torch.tensor([[0.3], [0.9]])], 1)
    way = between(one, other, latent=2, steps=3)
    wanted = torch.tensor([[1.0, 0.0], [0.5**0.5, 2 * 0.5**0.5], [0.0, 2.0]])
    assert_close(torch.special.ndtri(way[:, :2]), wanted, rtol=0, atol=1e-5)
    assert way[:, 2].equal(one[2].expand(3))  # its words' noise stays
