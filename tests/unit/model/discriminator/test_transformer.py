"""A width that its heads do not divide."""

import pytest

from tests.helpers.discriminators import LENGTH
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.transformer import Transformer
from textgan_lit.types import Vocab


def test_the_transformer_refuses_heads_that_do_not_divide_its_width():
    with pytest.raises(UserError, match=r"width=10 and heads=4.*that 4 divides, for example 8"):
        Transformer(Vocab(("a", "b")), LENGTH, width=10, heads=4)
