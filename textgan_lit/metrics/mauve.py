"""MAUVE: how well samples and real sentences cover each other, in clusters of what a reference LM makes of them."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize

from textgan_lit.functional.mauve import mauve, principal
from textgan_lit.metrics.features import FeatureMetric
from textgan_lit.noise import stream

POINTS = 10  # of each side a cluster, on average
VARIANCE = 0.9  # share that the directions keep in which clusters are looked for
TRIES = 5  # beginnings of k-means, of which the best end counts


@final
class Mauve(FeatureMetric):
    """As Pillutla et al. 2021 (arXiv:2102.01454) with their defaults (clusters of ten points a side, five beginnings,
    scaling 5, 25 mixtures), but with features from a small language model of the validation sentences in place of
    GPT-2's. ``_real`` is the ceiling, which chance alone keeps below 1 at this size."""

    name, takes = "mauve", "scipy"

    def between(self, real: Float[Tensor, "N H"], other: Float[Tensor, "N H"]) -> dict[str, Float[Tensor, ""]]:
        points = principal(normalize(torch.cat([real, other]).double()), VARIANCE)
        p, q = histograms(points, max(2, round(len(real) / POINTS)))
        return {"": mauve(p, q).to(real.device)}


def histograms(points: Float64[Tensor, "M h"], clusters: int) -> tuple[Float64[Tensor, " K"], Float64[Tensor, " K"]]:
    """How the first and the second half of the points are spread over clusters of all; empty clusters are left out."""
    from scipy.cluster.vq import kmeans, vq

    cloud = points.cpu().numpy()
    starts = (torch.randperm(len(cloud), generator=stream("mauve", number))[:clusters] for number in range(TRIES))
    found = [kmeans(cloud, cloud[start.numpy()]) for start in starts]
    centres, _ = min(found, key=lambda one: one[1])
    labels = torch.from_numpy(vq(cloud, centres)[0]).long().view(2, -1)
    p, q = (side.bincount(minlength=len(centres)).double() / len(side) for side in labels)
    return p, q
