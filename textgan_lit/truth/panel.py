"""The truth beside every proxy: exact divergences where P is known, and what the discriminator claims.

One :class:`Truth` sees real and generated sentences with both models' full next-token distributions. Every
number is a mean over sentences with its standard error, ½ √(var_real/n + var_fake/n) where both sides count.
A quantity that was not measured is absent, never 0; one that is infinite says inf.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from textgan_lit.functional import calibration
from textgan_lit.functional.correlation import pearson, spearman, spearman_se
from textgan_lit.functional.divergence import (
    exposure_error,
    horizon,
    reweighted_jsd,
    unseen,
)
from textgan_lit.run.distributed import unshard
from textgan_lit.truth.evidence import POSITION, SENTENCE, Contributions, Evidence, contributions

Unit = Literal["tokens", "characters"]
UNITS: tuple[Unit, ...] = get_args(Unit)
REWEIGHTED = "bound/reweighted_jsd", "bound/reweighted_jsd_se", "bound/effective_share"
UNSEEN = 0.05  # of real sentences may score above all samples; beyond, what weights would bring back was never drawn


@dataclass(frozen=True)
class Side:
    """Moments of one number a sentence each, over the sentences that P or that G wrote."""

    moments: Float[Tensor, "K 5"]  # n, Σ x, Σ x², Σ x·tokens, Σ x·characters for every name in SENTENCE

    def __contains__(self, name: str) -> bool:
        return bool(self._of(name)[0] > 0)

    def _of(self, name: str) -> tuple[Tensor, ...]:
        return self.moments[SENTENCE.index(name)].unbind()

    def mean(self, name: str) -> Tensor:
        n, total, *_ = self._of(name)
        return total / n

    def error(self, name: str) -> Tensor:
        """Squared standard error of the mean; inf where it is unknown."""
        n, total, square, *_ = self._of(name)
        return _or_inf((square - total * total / n).clamp_min(0) / (n - 1) / n)

    def per(self, unit: Unit, name: str) -> Tensor:
        """Total over all tokens, or all characters."""
        return self._of(name)[1] / self._of(unit)[1]

    def per_se(self, unit: Unit, name: str) -> Tensor:
        """Standard error of a ratio of two means, by the delta method: the spread of x − ratio × tokens."""
        n, _, square, *products = self._of(name)
        units, ratio = self._of(unit), self.per(unit, name)
        with_units = products[UNITS.index(unit)]
        spread = (square - 2 * ratio * with_units + ratio**2 * units[2]).clamp_min(0) / (n - 1)
        return _or_inf((spread / n).sqrt() / self.mean(unit))


def _or_inf(x: Tensor) -> Tensor:
    return x.where(x.isfinite(), torch.full_like(x, math.inf))


def _both(real: Side, fake: Side, name: str) -> tuple[Tensor, Tensor]:
    """½ E_P + ½ E_G, and its standard error."""
    return (real.mean(name) + fake.mean(name)) / 2, (real.error(name) + fake.error(name)).sqrt() / 2


@final
class Truth(Metric):
    """Exact divergences, NLLs with their split, horizon, exposure bias; bounds and regret of a discriminator.

    ::

        update(real, fake)   Evidence each; None for a side that has nothing to add this time
        compute()            scalars by the keys of docs/metrics.md: truth/… and bound/…
        curves()             Float[T] by name; NaN at a position that no sentence reaches
    reliability()        of a discriminator's confidence, Float[bins] by name

    ``truth/jsd`` is jsd_chain with jsd_direct beside it as a check, or jsd_direct where only whole sentences can be
    compared; never whichever has the smaller estimated error, for near log 2 the direct form's is estimated from
    sentences that happen to lack the overlap. Which rows the bound is fitted on depends on the order of the sentences;
    nothing else does. States are sums, and the scores.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, max_length: int):
        super().__init__()
        self.max_length = max_length
        self.rules: tuple[str, ...] = ()
        for side in ("real", "fake"):
            self.add_state(f"{side}_sentence", torch.zeros(len(SENTENCE), 3 + len(UNITS), dtype=torch.float64), "sum")
            self.add_state(f"{side}_position", torch.zeros(len(POSITION), max_length, dtype=torch.float64), "sum")
            self.add_state(f"{side}_score", [], "cat")
            self.add_state(f"{side}_ratio", [], "cat")  # log P/G of whole sentences, where D scores them
        self.add_state("valid", [], "cat")  # Bool[B rules] of generated sentences

    def update(self, real: Evidence | None, fake: Evidence | None) -> None:
        for side, evidence in (("real", real), ("fake", fake)):
            if evidence is not None and len(evidence.batch.tokens):
                self.add(side, contributions(evidence, is_real=side == "real"))
        if fake is not None and fake.valid:
            self.rules = tuple(sorted(fake.valid))
            self.valid.append(torch.stack([fake.valid[rule] for rule in self.rules], 1))

    def add(self, side: Literal["real", "fake"], found: Contributions) -> None:
        """What sentences of one side add; :meth:`update` asks both models for it."""
        moments, curves = getattr(self, f"{side}_sentence"), getattr(self, f"{side}_position")
        sentence = found.sentence
        for name in sentence.keys() & set(SENTENCE):
            x = sentence[name]
            units = (x * sentence[unit] if unit in sentence else torch.zeros_like(x) for unit in UNITS)
            terms = torch.stack([torch.ones_like(x), x, x * x, *units])
            moments[SENTENCE.index(name)] += terms.sum(1)
        for name, value in found.position.items():
            x = value.sum(0)
            # after its last token a sentence shows what it showed there (direct), or has nothing to add
            more, mode = (0, self.max_length - len(x)), "replicate" if name == "direct" else "constant"
            curves[POSITION.index(name)] += F.pad(x.unsqueeze(0), more, mode).squeeze(0)
        if "score" in sentence:
            getattr(self, f"{side}_score").append(sentence["score"])
            if "ratio" in sentence:
                getattr(self, f"{side}_ratio").append(sentence["ratio"])

    def compute(self) -> dict[str, Tensor]:
        real, fake = Side(self.real_sentence), Side(self.fake_sentence)
        found = _likelihoods(real, fake) | self._divergences(real, fake) | self._validity()
        return found | self._bounds(real, fake, found.get("truth/jsd"))

    def curves(self) -> dict[str, Float[Tensor, " T"]]:
        """By position: ``prefix_jsd`` (chain rule) and ``prefix_jsd_direct`` of the first t tokens, over all sentences;
        KL(P_t‖G_t) and total variation over the data's prefixes (``teacher_forced_…``) and the generator's own
        (``free_running_…``), over the sentences that reach t by a prefix that P can write."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._curves()

    def reliability(self) -> dict[str, Float[Tensor, " bins"]]:
        """The reliability diagram of D as it is: its mean probability (``confidence``), how often it is right to say
        real (``frequency``), and the ``share`` of all sentences, in each tenth that holds any; {} without a D."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            real, fake = _joined(self.real_score), _joined(self.fake_score)
            if real is None or fake is None:
                return {}
            _, *columns = calibration.reliability(real, fake)
            names = ("reliability_confidence", "reliability_frequency", "reliability_share")
            return dict(zip(names, columns, strict=True))

    def _curves(self) -> dict[str, Tensor]:
        sides = [(self.real_sentence, self.real_position), (self.fake_sentence, self.fake_position)]
        real, fake = (dict(zip(POSITION, sums, strict=True)) for _, sums in sides)
        n_real, n_fake = (sentence[SENTENCE.index("chain"), 0] for sentence, _ in sides)
        if not (n_real and n_fake):
            return {}
        return {
            "prefix_jsd": (real["chain"] / n_real + fake["chain"] / n_fake).cumsum(0) / 2,
            "prefix_jsd_direct": (real["direct"] / n_real + fake["direct"] / n_fake) / 2,
            "teacher_forced_kl": real["kl"] / real["reach"],
            "free_running_kl": fake["kl"] / fake["reach"],
            "teacher_forced_tv": real["tv"] / real["reach"],
            "free_running_tv": fake["tv"] / fake["reach"],
        }

    def _divergences(self, real: Side, fake: Side) -> dict[str, Tensor]:
        if "direct" not in real or "direct" not in fake:
            return {}
        direct, curves = _both(real, fake, "direct"), self._curves()
        jsd = _both(real, fake, "chain") if curves else direct
        found = {"jsd": jsd[0], "jsd_se": jsd[1], "jsd_direct": direct[0], "jsd_direct_se": direct[1]}
        found["bayes_accuracy"] = _both(real, fake, "bayes")[0]
        if curves:
            found |= {"jsd_chain": jsd[0], "jsd_chain_se": jsd[1]} | _of_prefixes(curves)
        return {f"truth/{name}": value for name, value in found.items()}

    def _validity(self) -> dict[str, Tensor]:
        valid = _joined(self.valid)
        if valid is None:
            return {}
        shares = dict(zip(self.rules, valid.double().mean(0), strict=True))
        shares["any"] = valid.any(1).double().mean()
        return {f"truth/valid_{rule}": share for rule, share in shares.items()}

    def _bounds(self, real: Side, fake: Side, jsd: Tensor | None) -> dict[str, Tensor]:
        scores = _joined(self.real_score), _joined(self.fake_score)
        if any(score is None or len(score) < 4 for score in scores):
            return {}
        bound = calibration.bound(*scores)
        found = {"value": bound.value, "se": bound.se, "raw": bound.raw, "accuracy": bound.accuracy}
        found["raw_se"] = bound.raw_se
        found["calibration_error"] = calibration.reliability(*scores).error
        if "regret" in real and "regret" in fake:
            found["regret"], found["regret_se"] = _both(real, fake, "regret")
        found = {f"bound/{name}": value for name, value in found.items()}
        if jsd is not None:
            ratios = _joined(self.real_ratio), _joined(self.fake_ratio)
            found |= {"bound/gap": jsd - bound.value} | _follows(scores[1], ratios[1])
            if unseen(*scores) <= UNSEEN:
                left = reweighted_jsd(ratios[0], scores[0], ratios[1], scores[1])
                found |= dict(zip(REWEIGHTED, left, strict=True))
        return found


