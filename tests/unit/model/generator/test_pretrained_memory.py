"""Micro-batches of a pretrained language model: the whole batch's gradient of whatever loss, in bounded memory."""

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

from tests.helpers import tiny_lm
from tests.helpers.allocations import kept_bytes
from textgan_lit import tokenizer
from textgan_lit.model.baseline import Standardised
from textgan_lit.model.credit import Terminal
from textgan_lit.model.discriminator.value_head import ValueHead
from textgan_lit.model.discriminator_loss import Relativistic
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.game import Game
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora
from textgan_lit.model.objective import Likelihood
from textgan_lit.model.policy import Categorical
from textgan_lit.model.regulariser import ReferenceKL, Regularised
from textgan_lit.model.reward import LogOdds
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab

LENGTH, ROWS = 6, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_lm.save(tmp_path_factory.mktemp("llama"))


def player(folder, size, **settings):
    """Its adapters have learned something."""
    text = (folder / "tokenizer.json").read_text()
    vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
    torch.manual_seed(0)
    made = Pretrained(vocab, LENGTH, str(folder), Lora(rank=2), micro_batch_size=size, **settings).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return made


def by_likelihood(generator):
    return Likelihood()


def by_grpo(generator):
    leash = ReferenceKL(generator, estimator="k3")
    leash.met.fill_(True)
    with torch.no_grad():
        for name, weight in leash.reference.named_parameters():
            weight.mul_(1.5 if "lora_B" in name else 1.0)
    step = ScoreFunction(LogOdds(), Terminal(), Standardised(), num_iterations=2)
    return Regularised(step, {"exact": ReferenceKL(generator), "k3": leash})


def by_pairs(generator):
    return Relativistic()


@pytest.mark.parametrize("make", [by_likelihood, by_grpo, by_pairs])
def test_micro_batches_change_no_gradient_and_bound_what_is_kept(folder, make, monkeypatch):
    found, kept, sizes, body = [], [], [], Pretrained._body
    real = player(folder, None).sample(Noise(0, "real").uniform(ROWS, LENGTH), Categorical()).batch
    for size in (None, 2):
        generator = player(folder, size).double()  # whose sums are the same in any order
        judge = ValueHead(generator.vocab, LENGTH, generator, Lora(rank=2))
        loss, learning = make(generator), judge if make is by_pairs else generator
        sizes.append([])
        monkeypatch.setattr(
            Pretrained, "_body", lambda self, ids, *more: (sizes[-1].append(len(ids)), body(self, ids, *more))[1]
        )
        game = Game(generator, judge, Categorical(), Noise(0, "step"))
        outcome, bytes_ = kept_bytes(loss, game, real)
        sizes[-1].clear()
        weights = [weight for weight in learning.parameters() if weight.requires_grad]
        found.append([outcome.loss, *torch.autograd.grad(outcome.loss, weights)])
        kept.append(bytes_)
    assert max(gradient.abs().max() for gradient in found[0][1:]) > 1e-3
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)
    assert kept[1] < kept[0] / 4
    assert not sizes[0]
    assert set(sizes[1]) == {2}  # on the way back, too, the network works on so many sentences at a time
