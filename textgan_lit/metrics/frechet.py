"""Fréchet embedding distance: how far samples lie from real sentences in what a reference LM makes of both."""

from __future__ import annotations

from typing import final

from jaxtyping import Float
from torch import Tensor

from textgan_lit.functional.frechet import frechet
from textgan_lit.metrics.features import FeatureMetric


@final
class Frechet(FeatureMetric):
    """As Cífka et al. 2018 (arXiv:1804.07972) and Semeniuta et al. 2018 (arXiv:1806.04936), but with features from a
    small language model of the validation sentences. ``_real`` is the floor."""

    name = "frechet"

    def between(self, real: Float[Tensor, "N H"], other: Float[Tensor, "N H"]) -> dict[str, Float[Tensor, ""]]:
        return {"": frechet(real, other)}
