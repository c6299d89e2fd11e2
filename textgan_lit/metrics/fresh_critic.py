r"""The fresh critic: how much of a difference a discriminator finds that nobody has trained against.

A run's own D has been fooled by its own G, and runs have different Ds. This one is new, has one recipe and one budget
for every run, and is judged on sentences that it has not learnt from:

.. math:: \log 2 - \mathrm{BCE}(D) \le \mathrm{JSD}(P\|G)

so no generator can look worse than it is, but for chance. It can look better: what this critic cannot see is not in
the number. Two-sample tests by a classifier: Lopez-Paz & Oquab 2017, arXiv:1610.06545.
"""

from __future__ import annotations

from typing import Annotated, final

import torch
import torch.nn.functional as F
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from textgan_lit.discriminator.base import Discriminator, last_score
from textgan_lit.discriminator.conv import Conv
from textgan_lit.functional.calibration import Bound, bound
from textgan_lit.metrics.base import SetMetric
from textgan_lit.metrics.learning import apart, learn, own, rows_of
from textgan_lit.types import MANY, TextBatch, Vocab

KEY = "quality/fresh_bound_"
FILTERS, EMBEDDING, DROPOUT = ((1, 32), (2, 64), (3, 64)), 32, 0.3
RECIPE = {"lr": 5e-3, "batch": 64, "epochs": 20, "patience": 4}
FEWEST = 16  # sentences a side: each of four parts that are judged needs two to have a spread


@final
class FreshCritic(SetMetric):
    """A new discriminator's calibrated lower bound on JSD(P‖G), cross-fitted: half of the sentences teach it, the other
    half judge it, and the other way round.

    Weights, batches and dropout are drawn from names of their own, so the same sentences give the same number in every
    run and on every process, and no stream of the run notices. ``most`` bounds the sentences a side, and so the time.
    """

    def __init__(self, vocab: Vocab, max_length: int, most: Annotated[int, Interval(ge=FEWEST, le=MANY)] = 2000):
        super().__init__()
        self.vocab, self.max_length, self.most = vocab, max_length, most

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        n = min(len(real.tokens), len(fake.tokens), self.most)
        if n < FEWEST:
            return {}
        real, fake = own(real.first(n)), own(fake.first(n))
        found = [part for half in range(2) for part in self._judged(real, fake, half)]
        value = torch.stack([part.value for part in found]).mean()
        se = torch.stack([part.se for part in found]).square().sum().sqrt() / len(found)
        return {f"{KEY}{n}": value, f"{KEY}{n}_se": se}

    def _judged(self, real: TextBatch, fake: TextBatch, half: int) -> list[Bound]:
        """What one half's critic proves on the other half; its scale is fitted on one part of that and judged on the
        other, both ways."""
        taught, judged = slice(half, None, 2), slice(1 - half, None, 2)
        with apart("fresh critic", half, device=real.tokens.device):
            critic = self._taught(rows_of(real, taught), rows_of(fake, taught), half)
        scores = [score(critic, rows_of(side, judged)) for side in (real, fake)]
        return [bound(*scores), bound(*(side.roll(1) for side in scores))]

    def _taught(self, real: TextBatch, fake: TextBatch, half: int) -> Discriminator:
        device = real.tokens.device
        critic = Conv(self.vocab, self.max_length, FILTERS, EMBEDDING, DROPOUT).to(device)

        def loss(rows: Tensor) -> Tensor:
            scores = (last_score(critic(*some), some.mask) for some in (rows_of(real, rows), rows_of(fake, rows)))
            return (F.softplus(-next(scores)).mean() + F.softplus(next(scores)).mean()) / 2

        return learn(critic, loss, len(real.tokens), "fresh critic", half, **RECIPE)


@torch.no_grad()
def score(critic: Discriminator, batch: TextBatch) -> Float[Tensor, " B"]:
    parts = zip(batch.tokens.split(1000), batch.mask.split(1000), strict=True)
    return torch.cat([last_score(critic(*part), part[1]) for part in parts])
