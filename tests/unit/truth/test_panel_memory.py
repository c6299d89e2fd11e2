"""The truth between two language models of a large vocabulary takes memory for a few rows of logits at a time."""

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")

from tests.helpers import tiny_lm
from tests.helpers.allocations import Allocated
from textgan_lit import tokenizer
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.truth.models import Models, measure
from textgan_lit.types import Vocab

SIZE, LENGTH = 49_152, 200

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_shapes")]


def test_it_holds_what_both_say_of_a_sentence_and_little_more(tmp_path):
    letters = "".join(map(chr, range(0x100, 0x100 + SIZE - len(tiny_lm.NAMED))))
    players = []
    for seed in range(2):
        folder = tiny_lm.save(tmp_path / str(seed), letters=letters, seed=seed, max_position_embeddings=LENGTH + 1)
        text = (folder / "tokenizer.json").read_text()
        vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
        players.append(Pretrained(vocab, LENGTH, str(folder), None).eval())
    oracle, generator = players
    real = oracle.sample(Noise(0, "real").uniform(2, LENGTH), Categorical()).batch
    known = SimpleNamespace(predict=oracle.predict, validity=lambda batch: {})
    with torch.no_grad(), Allocated() as memory:
        truth = measure(Models(known, generator, Categorical()), real, Noise(0, "fake").uniform(2, LENGTH))
    assert 0 < truth.compute()["truth/jsd"] <= 0.7
    logits = 4 * LENGTH * SIZE  # bytes of what one model says of one sentence
    assert memory.most < 7 * logits
