"""What is added to the generator's loss: by hand, by enumeration, and as it is saved."""

from math import log

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.allocations import Allocated
from tests.helpers.enumeration import Additive, Even, lively, quarters
from tests.helpers.playing import TINY, built
from textgan_lit.callbacks.steps import Steps
from textgan_lit.data.tiny import every_sentence
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.model import objective as objectives
from textgan_lit.model.baseline import BatchMean
from textgan_lit.model.credit import Terminal
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.objective import Loss
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.model.regulariser import ELBO, Entropy, Likelihood, ReferenceKL, Regularised, Regulariser
from textgan_lit.model.reward import LogOdds
from textgan_lit.noise import Noise
from textgan_lit.types import Outcome, TextBatch, Vocab, Written

LENGTH = 3
TOLERANCE = {"rtol": 1e-4, "atol": 2e-6}


@pytest.fixture(params=["fixed", "eos"])
def vocab(request):
    return Vocab(("a", "b"), has_eos=request.param == "eos")


def game(generator, noise=None, policy=None):
    return Game(generator, None, policy or Categorical(), noise or Even(4))


def rows(n, length=LENGTH):
    tokens = torch.zeros(n, length, dtype=torch.long)
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def says(regulariser, players, batch):
    """Of real sentences, and of as many that G writes."""
    return regulariser(players, batch, Written(players.sample(len(batch.tokens))))


def following(generator):
    """Of every sentence's every token: how often its prefix is written, and log G of what may follow it."""
    sentences = every_sentence(generator.vocab, LENGTH)
    how_often = generator.logp(sentences, Categorical()).sum(1).exp().detach()
    logp = generator.logits(inputs_of(sentences.tokens, generator.vocab.bos)).log_softmax(-1)
    return how_often.unsqueeze(1) * sentences.mask, logp


def test_likelihood_is_the_nll_of_real_sentences():
    # a ¼, b ¾, whatever came before: "b b", and "a" whose second token is padding
    vocab = Vocab(("a", "b"), has_eos=True)
    generator = Markov(vocab, 2)
    generator.table.weight.data.copy_(torch.tensor([0.25, 0.75, 1e-30]).log())
    batch = TextBatch(torch.tensor([[1, 1], [0, 4]]), torch.tensor([[True, True], [True, False]]))
    assert_close(Likelihood()(game(generator), batch, None).item(), (2 * log(4 / 3) + log(4)) / 3)
    colder = game(generator, policy=Categorical(0.5))
    assert_close(Likelihood()(colder, batch, None).item(), (2 * log(10 / 9) + log(10)) / 3)


def test_elbo_is_the_bounds_loss():
    vocab = Vocab(("a", "b"), has_eos=True)
    generator = lively(VAE(vocab, LENGTH, latent=2, embedding=3, hidden=4))
    sentences = every_sentence(vocab, LENGTH)
    wanted = objectives.ELBO(anneal_steps=0)(game(generator, Noise(3)), sentences).loss
    assert_close(ELBO()(game(generator, Noise(3)), sentences, None), wanted)


def test_entropy_is_that_of_the_next_token_after_what_g_writes(vocab):
    generator = quarters(vocab, LENGTH)
    found = says(Entropy(), game(generator), rows(4**LENGTH))
    weight, logp = following(generator)
    wanted = (weight * (logp.exp() * logp).sum(-1)).sum() / weight.sum()
    assert_close(found, wanted)
    # tokens of ¼ and ¾, or of ¼, ¼ and ½: every next token is as unsure
    of_token = log(4) - 0.75 * log(3) if vocab.eos is None else 1.5 * log(2)
    assert_close(found.item(), -of_token)
    gradients = [torch.autograd.grad(loss, generator.table.weight)[0] for loss in (found, wanted)]
    assert gradients[0].abs().max() > 0.01
    assert_close(*gradients, **TOLERANCE)


