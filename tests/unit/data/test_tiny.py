import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.tiny import OneSentence, Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch, Vocab


def test_every_prefix_has_a_distribution_of_its_own():
    oracle = Tiny(vocab_size=3, length=3)  # 1 + 3 + 9 = 13 prefixes
    sentences = every_sentence(oracle.vocab, 3)
    rows = oracle.logits(inputs_of(sentences.tokens, oracle.vocab.bos)).flatten(0, 1)
    assert len(rows.unique(dim=0)) == len(oracle.table) == 13


@pytest.mark.parametrize(("sharpness", "entropy"), [(0.0, (1.386, 1.387)), (1.0, (0.9, 1.25)), (8.0, (0.0, 0.5))])
def test_sharpness_leads_from_uniform_to_peaked(sharpness, entropy):
    # log 4 = 1.3863; the flat Dirichlet over 4 tokens has mean entropy ψ(5) − ψ(2) = 1/2 + 1/3 + 1/4 = 1.0833
    table = Tiny(sharpness=sharpness).table
    mean = -(table.exp() * table).sum(-1).mean()
    assert entropy[0] < mean < entropy[1]


@pytest.mark.parametrize(("tokens", "length"), [(10, 5), (2, 16)])
def test_worlds_up_to_the_limit_are_allowed(tokens, length):
    assert len(every_sentence(Vocab(tuple(map(str, range(tokens)))), length).tokens) == tokens**length


@pytest.mark.parametrize(("tokens", "length"), [(11, 5), (2, 17), (10**6, 10**6)])
def test_worlds_too_large_to_list_are_refused(tokens, length):
    with pytest.raises(UserError, match=rf"vocab_size={tokens} at length={length} .*100,000"):
        Tiny(vocab_size=tokens, length=length)
    with pytest.raises(UserError, match="every_sentence lists every sentence"):
        every_sentence(Vocab(("a",) * tokens), length)


@pytest.mark.parametrize("variable", [True, False])
def test_the_one_sentence_is_certain(variable):
    oracle = OneSentence("the cat sat", unused="dog the", variable=variable)
    assert oracle.vocab.tokens == ("the", "cat", "sat", "dog")
    assert oracle.max_length == 3 + variable
    tokens = torch.tensor([[0, 1, 2, 4][: oracle.max_length]])  # 4 is eos
    said = TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    assert oracle.logp(said, Categorical()).sum() == 0.0
    everything = oracle.logp(every_sentence(oracle.vocab, oracle.max_length), Categorical()).sum(1)
    assert (everything == 0).sum() == 1
    assert (everything == -torch.inf).sum() == len(everything) - 1


def test_the_default_sentence_is_a_b_c_and_eos():
    oracle = OneSentence()
    assert (oracle.vocab.tokens, oracle.vocab.has_eos, oracle.max_length) == (("a", "b", "c", "d"), True, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sentence": " "}, "at least one token"),
        ({"max_length": 3}, "takes 4 positions with eos, but max_length=3"),
        ({"variable": False, "max_length": 4}, "takes 3 positions, but max_length=4"),
    ],
)
def test_a_sentence_that_does_not_fit_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        OneSentence(**options)


def test_every_sentence_is_listed_once_in_a_fixed_order():
    vocab = Vocab(("a", "b", "c"), has_eos=True)  # eos 3, pad 5
    tokens, mask = every_sentence(vocab, 3)
    assert len(tokens) == len(tokens.unique(dim=0)) == 1 + 3 + 9 + 27
    assert tokens[:3].tolist() == [[3, 5, 5], [0, 3, 5], [1, 3, 5]]
    assert mask[:3].tolist() == [[True, False, False], [True, True, False], [True, True, False]]
    assert tokens[-2:].tolist() == [[2, 2, 1], [2, 2, 2]]
    assert mask.equal(tokens != vocab.pad)
    assert_close(every_sentence(vocab, 3).tokens, tokens)
