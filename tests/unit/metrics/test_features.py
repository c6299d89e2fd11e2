"""Which sentences a distance between features compares."""

from types import SimpleNamespace

import torch

from textgan_lit.metrics.features import FeatureMetric
from textgan_lit.types import TextBatch, Vocab


class Gap(FeatureMetric):
    name = "gap"

    def between(self, real, other):
        return {"": real.mean() - other.mean()}


def sentences(*ids):
    """Twelve of each token."""
    tokens = torch.tensor(ids).repeat_interleave(12).unsqueeze(1)
    return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))


def test_half_of_the_real_sentences_are_compared_with_samples_and_with_the_other_half():
    def itself(batch):
        return batch.tokens.double()

    real, fake = sentences(1, 3), sentences(6, 9)
    metric = Gap(Vocab(tuple("abcdefghij")), 1, lambda split: real)
    metric.embedding = SimpleNamespace(real=itself, fake=itself)
    assert metric.measure(real, fake) == {"quality/gap_12": 1 - 6, "quality/gap_12_real": 1 - 3}
