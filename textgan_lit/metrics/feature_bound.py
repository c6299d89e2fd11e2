"""What somebody else's frozen model of sentences can prove of a difference: no game has trained against it."""

from __future__ import annotations

from typing import final

from jaxtyping import Float
from torch import Tensor

from textgan_lit.functional.calibration import bound
from textgan_lit.functional.discriminant import cross_fitted
from textgan_lit.metrics.features import FeatureMetric


@final
class FeatureBound(FeatureMetric):
    """A lower bound on JSD(P‖G), log 2 − BCE, from a linear discriminant of features: each fifth of the sentences is
    judged by that of the other four. What the features do not tell is not in it. ``_real`` is between real sentences,
    0 but for chance."""

    name = "feature_bound"

    def between(self, real: Float[Tensor, "N H"], other: Float[Tensor, "N H"]) -> dict[str, Float[Tensor, ""]]:
        found = bound(*cross_fitted(real, other))
        return {"": found.value.to(real.device), "_se": found.se.to(real.device)}
