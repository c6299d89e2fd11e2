"""How the network of a proxy learns."""

import torch

from textgan_lit.metrics.learning import learn


class Weight(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))


def test_the_weights_that_were_best_on_held_out_rows_are_kept():
    """Each epoch is one step of Adam, which updates the weight by its rate; held-out rows like 0.3 best."""
    network = Weight()

    def loss(rows):
        return -network.value if network.training else (network.value - 0.3).abs()

    learn(network, loss, 10, "test", lr=0.1, batch=8, epochs=20, patience=2)
    torch.testing.assert_close(network.value.detach(), torch.tensor(0.3), rtol=0, atol=1e-4)
