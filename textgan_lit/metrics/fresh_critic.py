r"""The fresh critic: how much of a difference a discriminator finds that nobody has trained against.

A run's own D has been fooled by its own G, and runs have different Ds. This one is new, has one recipe and one budget
for every run, and is judged on sentences that it has not learnt from:

.. math:: \log 2 - \mathrm{BCE}(D) \le \mathrm{JSD}(P\|G)

so no generator can look worse than it is, but for chance. It can look better: what this critic cannot see is not in
the number. Two-sample tests by a classifier: Lopez-Paz & Oquab 2017, arXiv:1610.06545.
"""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textgan_lit.functional.divergence import direct_jsd, softplus
from textgan_lit.functional.evidence import NUMBERS, Tally, evidence, tallies
from textgan_lit.metrics.base import SetMetric
from textgan_lit.metrics.learning import apart, learn, own
from textgan_lit.types import MANY, TextBatch, Vocab

KEY = "quality/fresh_bound_"
FOLDS = 5
HIDDEN, DROPOUT, FARTHEST = 32, 0.2, 5.0  # units, share, standard deviations beyond which evidence counts no further
RECIPE = {"lr": 5e-3, "batch": 64, "epochs": 30, "patience": 3}
FEWEST = 16  # sentences a side: each fold needs three, so that its mean is one


@final
class _Weigher(nn.Module):
    """Evidence of every token → one logit of "real": each token weighed alike, then sum and maximum (Zaheer et al.
    2017, arXiv:1703.06114). It begins with 0 for all."""

    def __init__(self, longest: int):
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(NUMBERS, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.dropout, self.output, self.straight = nn.Dropout(DROPOUT), nn.Linear(2 * HIDDEN, 1), nn.Linear(NUMBERS, 1)
        self.scale = math.sqrt(longest)  # of a sum over tokens
        for parameter in (*self.output.parameters(), *self.straight.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, seen: Float[Tensor, "B T N"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, " B"]:
        inside = mask.unsqueeze(2)
        weighed = self.weigh(seen) * inside
        pooled = torch.cat([weighed.sum(1) / self.scale, weighed.amax(1)], 1)
        direct = (self.straight(seen) * inside).sum(1) / self.scale
        return (self.output(self.dropout(pooled)) + direct).squeeze(1)


@final
class FreshCritic(SetMetric):
    """A new discriminator's lower bound on JSD(P‖G), cross-fitted: each fifth of the sentences is judged by a critic
    of the other four, the mean of four networks, whose learning another of the four stops.

    Weights, batches and dropout are drawn from names of their own, so the same sentences give the same number in every
    run and on every process, and no stream of the run notices. At most ``max_sentences`` a side are used.
    """

    def __init__(
        self, vocab: Vocab, max_length: int, max_sentences: Annotated[int, Interval(ge=FEWEST, le=MANY)] = 2000
    ):
        super().__init__()
        self.vocab, self.max_length, self.max_sentences = vocab, max_length, max_sentences

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        n = min(len(real.tokens), len(fake.tokens), self.max_sentences)
        if n < FEWEST:
            return {}
        value, se = proved(self.logits(real.first(n), fake.first(n)))
        return {f"{KEY}{n}": value, f"{KEY}{n}_se": se}

    def logits(self, real: TextBatch, fake: TextBatch) -> Float[Tensor, "2 n"]:
        """Log-odds of "real" that the critics of the other folds give each real and each generated sentence."""
        text, n = own(TextBatch(*(torch.cat(parts) for parts in zip(real, fake, strict=True)))), len(real.tokens)
        side, fold = torch.arange(2 * n, device=text.tokens.device).div(n, rounding_mode="floor"), folds(n).repeat(2)
        fold = fold.to(side.device)
        found, logits = tallies(text.tokens, text.mask, side, fold), torch.empty(2 * n, device=side.device)
        for judged in range(FOLDS):
            others = (stop for stop in range(FOLDS) if stop != judged)
            said = [self._asked(found, text.mask, fold, judged, stop) for stop in others]
            logits[fold == judged] = torch.stack(said).mean(0)
        return logits.view(2, n)

    def _asked(
        self, found: list[Tally], mask: Bool[Tensor, "B T"], fold: Int[Tensor, " B"], judged: int, stop: int
    ) -> Float[Tensor, " some"]:
        """What a network that fold ``judged`` has not taught says of it; fold ``stop`` said when it had learnt enough.

        The counts that a sentence is read by are those of the three other folds, whether it teaches or is judged.
        """
        kept, n = fold != judged, len(fold) // 2
        read = evidence(found, _by_token(fold.where(kept, stop), mask), judged, self.vocab.size)
        seen = read.new_zeros(*mask.shape, read.shape[1])
        seen[mask] = _standard(read, _by_token(kept, mask))
        pairs = kept[:n].nonzero().squeeze(1)
        with apart("fresh critic", judged, stop, device=mask.device):
            critic = _Weigher(mask.shape[1]).to(mask.device)

            def loss(rows: Tensor) -> Tensor:
                real, fake = (critic(seen[some], mask[some]) for some in (pairs[rows], pairs[rows] + n))
                return (softplus(-real).mean() + softplus(fake).mean()) / 2

            learn(critic, loss, len(pairs), "fresh critic", judged, stop, **RECIPE, stops=fold[pairs] == stop)
        with torch.no_grad():
            return critic(seen[~kept], mask[~kept])


def folds(n: int) -> Int[Tensor, " n"]:
    return torch.arange(n) % FOLDS


def proved(logits: Float[Tensor, "2 n"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The bound, and the larger of two standard errors: of the sentences, and of the folds, whose critics differ."""
    found = direct_jsd(logits.double() * logits.new_tensor([[1.0], [-1.0]]))
    fold, n = folds(found.shape[1]).to(found.device), found.shape[1]
    sentences = (found.var(1).sum() / n).sqrt() / 2
    means = torch.stack([found[:, fold == one].mean() for one in range(FOLDS)])
    return found.mean(), sentences.maximum(means.std() / math.sqrt(FOLDS))


def compared(before: Float[Tensor, "2 n"], after: Float[Tensor, "2 n"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """How much higher the bound is after than before on the same real sentences, and its standard error, the larger of
    two as in :func:`proved`."""
    sign = before.new_tensor([[1.0], [-1.0]], dtype=torch.double)
    found = (direct_jsd(after.double() * sign) - direct_jsd(before.double() * sign)).mean(0)
    fold, n = folds(len(found)).to(found.device), len(found)
    means = torch.stack([found[fold == one].mean() for one in range(FOLDS)])
    return found.mean(), (found.std() / math.sqrt(n)).maximum(means.std() / math.sqrt(FOLDS))


def _by_token(number: Tensor, mask: Bool[Tensor, "B T"]) -> Tensor:
    return number.repeat_interleave(mask.sum(1))


def _standard(read: Float[Tensor, "W N"], kept: Bool[Tensor, " W"]) -> Float[Tensor, "W N"]:
    """Scales to mean 0 and deviation 1 among the tokens that are ``kept``; what hardly varies there stays small."""
    centre, spread = read[kept].mean(0), read[kept].std(0).clamp_min(0.1)
    return ((read - centre) / spread).clamp(-FARTHEST, FARTHEST)