def test_descending_it_makes_tokens_more_even(vocab):
    generator = quarters(vocab, LENGTH)
    says(Entropy(), game(generator), rows(4**LENGTH)).backward()
    likely = generator.table.weight.argmax(1, keepdim=True)
    slope = generator.table.weight.grad.gather(1, likely)
    assert (slope >= 0).all()
    assert slope.max() > 0.01


def test_the_reference_is_g_as_it_was_at_the_first_step(vocab):
    """Not as it was when the game was put together."""
    generator = quarters(vocab, LENGTH)
    leash = ReferenceKL(Markov(vocab, LENGTH, positional=True))
    assert_close(says(leash, game(generator), rows(4**LENGTH)).item(), 0.0, rtol=0, atol=1e-6)
    assert leash.reference.table.weight.equal(generator.table.weight)
    before = generator.table.weight.detach().clone()
    generator.table.weight.data = torch.roll(before, 1, 1)
    found = says(leash, game(generator), rows(4**LENGTH))
    assert leash.reference.table.weight.equal(before)
    weight, logp = following(generator)
    old = quarters(vocab, LENGTH)
    _, log_before = following(old)
    wanted = (weight * (logp.exp() * (logp - log_before.detach())).sum(-1)).sum() / weight.sum()
    assert wanted > 0.1
    assert_close(found, wanted)
    gradients = [torch.autograd.grad(loss, generator.table.weight)[0] for loss in (found, wanted)]
    assert_close(*gradients, **TOLERANCE)
    assert not any(part.requires_grad for part in leash.reference.parameters())
    assert not leash.train().reference.training


@pytest.fixture
def moved(vocab):
    """A generator that has moved since its first step, and what it wrote at that and writes now: every sentence as
    often as it is probable."""
    generator = quarters(vocab, LENGTH)
    then = Written(game(generator).sample(4**LENGTH))
    generator.table.weight.data = torch.roll(generator.table.weight.data, 1, 1)
    return generator, then, Written(game(generator).sample(4**LENGTH))


@pytest.mark.parametrize("written", ["then", "now"])
def test_k3_of_all_that_can_be_drawn_is_the_exact_one_with_its_gradient(vocab, moved, written):
    generator, then, now = moved
    found = []
    for estimator in ("exact", "k3"):
        leash = ReferenceKL(quarters(vocab, LENGTH), estimator=estimator)
        leash.met.fill_(True)
        loss = leash(game(generator), rows(4**LENGTH), {"then": then, "now": now}[written])
        found.append((loss.detach(), *torch.autograd.grad(loss, generator.table.weight)))
    assert found[0][0] > 0.1
    assert_close(*found, **TOLERANCE)


def test_k3_makes_no_pass_of_its_own_through_g(vocab, monkeypatch):
    generator = lively(LSTM(vocab, LENGTH, embedding=3, hidden=4))
    leash = ReferenceKL(generator, estimator="k3")
    passes, features = [], LSTM.features
    monkeypatch.setattr(LSTM, "features", lambda self, inputs: (passes.append(self), features(self, inputs))[1])
    step = Regularised(by_score(), {"leash": leash})
    outcome = step(Game(generator, Additive(vocab, LENGTH), Categorical(), Noise(0)), rows(16))
    assert passes == [generator, leash.reference]
    assert outcome.loss.requires_grad


@pytest.mark.parametrize("make", [lambda _: Entropy(), ReferenceKL], ids=["entropy", "reference_kl"])
def test_logits_are_held_for_a_few_rows_at_a_time_on_both_ways(make, monkeypatch):
    vocab = Vocab(tuple(map(str, range(1000))))
    generator = lively(LSTM(vocab, 20, embedding=3, hidden=4))
    regulariser = make(generator)
    players = game(generator, Noise(0))
    written, found, most = Written(players.sample(256)), [], []
    regulariser(players, rows(256, 20), written)
    with torch.no_grad():
        generator.output.weight += torch.linspace(-1, 1, 4000).view(1000, 4)
    for kept in (2**25, 0):
        monkeypatch.setattr("textgan_lit.model.generator.base.KEPT", kept)
        monkeypatch.setattr("textgan_lit.model.generator.base.AT_ONCE", 1)
        with Allocated() as memory:
            loss = regulariser(players, rows(256, 20), written)
            found.append((loss, *torch.autograd.grad(loss, list(generator.parameters()))))
        most.append(memory.most)
    assert_close(*found, **TOLERANCE)
    assert found[0][0].abs() > 0.01
    whole = 256 * 20 * 1000 * 4  # bytes of all logits
    assert most[0] > whole
    assert most[1] < whole / 2


