"""The distillation of every token: its gradient against the definition, and what it asks for."""

from dataclasses import dataclass

import pytest
import torch

from textgan_lit.data.dyck import Dyck
from textgan_lit.data.tiny import Tiny
from textgan_lit.errors import UserError
from textgan_lit.functional.divergence import generalised_jsd
from textgan_lit.model.estimator.gkd import Distillation
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise

B = 12


@dataclass(frozen=True)
class Recorded(Game):
    """Keeps what it was asked to write."""

    said: list

    def sample(self, n):
        self.said.append(super().sample(n))
        return self.said[-1]


@pytest.fixture(params=["fixed", "eos"])
def oracle(request):
    return Tiny(vocab_size=3, length=4, variable=request.param == "eos", seed=3)


def generator(oracle):
    torch.manual_seed(0)
    return LSTM(oracle.vocab, oracle.max_length, embedding=4, hidden=8)


def game(player):
    return Recorded(player, None, Categorical(), Noise(0, "gkd"), [])


def real(oracle):
    return oracle.sample(Noise(1, "gkd").uniform(B, oracle.max_length), Categorical()).batch


def defined(oracle, player, sentences, beta):
    """As the paper writes it, each expectation a loop over sentences, positions and tokens."""
    total, tokens = 0.0, 0
    for batch in sentences:
        p = oracle.predict(batch, Categorical()).double().softmax(-1)
        g = player.predict(batch, Categorical()).double().softmax(-1)
        for row in range(len(p)):
            for t in range(int(batch.mask[row].sum())):
                a, b = p[row, t], g[row, t]
                m = beta * a + (1 - beta) * b
                if beta == 0:
                    total = total + (a * (a / b).log()).sum()
                elif beta == 1:
                    total = total + (b * (b / a).log()).sum()
                else:
                    total = total + beta * (a * (a / m).log()).sum() + (1 - beta) * (b * (b / m).log()).sum()
                tokens += 1
    return total / tokens


@pytest.mark.parametrize("on_policy", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
def test_its_gradient_is_that_of_the_definition(oracle, beta, on_policy):
    player, batch = generator(oracle), real(oracle)
    playing = game(player)
    loss = Distillation(oracle, beta, on_policy)(playing, batch).loss
    own = round(on_policy * B)
    assert [len(samples.tokens) for samples in playing.said] == ([own] if own else [])
    read = [*(samples.batch for samples in playing.said), *([batch.first(B - own)] if own < B else [])]
    wanted = defined(oracle, player, read, beta)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    weights = list(player.parameters())
    found, right = (torch.autograd.grad(one, weights, allow_unused=True) for one in (loss, wanted))
    assert any(part is not None and part.abs().max() > 1e-4 for part in found)
    for mine, exact in zip(found, right, strict=True):
        assert (mine is None) == (exact is None)
        if mine is not None:
            torch.testing.assert_close(mine, exact, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_tokens_that_p_cannot_write_leave_no_hole(beta):
    oracle = Dyck(types=2, length=4, smoothing=0.0)
    player = Markov(oracle.vocab, oracle.max_length)
    loss = Distillation(oracle, beta, 1.0)(game(player), real(oracle)).loss
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad.isfinite().all() for weight in player.parameters())


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_where_p_says_nothing_there_is_nothing_to_learn(beta):
    """After a prefix that it cannot write; the tokens before it count as ever."""
    oracle = Tiny(vocab_size=3, length=4, seed=3)
    oracle.table[1:4] = -torch.inf  # the second token, whatever the first was
    player = generator(oracle)
    playing = game(player)
    loss = Distillation(oracle, beta, 1.0)(playing, real(oracle)).loss
    loss.backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in player.parameters())
    sentences, known = playing.said[0].batch, [0, 2, 3]
    p, g = (one.predict(sentences, Categorical()).double()[:, known].log_softmax(-1) for one in (oracle, player))
    assert loss.item() == pytest.approx((generalised_jsd(p, g, beta).sum() / sentences.mask.sum()).item(), rel=1e-4)


def test_p_is_no_part_of_what_is_saved(oracle):
    loss = Distillation(oracle)
    assert not loss.state_dict()
    assert not list(loss.parameters())


def test_it_reads_the_data_where_prefixes_are_theirs(oracle):
    assert Distillation(oracle, on_policy=0.5).reads_real
    assert not Distillation(oracle, on_policy=1.0).reads_real


def test_without_an_oracle_it_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"estimator=gkd asks P what comes next, .* Use data=mixture or another oracle"):
        Distillation()


def test_a_generator_of_another_order_is_refused():
    oracle = Tiny(vocab_size=3, length=4, seed=3)
    with pytest.raises(UserError, match=r"G must write from left to right\. Use order=l2r"):
        Distillation(oracle).check(LSTM(oracle.vocab, oracle.max_length, order="r2l"), None)
