import math

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.dyck import Dyck
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch


def balanced(text):
    """Balanced means that taking away neighbours that match leaves nothing."""
    text, shorter = text.replace(" ", ""), None
    while shorter != text:
        shorter, text = text, text
        for pair in ("()", "[]", "{}"):
            text = text.replace(pair, "")
    return text == ""


@pytest.fixture
def sentences():
    return every_sentence(Dyck(types=2, length=6).vocab, 6)


def test_validity_is_balance(sentences):
    oracle = Dyck(types=2, length=6)
    wanted = [balanced(oracle.vocab.text(row)) for row in sentences.tokens.tolist()]
    assert oracle.validity(sentences)["balanced"].tolist() == wanted
    assert sum(wanted) == 5 * 2**3  # Catalan number C_3 shapes, each pair of one of two types


def test_without_smoothing_exactly_the_balanced_sentences_are_possible(sentences):
    oracle = Dyck(types=2, length=6, smoothing=0.0)
    possible = oracle.logp(sentences, Categorical()).sum(1) > -math.inf
    assert possible.equal(oracle.validity(sentences)["balanced"])


def test_probabilities_by_hand():
    # length 4, one type: ( must come first; then ( or ) at ½; the rest is forced. ()() and (()) : ½ each
    oracle = Dyck(types=1, length=4, smoothing=0.0)
    tokens = torch.tensor([[0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 1, 0]])
    logp = oracle.logp(TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool)), Categorical()).sum(1)
    assert logp.exp().tolist() == [0.5, 0.5, 0.0]


def test_smoothing_spreads_its_share_evenly():
    # first bracket: .9 × type weight + .1/4 for an opener, .1/4 for a closer
    oracle = Dyck(types=2, length=4, smoothing=0.1)
    first = oracle.logits(torch.tensor([[oracle.vocab.bos]]))[0, 0].exp()
    assert_close(first, torch.cat([0.9 * oracle.types, torch.zeros(2)]) + 0.025)
    assert_close(oracle.types.sum().item(), 1.0)


def test_how_readily_brackets_open():
    oracle = Dyck(length=8, opening=0.0, smoothing=0.0)
    tokens = oracle.sample(Noise(0, "closed").uniform(100, 8), Categorical()).tokens
    assert (tokens[:, ::2] < 3).all()  # ()[]{}: closed at once
    assert (tokens[:, 1::2] == tokens[:, ::2] + 3).all()
    oracle = Dyck(length=8, opening=1.0, smoothing=0.0)
    tokens = oracle.sample(Noise(0, "open").uniform(100, 8), Categorical()).tokens
    assert (tokens[:, :4] < 3).all()  # (([{}])): opened while there is room
    assert (tokens[:, 4:] == tokens[:, :4].flip(1) + 3).all()


def test_as_many_sentences_are_balanced_as_smoothing_leaves():
    # 8 brackets each go astray with probability about .01 × 5/6 or less: between .99⁸ = .923 and 1
    oracle, n = Dyck(), 20_000
    batch = oracle.sample(Noise(0, "balanced").uniform(n, 8), Categorical()).batch
    share = oracle.validity(batch)["balanced"].float().mean().item()
    assert 0.923 - 3 * math.sqrt(0.92 * 0.08 / n) < share < 0.99


def test_more_types_than_there_are_signs_still_have_names():
    tokens = Dyck(types=6, length=2).vocab.tokens
    assert tokens[:5] == ("(", "[", "{", "<", "(4")
    assert len(set(tokens)) == 12


def test_an_odd_length_is_refused():
    with pytest.raises(UserError, match=r"length=7.*data.oracle.length=8"):
        Dyck(length=7)


def test_a_bracket_that_closes_nothing_still_takes_its_place():
    # length 4: after ")(" depth is 1 and two are left, so both brackets are possible; after ")((" only ")" is
    oracle = Dyck(types=1, length=4, smoothing=0.1)
    logits = oracle.logits(torch.tensor([[oracle.vocab.bos, 1, 0, 0]]))[0]
    assert_close(logits.exp(), torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.5, 0.5], [0.05, 0.95]]))


def test_the_fingerprint_sees_every_option():
    variants = [{}, {"types": 4}, {"opening": 0.4}, {"smoothing": 0.02}, {"seed": 2}]
    assert len({Dyck(**options).fingerprint() for options in variants}) == len(variants)
