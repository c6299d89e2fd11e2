"""Who looks at sentences asks the models for what the panel needs, and for no more."""

import torch

from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.truth.evidence import SENTENCE
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth
from textgan_lit.types import Vocab


def test_generated_sentences_are_not_scored_where_nothing_needs_it(monkeypatch):
    """A language model's logits of its own samples were half of what an evaluation cost."""
    generator, truth = LSTM(Vocab(("a", "b"), has_eos=True), 3), Truth(3)
    batch, asked = generator.sample(torch.rand(8, 3), Categorical()).batch, []
    predict = generator.predict
    monkeypatch.setattr(generator, "predict", lambda *given: asked.append(len(given[0].tokens)) or predict(*given))
    Models(None, generator, Categorical()).add_to(truth, batch, batch)
    assert asked == [8]
    assert truth.fake_sentence[SENTENCE.index("tokens"), 1] == batch.mask.sum()
