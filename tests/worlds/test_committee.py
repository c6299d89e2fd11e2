"""A world of two languages, each a Markov chain: a committee of two bigram tables can say it, one table cannot."""

import pytest
import torch

from tests.helpers.playing import built
from textgan_lit.errors import UserError
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.mixture import Mixture
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab

WORLD = ("model=mle", "data=mixture", "data.oracle.vocab_size=6", "data.oracle.successors=2", "data.oracle.length=6")
WORLD += ("data.train=4000", "data.valid=400", "data.test=2000", "model.optim.pretrain.batch_size=256")
WORLD += ("model.schedule.pretrain_steps=300", "model.optim.pretrain.lr=0.05", "model.schedule.patience=100")

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def kl(*overrides):
    """KL(P‖G) in nats a sentence, after likelihood."""
    run = built(*WORLD, *overrides).fit()
    test = run.data.sentences("test")
    with torch.no_grad():
        gap = run.data.oracle.logp(test, Categorical()) - run.system.eval().generator.logp(test, Categorical())
    return gap.sum(1).mean().item()


@pytest.mark.slow
def test_two_tables_learn_what_one_cannot():
    assert kl("model/generator=mixture") < 0.1
    assert kl("model/generator=markov") > 0.5


@pytest.mark.slow
def test_members_that_are_alike_stay_alike():
    """The control: so it is who speaks that is learnt, not the number of weights."""
    assert kl("model/generator=mixture", "model.generator.spread=1e-30") > 0.5


@torch.no_grad()
def test_a_sentence_is_as_probable_as_its_speakers_make_it():
    data = built("model=mle", "data=one_sentence").data
    batch = data.sentences("valid").first(1)
    committee = Mixture(data.vocab, data.max_length, LSTM(data.vocab, data.max_length), members=3).eval()
    committee.prior_logits.copy_(torch.tensor([0.3, -1.0, 2.0]))
    each = torch.stack([member.logp(batch, Categorical()).sum(1) for member in committee.members])
    expected = (committee.prior_logits.log_softmax(0).unsqueeze(1) + each).logsumexp(0)
    torch.testing.assert_close(committee.logp(batch, Categorical()).sum(1), expected)


def test_a_member_with_an_order_of_its_own_is_refused():
    vocab = Vocab(("a", "b"))
    with pytest.raises(UserError, match=r"its member LSTM has an order of its own. Use .*order=l2r"):
        Mixture(vocab, 4, LSTM(vocab, 4, order="r2l"))
    assert not Mixture(vocab, 4, Markov(vocab, 4)).accepts_soft
    assert Mixture(vocab, 4, LSTM(vocab, 4)).accepts_soft
