"""Several views of the same tokens."""

import torch
from torch.testing import assert_close

from tests.helpers.discriminators import LENGTH, SMALL
from textgan_lit.model.discriminator.conv import Conv


@torch.no_grad()
def test_several_views_are_judged_by_the_mean_of_what_each_says(vocab, sentences, unlike):
    judge = unlike(Conv(vocab, LENGTH, **SMALL[Conv], views=3))
    each = []
    for view in judge.embedding.weight.chunk(3, 1):
        one = Conv(vocab, LENGTH, **SMALL[Conv]).eval()
        one.load_state_dict(judge.state_dict() | {"embedding.weight": view})
        each.append(one(*sentences))
    assert (each[0] - each[1]).abs().max() > 0.1
    assert_close(judge(*sentences), torch.stack(each).mean(0))
