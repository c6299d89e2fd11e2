"""Sentences of unequal length are read in groups, and nothing within them is different."""

import pytest
import torch

from textgan_lit.functional.ragged import ENOUGH, by_length


class Running(torch.nn.Module):
    """The running sum of what each position says, times a number of the row; counts the positions that it was given."""

    def __init__(self):
        super().__init__()
        self.table, self.seen = torch.nn.Embedding(50, 3), 0

    def forward(self, tokens, scale):
        self.seen += tokens.numel()
        return self.table(tokens).cumsum(1) * scale[:, None, None]


def ragged(rows, columns, longest):
    generator = torch.Generator().manual_seed(0)
    length = torch.randint(1, longest + 1, (rows, 1), generator=generator)
    length[rows // 2] = columns
    return torch.randint(0, 50, (rows, columns), generator=generator), torch.arange(columns) < length


@pytest.mark.parametrize(("rows", "columns", "longest"), [(256, 64, 20), (256, 64, 64), (8, 64, 9), (1, 5, 5)])
def test_what_stands_in_a_sentence_is_the_same_and_so_are_gradients(rows, columns, longest):
    tokens, mask = ragged(rows, columns, longest)
    scale, slopes, outputs = torch.linspace(1, 2, rows), [], []
    for run in (lambda network: network(tokens, scale), lambda network: by_length(network, mask, tokens, scale)):
        torch.manual_seed(0)
        network = Running()
        outputs.append(run(network) * mask.unsqueeze(2))
        outputs[-1].square().sum().backward()
        slopes.append(network.table.weight.grad)
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*slopes)


def test_short_sentences_do_not_pay_for_a_long_one():
    tokens, mask = ragged(256, 64, 20)
    network = Running()
    by_length(network, mask, tokens, torch.ones(256))
    assert network.seen < 0.45 * tokens.numel()


@pytest.mark.parametrize(("rows", "longest"), [(256, 64), (8, 9)], ids=["of all lengths but short", "few"])
def test_where_little_is_saved_they_are_read_together(rows, longest):
    tokens, mask = ragged(rows, 64, longest)
    mask |= torch.arange(64) < 64 * ENOUGH * 0.99
    network, calls = Running(), []
    by_length(lambda *given: calls.append(1) or network(*given), mask, tokens, torch.ones(rows))
    assert calls == [1]