def test_the_reference_is_saved(vocab):
    generator = quarters(vocab, LENGTH)
    leash, resumed = (ReferenceKL(Markov(vocab, LENGTH, positional=True)) for _ in range(2))
    says(leash, game(generator), rows(4**LENGTH))
    generator.table.weight.data = torch.roll(generator.table.weight.data, 1, 1)
    resumed.load_state_dict(leash.state_dict())
    assert says(resumed, game(generator), rows(4**LENGTH)).equal(says(leash, game(generator), rows(4**LENGTH)))
    assert says(resumed, game(generator), rows(4**LENGTH)) > 0.1


@pytest.mark.parametrize("make", [Entropy, ReferenceKL])
def test_tokens_that_a_policy_leaves_out_are_no_trouble(make):
    vocab = Vocab(("a", "b", "c"))
    generator = lively(Markov(vocab, LENGTH))
    regulariser = make(generator) if make is ReferenceKL else make()
    players = game(generator, Noise(0, "regulariser"), TopK(2))
    says(regulariser, players, rows(10))
    generator.table.weight.data += torch.tensor([0.0, 0.3, -0.4])
    loss = says(regulariser, players, rows(10))
    assert loss.isfinite()
    assert torch.autograd.grad(loss, generator.table.weight)[0].isfinite().all()


class Half(Loss):
    """A loss of ½, paid for two steps in a row."""

    null, num_iterations = True, 2

    def check(self, generator, discriminator):
        raise RuntimeError("checked")

    def forward(self, game, batch):
        return Outcome(torch.tensor(0.5), {"mine": torch.tensor(3.0)})


def test_a_regularised_objective_adds_each_as_often_as_it_weighs(vocab):
    generator = quarters(vocab, LENGTH)
    parts = {"likelihood": Likelihood(weight=0.3), "entropy": Entropy(weight=0.2)}
    objective = Regularised(Half(), parts)
    batch = rows(4**LENGTH)
    outcome = objective(game(generator), batch)
    wanted = [says(part, game(generator), batch) for part in parts.values()]
    assert_close(outcome.loss, 0.5 + 0.3 * wanted[0] + 0.2 * wanted[1])
    assert outcome.loss.requires_grad
    assert outcome.logs.keys() == {"mine", "regulariser_likelihood", "regulariser_entropy"}
    assert_close(outcome.logs["regulariser_likelihood"], wanted[0].detach())
    assert not any(value.requires_grad for value in outcome.logs.values())
    assert (objective.null, objective.num_iterations) == (True, 2)
    with pytest.raises(RuntimeError, match="checked"):
        objective.check(generator, None)


class Sees(Regulariser):
    """Keeps what it is given."""

    needs_samples = True

    def forward(self, game, batch, written):
        self.written = written
        return torch.zeros(())


@pytest.fixture
def counted(monkeypatch):
    """The sizes of all samples that are drawn."""
    sizes, sample = [], Game.sample
    monkeypatch.setattr(Game, "sample", lambda self, n: (sizes.append(n), sample(self, n))[1])
    return sizes


def by_score(**settings):
    return ScoreFunction(LogOdds(), Terminal(), BatchMean(), **settings)