def _follows(score: Float[Tensor, " N"], ratio: Float[Tensor, " N"]) -> dict[str, Tensor]:
    """How well D's score of samples follows log P/G, by ranks and linearly; absent where either is always the same."""
    sides, found = (score.tolist(), ratio.tolist()), {}
    if (ranks := spearman(*sides)) is not None:
        found |= {"reward_correlation": ranks, "reward_correlation_se": spearman_se(ranks, len(score))}
    if (linear := pearson(*sides)) is not None:
        found |= dict(zip(("reward_correlation_linear", "reward_correlation_linear_se"), linear, strict=True))
    return {f"truth/{name}": ratio.new_tensor(value) for name, value in found.items()}


def _of_prefixes(curves: dict[str, Float[Tensor, " T"]]) -> dict[str, Tensor]:
    """What the curves come to, where that is known."""
    found = {
        "horizon": horizon(curves["prefix_jsd"]),
        "exposure_error": exposure_error(curves["free_running_kl"], curves["teacher_forced_kl"]),
        "exposure_tv": exposure_error(curves["free_running_tv"], curves["teacher_forced_tv"]),
    }
    return {name: curves["prefix_jsd"].new_tensor(value) for name, value in found.items() if value is not None}


def _joined(state: list[Tensor] | Tensor) -> Tensor | None:
    """A cat-state in the order of one process: a list before ranks are synchronised and a tensor after."""
    if not len(state):
        return None
    return unshard(state) if isinstance(state, Tensor) else torch.cat(state)


