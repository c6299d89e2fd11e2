"""Any order of writing, and what is given first: against a model whose tokens are known in every order."""

from itertools import permutations, product

import pytest
import torch
from torch.testing import assert_close

from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.order import Marginals
from textgan_lit.model.game import Game
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.infilling import infill
from textgan_lit.model.objective import AnyOrder, Likelihood
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch

WORDS, LENGTH = 3, 3
ORACLE = Tiny(WORDS, LENGTH, sharpness=2.0, seed=3)
VOCAB = ORACLE.vocab
SENTENCES = every_sentence(VOCAB, LENGTH)
P = ORACLE.logp(SENTENCES, Categorical()).sum(1).double().exp()
KINDS = [(LSTM, {"embedding": 4, "hidden": 6}), (Transformer, {"width": 8, "heads": 2})]
PATTERNS = [pattern for pattern in product([False, True], repeat=LENGTH) if any(pattern)]


class Joint(Generator):
    """Writes P itself, in whatever order it is asked to."""

    def __init__(self, order="l2r"):
        super().__init__(VOCAB, LENGTH, order, any_order=True)
        self.joint = P.log().view((WORDS,) * LENGTH)

    def start(self, n, order=None):
        order = self.order_of_writing if order is None else order
        order = torch.arange(LENGTH).unsqueeze(0) if order is None else order
        empty = torch.zeros(n, LENGTH, dtype=torch.long)
        return order.expand(n, -1), empty, torch.zeros(n, dtype=torch.long)

    def advance(self, prev, state):
        order, tokens, step = state
        at = (step - 1).clamp_min(0).unsqueeze(1)
        tokens = tokens.scatter(1, at, prev.where(prev < WORDS, 0).unsqueeze(1))
        logits = torch.stack([self._predict(*row) for row in zip(order, tokens, strict=True)])
        return logits[torch.arange(len(prev)), step], (order, tokens, step + 1)

    def features(self, inputs, order=None):
        order, _, _ = self.start(len(inputs), order)
        tokens = torch.nn.functional.pad(inputs[:, 1:], (0, 1))
        return torch.stack([self._predict(*row) for row in zip(order, tokens, strict=True)])

    def _predict(self, order, tokens):
        return Marginals(self.joint, order.tolist()).predict(tokens.unsqueeze(0))[0].float()


def networks(unlike):
    return [unlike(kind(VOCAB, LENGTH, **options, order="r2l", any_order=True)) for kind, options in KINDS]


def test_under_every_order_all_sentences_together_have_probability_one(unlike):
    for generator in networks(unlike):
        totals = []
        for order in permutations(range(LENGTH)):
            logp = generator.logp(SENTENCES, Categorical(), order=torch.tensor([order]))
            assert_close(logp.sum(1).exp().sum().item(), 1.0, rtol=0, atol=1e-5)
            totals.append(logp.sum(1).exp())
        assert (torch.stack(totals).std(0).max() > 0.01).item()  # the orders are models of their own
        assert_close(totals[-1], generator.logp(SENTENCES, Categorical()).sum(1).exp())  # the last is r2l, its own


def test_each_sentence_may_have_an_order_of_its_own(unlike):
    orders = torch.rand(len(SENTENCES.tokens), LENGTH, generator=torch.Generator().manual_seed(0)).argsort(1)
    for generator in networks(unlike):
        together = generator.logp(SENTENCES, Categorical(), order=orders)
        for row, order in enumerate(orders):
            one = TextBatch(*(part[row : row + 1] for part in SENTENCES))
            assert_close(together[row : row + 1], generator.logp(one, Categorical(), order=order.unsqueeze(0)))


def test_the_objective_is_the_likelihood_of_each_sentence_in_an_order_from_the_noise(unlike):
    for generator in networks(unlike):
        found = AnyOrder()(Game(generator, None, Categorical(), Noise(0, "step")), SENTENCES).loss
        orders = Noise(0, "step").uniform(*SENTENCES.tokens.shape).argsort(1)
        assert len(orders.unique(dim=0)) == 6
        assert_close(found, -generator.logp(SENTENCES, Categorical(), order=orders).mean())
        assert not torch.allclose(found, Likelihood()(Game(generator, None, Categorical(), Noise(0)), SENTENCES).loss)


