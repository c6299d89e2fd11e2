import math

import pytest
import torch

from textgan_lit.data.oracle_lstm import OracleLSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise


@pytest.mark.parametrize("std", [1.0, 0.3])
def test_weights_are_normal_with_the_given_spread(std):
    network = OracleLSTM(vocab_size=300, std=std).network
    weights = [p for name, p in network.named_parameters() if "bias_hh" not in name]
    for weight in weights:  # the sample standard deviation of n numbers strays by std / √(2n)
        assert abs(weight.std() - std) < 4 * std / math.sqrt(2 * weight.numel())
        assert abs(weight.mean()) < 4 * std / math.sqrt(weight.numel())
    assert not network.cores[0].bias_hh_l0.any()  # one bias a gate


def test_sizes_are_those_asked_for():
    oracle = OracleLSTM(vocab_size=7, length=5, embedding=3, hidden=4)
    assert oracle.vocab.tokens == ("0", "1", "2", "3", "4", "5", "6")
    assert (oracle.max_length, oracle.vocab.eos) == (5, None)
    assert oracle.network.embedding.weight.shape == (9, 3)
    assert oracle.network.output.weight.shape == (7, 4)


def test_smaller_weights_make_a_world_nearer_to_uniform():
    def entropy(std):
        oracle = OracleLSTM(vocab_size=50, length=8, std=std)
        return -oracle.sample(Noise(0, "entropy").uniform(500, 8), Categorical()).logp.mean().item()

    assert math.log(50) > entropy(0.1) > entropy(0.5) + 0.05 > entropy(1.0) + 0.1


def test_the_world_does_not_depend_on_torchs_global_stream():
    torch.manual_seed(1)
    first = OracleLSTM(vocab_size=5).fingerprint()
    torch.manual_seed(2)
    assert OracleLSTM(vocab_size=5).fingerprint() == first