def _likelihoods(real: Side, fake: Side) -> dict[str, Tensor]:
    """NLL per token, per character of text, and its split into an entropy and a KL where P is known."""
    found = {}
    names = ("nll_test", "entropy_p", "kl_pg"), ("nll_oracle", "entropy_g", "kl_gp")
    for side, (nll, entropy, kl) in zip((real, fake), names, strict=True):
        if "nll" in side:
            found |= {nll: side.per("tokens", "nll"), f"{nll}_se": side.per_se("tokens", "nll")}
        if "kl" in side:
            found |= {kl: side.mean("kl"), f"{kl}_se": side.error("kl").sqrt(), f"{kl}_token": side.per("tokens", "kl")}
            found[entropy] = side.per("tokens", "entropy")
    if "nll" in real and "characters" in real:
        nats = real.per("characters", "nll"), real.per_se("characters", "nll")
        found |= dict(zip(("nll_test_character", "nll_test_character_se"), nats, strict=True))
    if "nll_bound" in real:
        nats = real.per("tokens", "nll_bound"), real.per_se("tokens", "nll_bound")
        found |= dict(zip(("nll_test_bound", "nll_test_bound_se"), nats, strict=True))
    if "kl_bound" in real:
        found |= {"kl_pg_bound": real.mean("kl_bound"), "kl_pg_bound_se": real.error("kl_bound").sqrt()}
    return {f"truth/{name}": value for name, value in found.items()}
