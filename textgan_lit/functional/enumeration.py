"""Divergences by their names, from the probabilities of everything that P and G can say."""

from __future__ import annotations

import math
import re

import torch
from jaxtyping import Float
from torch import Tensor

TERM = re.compile(r"([+−-])?(?:([\d.]+|½|¼)·?)?(KL|JSD|TV)\(([PGM])(?:‖|,)([PGM])\)")


def divergence(name: str, p: Float[Tensor, " N"], g: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    r"""The value of a sum such as "KL(G‖P) − 2·JSD(P‖G)", in nats; can be differentiated in ``g``.

    .. math:: \mathrm{KL}(a\|b) = \sum_x a \log\frac{a}{b}, \quad
              \mathrm{JSD}(a\|b) = \tfrac12 \mathrm{KL}\big(a\|\tfrac{a+b}{2}\big)
              + \tfrac12 \mathrm{KL}\big(b\|\tfrac{a+b}{2}\big), \quad \mathrm{TV}(a, b) = \tfrac12 \sum_x |a - b|

    of P, G and M = (P + G)/2. ``p`` and ``g`` hold the probabilities of the same sentences, all there are.

    >>> p, g = torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.25])
    >>> divergence("TV(P, G)", p, g), divergence("2·KL(P‖M) − KL(P‖M)", p, p)
    (tensor(0.2500), tensor(0.))
    """
    compact = re.sub(r"\s", "", name)
    terms = list(TERM.finditer(compact))
    if not terms or "".join(term[0] for term in terms) != compact:
        raise ValueError(f"{name!r} is not a sum of KL(a‖b), JSD(a‖b) and TV(a, b) of P, G and M.")
    of, total = {"P": p, "G": g, "M": (p + g) / 2}, torch.zeros_like(p[0])
    for sign, times, kind, left, right in (term.groups() for term in terms):
        factor = {None: 1.0, "½": 0.5, "¼": 0.25}.get(times) or float(times)
        total = total + math.copysign(factor, 1 if sign in (None, "+") else -1) * KINDS[kind](of[left], of[right])
    return total


def _kl(a: Tensor, b: Tensor) -> Tensor:
    return torch.xlogy(a, a / b).sum()


def _jsd(a: Tensor, b: Tensor) -> Tensor:
    return (_kl(a, (a + b) / 2) + _kl(b, (a + b) / 2)) / 2


def _tv(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().sum() / 2


KINDS = {"KL": _kl, "JSD": _jsd, "TV": _tv}
