import math

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.mixture import Mixture
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch


def in_one_language(oracle, k, tokens):
    """log P_k of whole sentences: the first token's, then each transition's."""
    before = torch.cat([torch.full_like(tokens[:, :1], oracle.vocab.bos), tokens[:, :-1]], 1)
    return oracle.table[k, before, tokens].sum(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.05])
def test_conditionals_are_those_of_bayes_rule_over_whole_sentences(smoothing):
    # P(x) = 1/3 Σ_k P_k(x): nothing here is computed token by token
    oracle = Mixture(vocab_size=5, length=4, languages=3, successors=2, smoothing=smoothing)
    sentences = every_sentence(oracle.vocab, 4)
    whole = torch.stack([in_one_language(oracle, k, sentences.tokens) for k in range(3)]).logsumexp(0) - math.log(3)
    stepwise = oracle.logp(sentences, Categorical()).sum(1)
    assert_close(stepwise[whole.isfinite()], whole[whole.isfinite()])
    assert (stepwise[~whole.isfinite()] == -math.inf).all()
    assert whole.isfinite().any()


def test_one_language_is_a_plain_markov_chain():
    oracle = Mixture(vocab_size=6, length=3, languages=1, successors=2)
    sentences = every_sentence(oracle.vocab, 3)
    assert_close(oracle.logp(sentences, Categorical()).sum(1), in_one_language(oracle, 0, sentences.tokens))


@pytest.mark.parametrize(("difference", "own"), [(0.0, 0), (0.25, 5), (0.5, 10), (1.0, 20)])
def test_difference_is_the_share_of_tokens_with_successors_of_their_own(difference, own):
    # 20 tokens; independent rows of 20 weights never agree by chance
    table = Mixture(difference=difference, languages=3).table
    for other in table[1:]:
        assert (other != table[0]).any(1).sum() == own
        assert other[20].equal(table[0, 20])  # the first token's distribution is common to all


def test_what_differs_a_little_still_differs_when_more_does():
    rows = [
        {*(t[0] != t[1]).any(1).nonzero().flatten().tolist()}
        for t in (Mixture(difference=d).table for d in (0.25, 0.5))
    ]
    assert rows[0] < rows[1]


def test_without_difference_the_languages_are_one():
    mixture, alone = Mixture(vocab_size=5, length=3, difference=0.0), Mixture(vocab_size=5, length=3, languages=1)
    sentences = every_sentence(alone.vocab, 3)
    assert_close(mixture.logp(sentences, Categorical()), alone.logp(sentences, Categorical()))


def test_every_token_has_its_successors_and_the_smoothing_besides():
    oracle = Mixture(smoothing=0.1)
    probability = oracle.table[:, :20, :20].exp()
    assert_close(probability.sum(-1), torch.ones(2, 20))
    assert (oracle.successor.sum(-1) == 4).all()
    assert_close(probability[~oracle.successor], torch.full((2 * 20 * 16,), 0.1 / 20))
    # weights in [.3, 1.3): the largest of four is at most 1.3 / (1.3 + 3 × .3) of what smoothing leaves
    assert probability[oracle.successor].max() < 0.9 * 1.3 / 2.2 + 0.1 / 20
    assert probability[oracle.successor].min() > 0.9 * 0.3 / 4.2 + 0.1 / 20


def test_seed_one_is_the_world_of_the_measured_demo():
    # what the sketch behind the demo's table draws with torch's generator at seed 0
    oracle = Mixture()
    assert oracle.successor[:, 0].nonzero()[:, 1].tolist() == [4, 5, 13, 19, 1, 10, 14, 17]
    assert_close(oracle.table[1, 19, :20].exp().max().item(), 0.30618, rtol=0, atol=1e-5)


def test_a_sentence_is_valid_in_the_language_whose_transitions_it_makes():
    oracle = Mixture(vocab_size=3, length=3, successors=1)
    follow = oracle.successor.long().argmax(-1)  # [language, token] → its only successor
    a, b = (torch.tensor([[w, f[w], f[f[w]]] for w in range(3)]) for f in follow)
    tokens = torch.cat([a, b, (a + torch.tensor([0, 0, 1])) % 3])
    valid = oracle.validity(TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool)))
    assert list(valid) == ["language_0", "language_1"]
    assert valid["language_0"].tolist()[:3] == [True] * 3
    assert valid["language_1"].tolist()[3:6] == [True] * 3
    assert valid["language_0"].tolist()[6:] == [False] * 3


def test_as_many_sentences_are_valid_as_smoothing_leaves():
    # a transition stays among the 4 successors with probability .99 + .01 × 4/20 = .992; seven of them: .9453
    oracle, n = Mixture(), 20_000
    valid = oracle.validity(oracle.sample(Noise(0, "valid").uniform(n, 8), Categorical()).batch)
    share = torch.stack([*valid.values()]).any(0).float().mean().item()
    assert abs(share - 0.992**7) < 3 * math.sqrt(0.945 * 0.055 / n) + 2e-3  # + valid in the other one by chance


def test_more_successors_than_tokens_are_refused():
    with pytest.raises(UserError, match=r"successors=5 .*vocab_size=4.*at most data.oracle.successors=4"):
        Mixture(vocab_size=4, successors=5)


def test_a_table_too_large_for_memory_is_refused():
    with pytest.raises(UserError, match=r"languages=2 and vocab_size=20000 .*800,000,000.*oracle_lstm"):
        Mixture(vocab_size=20_000)
