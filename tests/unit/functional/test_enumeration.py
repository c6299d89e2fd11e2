"""Divergences by name, against scipy's and by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from textgan_lit.functional.enumeration import divergence

P, G = (torch.tensor(of, dtype=torch.double) for of in ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4]))
M = (P + G) / 2


def kl(a, b) -> float:
    return float(rel_entr(np.asarray(a), np.asarray(b)).sum())


def jsd(a, b) -> float:
    return float(jensenshannon(a, b) ** 2)


SCIPY = {
    "KL(P‖G)": kl(P, G),
    "KL(G‖P)": kl(G, P),
    "KL(P‖M)": kl(P, M),
    "JSD(P‖G)": jsd(P, G),
    "TV(P, G)": 0.3,  # ½ (0.2 + 0.1 + 0.3)
    "KL(G‖P) − 2·JSD(P‖G)": kl(G, P) - 2 * jsd(P, G),
    "½·KL(P‖G)+0.25·TV(P, G)": kl(P, G) / 2 + 0.075,
    "-KL(G‖M)": -kl(G, M),
    "¼·KL(P‖G)": kl(P, G) / 4,
}


@pytest.mark.parametrize("name", SCIPY)
def test_it_is_what_scipy_says(name):
    assert divergence(name, P, G).item() == pytest.approx(SCIPY[name], rel=1e-9)


def test_log_2_is_the_most_that_a_jsd_can_be():
    apart = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    assert divergence("JSD(P‖G)", *apart).item() == pytest.approx(math.log(2))


def test_the_gradient_is_that_of_g():
    g = G.clone().requires_grad_()
    (slope,) = torch.autograd.grad(divergence("KL(P‖G)", P, g), g)
    torch.testing.assert_close(slope, -P / G)


@pytest.mark.parametrize("name", ["", "KL(P‖Q)", "KL(P‖G) and more", "JSD", "2·"])
def test_what_is_no_divergence_is_refused(name):
    with pytest.raises(ValueError, match="is not a sum of"):
        divergence(name, P, G)
