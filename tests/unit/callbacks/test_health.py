"""Symptoms, said once an episode: from evaluations that are made up, and from one that is real."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.trainer.states import TrainerFn

from tests.helpers.playing import TINY, built
from textgan_lit.callbacks.evaluation import Evaluations
from textgan_lit.callbacks.health import Health, rows
from textgan_lit.callbacks.truth import TruthPanel
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator_loss import Hinge, Minimax
from textgan_lit.model.generator.vae import VAE
from textgan_lit.types import Evaluation, Samples, TextBatch, Vocab

FINE = {"bound/raw": torch.tensor(-0.1), "bound/raw_se": torch.tensor(0.06)}
SELF_BLEU = "quality/self_bleu5_1000"
ALIKE = {SELF_BLEU: torch.tensor(0.95), f"{SELF_BLEU}_real": torch.tensor(0.8)}
VARIED = {SELF_BLEU: torch.tensor(0.93), f"{SELF_BLEU}_real": torch.tensor(0.8)}
SAME = {SELF_BLEU: torch.tensor(1.0), f"{SELF_BLEU}_real": torch.tensor(1.0)}  # a world with one sentence
DEAD = {"bound/raw": torch.tensor(-0.1), "bound/raw_se": torch.tensor(0.04)}

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # trainers and systems that are made up


def sentences(different, n=100):
    tokens = torch.arange(n).remainder(different).unsqueeze(1).repeat(1, 3)
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def evaluate(health, metrics=FINE, real=100, fake=100, discriminator_loss=None, steps=3, generator=None):
    """One evaluation; returns its row."""
    written_rows = []
    updates = {"discriminator": SimpleNamespace(loss=discriminator_loss or Minimax())}
    clock = SimpleNamespace(steps={"discriminator": steps, "pretrain": steps}, total=70)
    system = SimpleNamespace(updates=updates, clock=clock, record=written_rows.append, generator=generator)
    system.evaluated = lambda *purpose: system
    trainer = SimpleNamespace(callback_metrics=metrics, loggers=(), state=SimpleNamespace(fn=TrainerFn.FITTING))
    written = sentences(fake)
    outputs = Evaluation(sentences(real), Samples(*written, torch.zeros(100, 3), torch.zeros(100, 0)))
    health.on_validation_epoch_start(trainer, system)
    health.on_validation_batch_end(trainer, system, outputs)
    health.on_validation_epoch_end(trainer, system)
    health.on_validation_end(trainer, system)
    return written_rows[0]


def collapsed(weight=0.0):
    """A VAE whose posterior is (nearly) the prior."""
    generator = VAE(Vocab(tuple(f"w{token}" for token in range(100))), 3, latent=2)
    with torch.no_grad():
        generator.encoder.output.weight *= weight
        generator.encoder.output.bias.zero_()
    return generator


def test_what_a_latent_says_of_sentences_is_logged():
    torch.manual_seed(0)
    generator, batch = collapsed(20.0), sentences(2)
    row = evaluate(Health(), real=2, generator=generator)
    mean, spread = generator.posterior(batch)
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(normal(mean, spread.exp()), normal(0.0, 1.0)).sum(1).mean()
    assert row["health/latent_kl"] == pytest.approx(exact.item(), rel=1e-4)
    assert row["health/latent_units"] == (mean.var(0) > 0.01).sum() > 0
    assert not {"health/latent_kl", "health/latent_units"} & evaluate(Health()).keys()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"generator": collapsed()}, "posterior has collapsed: the latent says 0.000 nats of a sentence, and 0 of"),
        ({"metrics": DEAD}, "D is worse than silence"),
        ({"fake": 9}, "100 .* 9\\."),
        ({"metrics": ALIKE}, "Self-BLEU is 0\\.950, of real sentences 0\\.800"),
    ],
)
def test_a_symptom_is_said_once_an_episode(bad, said, capsys):
    health, lines = Health(patience=3), []
    for ill in (1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1):
        evaluate(health, **(bad if ill else {}))
        lines.append(capsys.readouterr().out)
    assert [bool(line) for line in lines] == [False] * 5 + [True] + [False] * 5 + [True]
    assert lines[5].startswith("Step 70: ")
    assert "Likely cause" in lines[5]
    assert "Way out" in lines[5]
    with pytest.raises(UserError, match=said):
        evaluate(Health(patience=1, stop=True), **bad)


@pytest.mark.parametrize(
    "well",
    [
        {},
        {"real": 1, "fake": 1},
        {"fake": 10},
        {"metrics": {}},
        {"metrics": DEAD, "steps": 0},
        {"metrics": VARIED},
        {"metrics": SAME},
    ],
    ids=str,
)
def test_what_is_no_symptom(well):
    evaluate(Health(patience=1, stop=True), **well)


def test_a_critics_score_proves_nothing_as_it_is():
    evaluate(Health(patience=1, stop=True), metrics=DEAD, discriminator_loss=Hinge())


def test_an_episode_is_remembered():
    first, second = Health(patience=2, stop=True), Health(patience=2, stop=True)
    evaluate(first, fake=1)
    second.load_state_dict(first.state_dict())
    with pytest.raises(UserError):
        evaluate(second, fake=1)


def test_shares_count_tokens_and_not_padding():
    batch = sentences(100)
    padded = TextBatch(batch.tokens, batch.mask & (torch.arange(3) < 0))
    health = Health()
    assert evaluate(health, fake=25) == {"health/distinct": 0.25, "health/distinct_real": 1.0}

    assert len(set(rows(padded))) == 1


def test_real_evaluations_are_counted(tmp_path):
    panel = TruthPanel(str(tmp_path), Vocab(("a", "b")))
    run = built(*TINY, "model/schedule=fixed", callbacks=(Evaluations({"generator": 2}), panel, Health()))
    found = [row for row in run.fit().rows if "health/distinct" in row]
    assert len(found) == sum("truth/jsd" in row for row in run.rows) > 1
    real = {tuple(row) for row in run.data.sentences("valid").tokens.tolist()}
    assert all(row["health/distinct_real"] == len(real) / 64 for row in found)
    assert all(0 < row["health/distinct"] <= 1 for row in found)


def test_the_highest_order_says_whether_samples_are_alike():
    low = {"quality/self_bleu2_1000": torch.tensor(1.0), "quality/self_bleu2_1000_real": torch.tensor(0.9)}
    evaluate(Health(patience=1, stop=True), metrics=low | VARIED)
    with pytest.raises(UserError, match="variations of a few"):
        evaluate(Health(patience=1, stop=True), metrics=low)