@pytest.mark.parametrize(
    ("objective", "drawn"),
    [
        (lambda: Half(), [16, 16]),  # it writes nothing: they draw for themselves, once a step
        (lambda: by_score(), [16, 16]),
        (lambda: by_score(num_iterations=2), [16]),
        (lambda: by_score(sampling_temperature=2.0), [16] * 4),  # what it writes is not G's
    ],
    ids=["nothing", "samples", "shared by steps", "tempered"],
)
def test_regularisers_learn_from_what_the_objective_wrote(vocab, counted, objective, drawn):
    generator, judge = quarters(vocab, LENGTH), Additive(vocab, LENGTH)
    one, other = Sees(1.0), Sees(1.0)
    step = Regularised(objective(), {"entropy": Entropy(), "one": one, "other": other})
    for number in range(2):
        step(Game(generator, judge, Categorical(), Noise(0, number)), rows(16))
        assert one.written is other.written
    assert counted == drawn


def test_without_one_that_asks_nothing_is_drawn(vocab, counted):
    Regularised(Half(), {"likelihood": Likelihood()})(game(quarters(vocab, LENGTH)), rows(16))
    assert not counted


def test_what_is_handed_on_is_as_it_was_written_and_as_likely_as_it_is_now(vocab):
    generator, seen = quarters(vocab, LENGTH), Sees(1.0)
    step = Regularised(by_score(num_iterations=2), {"seen": seen})
    found = []
    for number in range(2):
        players = Game(generator, Additive(vocab, LENGTH), Categorical(), Noise(0, number))
        step(players, rows(16))
        found.append(seen.written)
        assert_close(seen.written.logp, generator.logp(seen.written.samples.batch, Categorical()))
        assert seen.written.logp.requires_grad
        generator.table.weight.data = torch.roll(generator.table.weight.data, 1, 1)
    first, second = found
    assert all(map(torch.equal, first.samples, second.samples))
    assert_close(first.samples.logp, first.logp.detach())
    assert (first.logp - second.logp).abs().max() > 0.1


def test_dropout_is_silent_after_the_estimator():
    """Regularisers follow an estimator, which has silenced it: what is written is what is scored."""
    run = built(*TINY, "model=minimax", "model/regulariser=[likelihood,entropy,reference_kl]")
    objective, judge = run.system.updates["generator"].loss, run.system.discriminator.eval()
    assert set(objective.regularisers) == {"likelihood", "entropy", "reference_kl"}
    generator = LSTM(run.data.vocab, run.data.max_length, dropout=0.9).train()
    objective.regularisers["reference_kl"] = ReferenceKL(generator)
    batch, losses = run.data.sentences("valid").first(8), []
    for _ in range(2):
        losses.append(objective(Game(generator, judge, Categorical(), Noise(0, "step")), batch).loss)
    assert losses[0].equal(losses[1])


REGULARISED = ("model=minimax", "model/regulariser=[likelihood,entropy,reference_kl]", "model/schedule=fixed")
REGULARISED += (
    "model.schedule.pretrain_steps=4",
    "model.schedule.discriminator_pretrain_steps=3",
    "model.schedule.adversarial_steps=4",
)
REGULARISED += ("model.schedule.k=1", "model.discriminator.dropout=0")


def test_a_leash_is_that_of_the_game_first_step_also_after_it_was_taken_up(tmp_path):
    class Cut(Steps):
        def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
            super().on_train_batch_end(trainer, system, outputs, batch, batch_idx)
            if system.clock.total == 10:
                trainer.save_checkpoint(tmp_path / "cut.ckpt")

    whole = built(*TINY, *REGULARISED, callbacks=(Cut(every=1),)).fit()
    resumed = built(*TINY, *REGULARISED, callbacks=(Steps(every=1),)).fit(tmp_path / "cut.ckpt")
    key = "generator/regulariser_reference_kl"
    seen, again = ([row[key] for row in run.rows if key in row] for run in (whole, resumed))
    assert len(seen) == 4
    assert abs(seen[0]) < 1e-6
    assert seen[-1] > 1e-6
    assert again == seen[-len(again) :]
    assert 0 < len(again) < 4
    reference = whole.system.updates["generator"].loss.regularisers["reference_kl"].reference.state_dict()
    assert all(value.equal(whole.system.pretraining.best[name]) for name, value in reference.items())
