"""First-order rewards by enumeration: every sentence as often as it is probable."""

import copy
from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.enumeration import Additive, Dealt, Even, lively, quarters
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.estimator.taylor import Taylor
from textgan_lit.model.game import Game
from textgan_lit.model.policy import Categorical
from textgan_lit.model.reward import LogOdds, Minimax
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

TOLERANCE = {"rtol": 1e-4, "atol": 2e-6}


@pytest.fixture(params=["fixed", "eos"])
def vocab(request):
    return Vocab(("a", "b"), has_eos=request.param == "eos")


def unigrams(vocab, length):
    """A generator whose tokens do not depend on the tokens before them."""
    generator = quarters(vocab, length)
    rows = generator.table.weight.data.view(length, vocab.inputs, -1)
    rows.copy_(rows[:, :1].clone().expand_as(rows))
    return generator


def rows(n, length):
    tokens = torch.zeros(n, length, dtype=torch.long)
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def estimate(generator, judge, reward, noise=None, policy=None):
    game = Game(generator, judge, policy or Categorical(), noise or Even(4))
    length = generator.max_length
    outcome = Taylor(reward)(game, rows(4**length, length))
    return torch.autograd.grad(outcome.loss, generator.table.weight)[0], outcome.logs


def exact(generator, judge, reward):
    """−∇ Σ_x G(x) r(x), over all sentences."""
    sentences = every_sentence(generator.vocab, generator.max_length)
    earned = reward(Game(generator, judge, Categorical(), Noise(0)).sentence_logit(sentences)).detach()
    chance = generator.logp(sentences, Categorical()).sum(1).exp()
    return torch.autograd.grad(-(chance * earned).sum(), generator.table.weight)[0], (chance * earned).sum().detach()


def test_it_is_exact_where_rewards_add_up_and_tokens_lead_to_nothing():
    vocab = Vocab(("a", "b"))
    generator, judge = unigrams(vocab, 3), Additive(vocab, 3)
    gradient, logs = estimate(generator, judge, LogOdds())
    wanted, value = exact(generator, judge, LogOdds())
    assert wanted.abs().max() > 0.05
    assert_close(gradient, wanted, **TOLERANCE)
    assert_close(logs["reward"], value)


def test_of_one_token_it_is_exact_whoever_writes(vocab):
    generator, judge = quarters(vocab, 1), Additive(vocab, 1)
    assert_close(estimate(generator, judge, LogOdds())[0], exact(generator, judge, LogOdds())[0], **TOLERANCE)


def test_what_a_token_leads_to_is_left_out():
    """Biased by design, and visibly so, where the next token depends on it or D is curved."""
    vocab = Vocab(("a", "b"))
    leading, judge = quarters(vocab, 3), Additive(vocab, 3)
    for generator, reward in ((leading, LogOdds()), (unigrams(vocab, 3), Minimax())):
        found, wanted = estimate(generator, judge, reward)[0], exact(generator, judge, reward)[0]
        assert (found - wanted).abs().max() > 0.005
    # at the last position there is nothing left out
    found, wanted = (of(leading, judge, LogOdds())[0] for of in (estimate, exact))
    last = slice(2 * vocab.inputs, None)
    assert_close(found[last], wanted[last], **TOLERANCE)


def test_the_formula_by_enumeration(vocab):
    """Σ_t Σ_v ∇G(v | x<t) (r(x) + ∂_t r · (e_v − e_x)), term by term, with a curved D and reward."""
    generator, judge = quarters(vocab, 3), lively(Conv(vocab, 3, filters=[(1, 3), (2, 3)], embedding=3))
    gradient, _ = estimate(generator, judge, Minimax())
    sentences = every_sentence(vocab, 3)
    tokens = one_hot(*sentences, vocab.size).requires_grad_()
    earned = Minimax()(judge(tokens, sentences.mask))
    (slope,) = torch.autograd.grad(earned.sum(), tokens)
    first_order = earned[:, None, None] + slope - (slope * tokens).sum(2, keepdim=True)
    following = generator.logits(inputs_of(sentences.tokens, vocab.bos)).softmax(-1)
    how_often = generator.logp(sentences, Categorical()).sum(1).exp().detach()
    inside = sentences.mask.unsqueeze(2)
    wanted = -(how_often[:, None, None] * following * first_order.detach() * inside).sum()
    assert_close(gradient, torch.autograd.grad(wanted, generator.table.weight)[0], **TOLERANCE)


def test_a_scorer_of_tokens_is_summed_over_tokens(vocab):
    generator, judge = quarters(vocab, 2), lively(Recurrent(vocab, 2, embedding=3, hidden=4))
    gradient, logs = estimate(generator, judge, LogOdds())

    class Total(Additive):
        def forward(self, tokens, mask, density=None):
            return judge(tokens, mask).sum(1)

    wanted, value = estimate(generator, Total(vocab, 2), LogOdds())
    assert_close(gradient, wanted)
    assert_close(logs["reward"], value["reward"])


def test_what_is_improved_is_the_network_under_its_policy():
    vocab = Vocab(("a", "b"))
    generator, judge = unigrams(vocab, 2), Additive(vocab, 2)
    generator.table.weight.data *= 2.0  # at temperature 2 these are quarters again
    found, _ = estimate(generator, judge, LogOdds(), policy=Categorical(2.0))
    generator.table.weight.data /= 2.0
    assert_close(found, exact(generator, judge, LogOdds())[0] / 2, **TOLERANCE)


# --- null controls ----------------------------------------------------------------------------------------------------


def test_a_constant_is_no_gradient_at_all(vocab):
    gradient, logs = estimate(quarters(vocab, 2), Additive(vocab, 2), Constant())
    assert (gradient == 0).all()
    assert logs["reward"] == 1


def test_shuffled_teaches_nothing_over_all_permutations_whatever_was_said(vocab):
    generator, judge = quarters(vocab, 3), Additive(vocab, 3)
    gradients = [
        estimate(generator, judge, Shuffled(LogOdds()), noise=Dealt(order))[0]
        for order in permutations(range(vocab.size))
    ]
    assert torch.stack(gradients).abs().max() > 0.01
    assert_close(sum(gradients), torch.zeros_like(gradients[0]), **TOLERANCE)
    assert Taylor(Shuffled(LogOdds())).null
    assert not Taylor(LogOdds()).null


def test_no_gradient_reaches_the_discriminator_and_its_weights_stay_as_they_are(vocab):
    generator, judge = quarters(vocab, 2), Additive(vocab, 2)
    before = copy.deepcopy(judge.state_dict())
    Taylor(LogOdds())(Game(generator, judge, Categorical(), Even(4)), rows(16, 2)).loss.backward()
    assert judge.weight.grad is None
    assert judge.weight.equal(before["weight"])


def test_a_discriminator_that_reads_whole_tokens_is_refused(vocab):
    generator = quarters(vocab, 2)
    with pytest.raises(UserError, match=r"estimator=taylor .*Optimal reads whole tokens only. Use model/discriminator"):
        Taylor(LogOdds()).check(generator, Optimal(vocab, 2, generator))
    Taylor(LogOdds()).check(generator, Conv(vocab, 2))
