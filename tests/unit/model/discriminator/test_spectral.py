"""Matrices divided by their largest singular value."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.discriminators import LENGTH, SMALL
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.oracle import Optimal
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.discriminator.spectral import Spectral
from textgan_lit.model.discriminator.transformer import Transformer


@pytest.mark.parametrize("critic", [Conv, Transformer])
@pytest.mark.parametrize("vocab", ["eos"], indirect=True)
def test_spectral_divides_every_matrix_by_its_largest_singular_value(vocab, critic, sentences, unlike):
    """torch.linalg's, once the power iteration has had some steps; a convolution counts as one matrix."""
    judge = unlike(Spectral(vocab, LENGTH, critic(vocab, LENGTH, **SMALL[critic])))
    raw = {name: weight for name, weight in judge.named_parameters() if name.endswith(".original")}
    expected = sum(weight.dim() > 1 for weight in critic(vocab, LENGTH, **SMALL[critic]).parameters())
    assert len(raw) == expected
    judge.train()
    for _ in range(100):
        judge(*sentences)
    judge.eval()
    for name, weight in raw.items():
        module = judge.get_submodule(name.split(".parametrizations.")[0])
        bounded = getattr(module, name.split(".")[-2]).flatten(1)
        assert_close(torch.linalg.matrix_norm(bounded, 2), torch.tensor(1.0), rtol=1e-2, atol=0)
        assert_close(bounded * torch.linalg.matrix_norm(weight.flatten(1), 2), weight.flatten(1), rtol=1e-2, atol=1e-4)


def test_spectral_scales_do_not_matter(vocab, sentences, unlike):
    """What is learnt is a direction: weights ten times as large give the same score."""
    judge = unlike(Spectral(vocab, LENGTH, Conv(vocab, LENGTH, **SMALL[Conv]))).train()
    for _ in range(10):
        judge(*sentences)
    before = judge.eval()(*sentences)
    with torch.no_grad():
        for name, weight in judge.named_parameters():
            if name.endswith(".original"):
                weight *= 10
    assert_close(judge(*sentences), before)


def test_spectral_follows_the_value_in_train_mode_only(vocab, sentences):
    judge = Spectral(vocab, LENGTH, Conv(vocab, LENGTH, **SMALL[Conv])).eval()
    with torch.no_grad():
        for weight in judge.parameters():
            weight.normal_()
    vectors = [value.clone() for value in judge.buffers()]
    judge(*sentences)
    assert all(one.equal(other) for one, other in zip(vectors, judge.buffers(), strict=True))
    judge.train()(*sentences)
    assert not any(one.equal(other) for one, other in zip(vectors, judge.buffers(), strict=True) if len(one) > 1)


def test_spectral_refuses_what_it_does_not_cover(vocab, real, fake):
    for critic in (Recurrent(vocab, LENGTH), Optimal(vocab, LENGTH, real)):
        with pytest.raises(UserError, match=rf"{type(critic).__name__} is not made of. Use .*critic=conv or transf"):
            Spectral(vocab, LENGTH, critic)