def test_where_all_orders_agree_it_is_the_likelihood():
    game = Game(Joint(), None, Categorical(), Noise(0))
    assert_close(AnyOrder()(game, SENTENCES).loss, Likelihood()(game, SENTENCES).loss)


@pytest.mark.parametrize("order", ["l2r", "binary_tree"])
@pytest.mark.parametrize("gap", PATTERNS, ids=str)
def test_an_exact_model_infills_with_what_is_probable_given_the_rest(gap, order):
    """P of what is missing given what is there: of every token by its logp, and by how often it is written."""
    gap, template = torch.tensor(gap), torch.tensor([2, 0, 1])
    fits = (SENTENCES.tokens == template)[:, ~gap].all(1)
    wanted = P[fits] / P[fits].sum()
    side = {1: 256, 2: 24, 3: 8}[int(gap.sum())]
    noise = torch.cartesian_prod(*[(torch.arange(side) + 0.5) / side] * int(gap.sum())).view(-1, int(gap.sum()))
    rollout = infill(Joint(order), template, gap, noise, Categorical())
    assert (rollout.tokens[:, ~gap] == template[~gap]).all()
    assert (rollout.logp[:, ~gap] == 0).all()
    assert rollout.mask.all()
    which = (rollout.tokens[:, None] == SENTENCES.tokens[fits]).all(2)
    assert which.sum() == len(noise)
    assert_close(rollout.logp.sum(1).exp().double(), wanted[which.long().argmax(1)], rtol=1e-4, atol=1e-6)
    assert_close(which.double().mean(0), wanted, rtol=0, atol=1.5 * int(gap.sum()) / side)


@pytest.mark.parametrize("gap", PATTERNS, ids=str)
def test_what_a_network_infills_is_as_probable_as_it_says(unlike, gap):
    """Under the order that begins with what is given: log G(x) less log G of what is given."""
    gap, template = torch.tensor(gap), torch.tensor([2, 0, 1])
    for generator in networks(unlike):
        noise = torch.rand(50, int(gap.sum()), generator=torch.Generator().manual_seed(1))
        rollout = infill(generator, template, gap, noise, Categorical())
        places = [2, 1, 0]
        order = torch.tensor([[p for p in places if not gap[p]] + [p for p in places if gap[p]]])
        assert_close(rollout.logp, generator.logp(rollout.batch, Categorical(), order=order).detach() * gap)


@pytest.mark.parametrize("objective", [AnyOrder, Likelihood])
def test_trained_in_any_order_it_infills_and_trained_in_one_it_does_not(objective, unchecked_shapes):
    torch.manual_seed(0)
    generator = Transformer(VOCAB, LENGTH, width=16, heads=2, layers=1, any_order=True)
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.01)
    for step in range(300):
        rows = torch.multinomial(P, 256, replacement=True, generator=torch.Generator().manual_seed(step))
        batch = TextBatch(SENTENCES.tokens[rows], SENTENCES.mask[rows])
        loss = objective()(Game(generator, None, Categorical(), Noise(0, step)), batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    first = torch.tensor([[1, 2, 0]])  # the first token is what is missing
    given = P.view(WORDS, -1) / P.view(WORDS, -1).sum(0)
    found = generator.logp(SENTENCES, Categorical(), order=first)[:, 0].detach().double().exp().view(WORDS, -1)
    distance = (P.view(WORDS, -1).sum(0) * (given - found).abs().sum(0) / 2).sum().item()
    assert distance < 0.05 if objective is AnyOrder else distance > 0.15


def test_who_is_not_told_places_is_refused():
    for generator in (LSTM(VOCAB, LENGTH, order="r2l"), Markov(VOCAB, LENGTH)):
        with pytest.raises(UserError, match=r"fresh order.*not told which. Use .*model.generator.any_order=true"):
            AnyOrder().check(generator, None)
    AnyOrder().check(LSTM(VOCAB, LENGTH, any_order=True), None)
