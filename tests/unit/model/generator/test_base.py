"""What every generator is given: sentences written token by token, from noise alone."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import lively
from textgan_lit.model.generator.base import LOOK, DecodeState, Generator
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.relational_memory import RelationalMemory
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.policy import Categorical, Nucleus
from textgan_lit.types import Samples, Vocab


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def certain():
    """Says "a b eos", and after padding anything."""
    generator = Markov(Vocab(("a", "b"), has_eos=True), 4)
    generator.table.weight.data[[3, 0, 1], [0, 1, 2]] = 100.0  # bos → a → b → eos
    return generator


def test_after_eos_there_is_padding_that_costs_nothing(certain):
    rollout = certain.sample(torch.rand(2, 4), Categorical())
    assert rollout.tokens.tolist() == [[0, 1, 2, 4]] * 2  # a b eos pad
    assert rollout.mask.tolist() == [[True, True, True, False]] * 2
    assert (rollout.logp == 0).all()
    assert not rollout.logp.requires_grad


def test_the_last_column_of_noise_ends_every_sentence(certain):
    rollout = certain.sample(torch.rand(2, 2), Categorical())
    assert rollout.tokens.tolist() == [[0, 1]] * 2  # cut before eos
    assert rollout.mask.all()


def test_pens_are_taken_up_again_where_they_were(certain):
    half = torch.full((2,), 0.5)
    start = certain.start_decoding(2)
    token, _, after_a = certain.decode_step(start, Categorical(), half)
    _, _, after_b = certain.decode_step(after_a, Categorical(), half)
    _, _, ended = certain.decode_step(after_b, Categorical(), half)
    assert token.tolist() == [0, 0]
    decodings = DecodeState.join([decoding.rows(torch.tensor([0])) for decoding in (start, after_a, after_b, ended)])
    token, _, after = certain.decode_step(decodings, Categorical(), torch.full((4,), 0.5))
    assert token.tolist() == [0, 1, 2, 4]
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
    # In bfloat16 a cumulative sum stalls, so a nucleus taken there would hold other tokens than when re-scored.
    generator = Half(Markov(Vocab(tuple(map(str, range(300)))), 3))
    torch.nn.init.normal_(generator.inner.table.weight, generator=stream)
    rollout, policy = generator.sample(torch.rand(200, 3, generator=stream), Nucleus(0.5)), Nucleus(0.5)
    assert_close(generator.logp(rollout.batch, policy).detach(), rollout.logp)


class Echo(Generator):
    """Writes all of a sentence at once: token 1 where its noise is at least a half."""

    autoregressive = False

    def features(self, inputs):
        return torch.zeros(*inputs.shape, 2)

    def _sample(self, noise, policy):
        tokens = (noise >= 0.5).long()
        return Samples(tokens, noise < 2, noise.log(), noise[:, :0])


def test_who_does_not_write_token_by_token_says_how_a_few_sentences_are_written(stream, monkeypatch):
    generator, noise = Echo(Vocab(("a", "b")), 3), torch.rand(10, 3, generator=stream)
    monkeypatch.setattr("textgan_lit.model.generator.base.SENTENCES", 4)
    assert generator.sample(noise, Categorical()).tokens.equal((noise >= 0.5).long())
    with pytest.raises(NotImplementedError, match="Echo does not say how a sentence starts"):
        generator.start_decoding(2)


@pytest.mark.parametrize("kind", [LSTM, Transformer, Markov, RelationalMemory])
def test_letting_go_of_what_has_ended_changes_no_bit_of_any_sentence(kind, stream, monkeypatch):
    generator = ending(kind)
    noise = torch.rand(700, generator.uniforms, generator=stream)
    found = generator.sample(noise, Categorical())
    monkeypatch.setattr(DecodeState, "unfinished", lambda decoding, fewest: slice(None))
    all_columns = generator.sample(noise, Categorical())
    for one, other in zip(found, all_columns, strict=True):
        assert one.equal(other)
    lengths = found.mask.sum(1)
    assert lengths.max() > 4 * lengths.float().mean()  # so that many have ended long before the last one


def test_writing_costs_what_is_written(stream, monkeypatch):
    generator, advance, rows = ending(LSTM), LSTM.advance, []
    monkeypatch.setattr(LSTM, "advance", lambda *given: rows.append(len(given[1])) or advance(*given))
    tokens = generator.sample(torch.rand(1000, 200, generator=stream), Categorical()).mask.sum()
    assert sum(rows) < 2 * tokens
    assert len(rows) < 200


def test_a_look_at_what_has_ended_is_rare(stream, monkeypatch):
    look, looks = DecodeState.unfinished, []
    monkeypatch.setattr(DecodeState, "unfinished", lambda *asked: looks.append(asked) or look(*asked))
    ending(LSTM).sample(torch.rand(10, 200, generator=stream), Categorical())
    assert 0 < len(looks) <= 200 / LOOK  # each waits for the device


def ending(kind):
    """A generator of 200 positions whose sentences have some 20 tokens, and here and there many more."""
    return lively(kind(Vocab(tuple("abcdefghijklmnopqrs"), has_eos=True), 200))


def test_padding_is_never_turned_into_logits():
    generator = LSTM(Vocab(tuple("abc"), has_eos=True), 6)
    written = generator.sample(torch.rand(32, 6, generator=torch.Generator().manual_seed(3)), Categorical())
    rows, head = [], generator.head
    generator.head = lambda features: rows.append(len(features)) or head(features)
    logp = generator.logp(written.batch, Categorical())
    assert sum(rows) == written.mask.sum() < written.mask.numel()
    torch.testing.assert_close(logp, written.logp)
    assert not logp[~written.mask].any()
