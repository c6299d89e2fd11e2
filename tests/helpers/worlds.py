"""Worlds small enough to list every sentence, and weights that make no two tokens alike."""

import pytest
import torch

from textgan_lit.types import TextBatch, Vocab

LENGTH = 4


@pytest.fixture(params=["fixed", "eos"])
def vocab(request):
    """Three tokens; in the second world sentences also end."""
    return Vocab(("a", "b", "c"), has_eos=request.param == "eos")


@pytest.fixture
def sentences(vocab):
    """Every sentence there is: 3⁴ = 81 of fixed length; 1 + 3 + 9 + 27 that end at eos and 81 cut before one."""
    tokens = torch.cartesian_prod(*[torch.arange(vocab.size)] * LENGTH)
    if vocab.eos is None:
        return TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))
    is_eos = tokens == vocab.eos
    tokens = tokens.masked_fill(is_eos.cumsum(1) - is_eos.long() > 0, vocab.pad).unique(dim=0)
    return TextBatch(tokens, tokens != vocab.pad)


@pytest.fixture(scope="session")
def unlike():
    """unlike(module): the module in eval mode with random weights, so that no two tokens or positions look alike."""

    def randomise(module, seed=0):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_(0.0, 0.5, generator=generator)
        return module.eval()

    return randomise
