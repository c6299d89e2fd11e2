r"""The truth beside every proxy: exact divergences where P is known, and what the discriminator claims.

One :class:`Truth` sees real and generated sentences with both models' full next-word distributions. Every
number is a mean over sentences with its standard error, ½ √(var_real/n + var_fake/n) where both sides count.
A quantity that was not measured is absent, never 0; one that is infinite says inf.

What is summed over the vocabulary rather than sampled (Rao-Blackwell): the chain-rule JSD, both KLs, entropies
and NLLs. So NLL_test = H(P) + KL(P‖G) and NLL_oracle = H(G) + KL(G‖P) hold exactly in what is printed.

A generator that writes in another order than that of reading is compared with P step by step in its own order: a
prefix is what it has written so far. Where P's words in that order are not known (a world too large to list), only
whole sentences are compared: nothing is summed over the vocabulary, and what belongs to prefixes is absent.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torchmetrics import Metric

from textgan_lit.data.oracle import Oracle
from textgan_lit.functional import calibration
from textgan_lit.functional.divergence import (
    before,
    compare,
    direct_jsd,
    exposure_error,
    horizon,
    prefix_log_ratio,
    regret,
    reweighted_jsd,
    unseen,
)
from textgan_lit.functional.likelihood import token_logp
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.latent import Latent
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.model.sampling import sample
from textgan_lit.noise import Noise
from textgan_lit.run.distributed import dealt
from textgan_lit.types import TextBatch

# one number a sentence
SENTENCE = ("words", "nll", "entropy", "kl", "direct", "chain", "bayes", "regret", "nll_bound", "kl_bound")
POSITION = ("direct", "chain", "reach", "kl", "tv")  # one number a position, summed over sentences
NUMBERS_AT_ONCE = 4_000_000  # of a [B T V] of logits: 16 MB each of P's and G's
UNSEEN = 0.05  # of real sentences may score above all samples; beyond, what weights would bring back was never drawn

Score = Callable[[TextBatch], Float[Tensor, " B"]]


class Evidence(NamedTuple):
    """One set of sentences, seen by both models; words and what is said of them are in the order of writing."""

    batch: TextBatch
    p_logits: Float[Tensor, "B T V"] | None  # oracle.predict(batch, Categorical()); None where P is unknown
    g_logits: Float[Tensor, "B T V"] | None  # generator.predict(batch, policy): may hold −inf; None where not exact
    score: Float[Tensor, " B"] | None  # the discriminator's raw logit of the whole sentence
    valid: dict[str, Bool[Tensor, " B"]]  # oracle.validity(batch)
    g_bound: Float[Tensor, " B"] | None = None  # at most log G of the sentence, on average; where that alone is known
    p_logp: Float[Tensor, "B T"] | None = None  # of the words in P's own order, where p_logits are not known but P is


class Contributions(NamedTuple):
    """What sentences of one side add to a :class:`Truth`, in float64. See :func:`contributions`."""

    sentence: dict[str, Float[Tensor, " B"]]  # by the names in SENTENCE; D's score, and log P/G as ratio
    position: dict[str, Float[Tensor, "B T"]]  # by the names in POSITION


@dataclass(frozen=True)
class Side:
    """Moments of one number a sentence each, over the sentences that P or that G wrote."""

    moments: Float[Tensor, "K 4"]  # n, Σ x, Σ x², Σ x·words for every name in SENTENCE

    def __contains__(self, name: str) -> bool:
        return bool(self._of(name)[0] > 0)

    def _of(self, name: str) -> tuple[Tensor, ...]:
        return self.moments[SENTENCE.index(name)].unbind()

    def mean(self, name: str) -> Tensor:
        n, total, _, _ = self._of(name)
        return total / n

    def error(self, name: str) -> Tensor:
        """Squared standard error of the mean; inf where it is unknown."""
        n, total, square, _ = self._of(name)
        return _or_inf((square - total * total / n).clamp_min(0) / (n - 1) / n)

    def per_word(self, name: str) -> Tensor:
        """Total over total words."""
        return self._of(name)[1] / self._of("words")[1]

    def per_word_se(self, name: str) -> Tensor:
        """Of a ratio of two means, by the delta method: the spread of x − ratio × words."""
        n, _, square, with_words = self._of(name)
        words, ratio = self._of("words"), self.per_word(name)
        spread = (square - 2 * ratio * with_words + ratio**2 * words[2]).clamp_min(0) / (n - 1)
        return _or_inf((spread / n).sqrt() / self.mean("words"))


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
            self.add_state(f"{side}_sentence", torch.zeros(len(SENTENCE), 4, dtype=torch.float64), "sum")
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
            terms = torch.stack([torch.ones_like(x), x, x * x, x * sentence["words"]])
            moments[SENTENCE.index(name)] += terms.sum(1)
        for name, value in found.position.items():
            x = value.sum(0)
            # after its last word a sentence shows what it showed there (direct), or has nothing to add
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
        """By position: ``prefix_jsd`` (chain rule) and ``prefix_jsd_direct`` of the first t words, over all sentences;
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
        if jsd is not None:
            found["gap"] = jsd - bound.value
            if unseen(*scores) <= UNSEEN:
                ratios = _joined(self.real_ratio), _joined(self.fake_ratio)
                left = reweighted_jsd(ratios[0], scores[0], ratios[1], scores[1])
                found |= dict(zip(("reweighted_jsd", "reweighted_jsd_se", "effective_share"), left, strict=True))
        return {f"bound/{name}": value for name, value in found.items()}


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
    return dealt(state) if isinstance(state, Tensor) else torch.cat(state)


def contributions(evidence: Evidence, is_real: bool) -> Contributions:
    """What these sentences add, by what is known of them."""
    sentence, position = _measured(evidence, is_real)
    if evidence.score is not None:
        sentence["score"] = evidence.score.detach().double()
    return Contributions(sentence, position)


def _measured(evidence: Evidence, is_real: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    tokens, mask = evidence.batch
    words = mask.sum(1).double()
    if evidence.g_logits is None:
        return _without_density(evidence, is_real), {}
    if evidence.p_logits is None:
        g_logp = token_logp(evidence.g_logits, tokens, mask).double()
        if evidence.p_logp is not None:
            return {"words": words} | _of_sentences(evidence.p_logp, g_logp, evidence, is_real), {}
        return {"words": words, "nll": -g_logp.sum(1)} if is_real else {"words": words}, {}
    ratio, at = compare(evidence.p_logits, evidence.g_logits, tokens, mask)
    entropy, kl = (at.entropy_p, at.kl_pg) if is_real else (at.entropy_g, at.kl_gp)
    direct = direct_jsd(ratio if is_real else -ratio)
    sentence = {"words": words, "entropy": entropy.sum(1), "kl": kl.sum(1), "chain": at.information.sum(1)}
    sentence |= {"nll": sentence["entropy"] + sentence["kl"], "direct": direct[:, -1]}
    sentence |= {"bayes": ratio[:, -1].abs().sigmoid(), "ratio": ratio[:, -1]}
    if evidence.score is not None:
        sentence["regret"] = regret(ratio[:, -1], evidence.score)
    reach = mask & ~before(ratio).isneginf()
    position = {"direct": direct, "chain": at.information, "reach": reach.double()}
    position |= {"kl": at.kl_pg.masked_fill(~reach, 0.0), "tv": at.tv.masked_fill(~reach, 0.0)}
    return sentence, position


def _without_density(evidence: Evidence, is_real: bool) -> dict[str, Tensor]:
    """What can be said of a generator that does not know log G(x): P's own NLL of its sentences, and what its bound on
    log G makes of real ones."""
    found = {"words": evidence.batch.mask.sum(1).double()}
    p = None if evidence.p_logits is None else token_logp(evidence.p_logits, *evidence.batch).double().sum(1)
    if not is_real and p is not None:
        found["nll"] = -p
    if is_real and evidence.g_bound is not None:
        found["nll_bound"] = -evidence.g_bound.double()
        if p is not None:
            found["kl_bound"] = p - evidence.g_bound.double()
    return found


def _of_sentences(
    p_logp: Float[Tensor, "B T"], g_logp: Float[Tensor, "B T"], evidence: Evidence, is_real: bool
) -> dict[str, Float[Tensor, " B"]]:
    """What whole sentences add, from their two probabilities alone."""
    ratio = prefix_log_ratio(p_logp, g_logp, evidence.batch.mask)[:, -1]
    own, logp = (ratio, p_logp) if is_real else (-ratio, g_logp)
    found = {"entropy": -logp.double().sum(1), "kl": own, "direct": direct_jsd(own)}
    found |= {"nll": found["entropy"] + own, "bayes": ratio.abs().sigmoid(), "ratio": ratio}
    return found | ({} if evidence.score is None else {"regret": regret(ratio, evidence.score)})


def _likelihoods(real: Side, fake: Side) -> dict[str, Tensor]:
    """NLL per word, and its split into an entropy and a KL where P is known."""
    found = {}
    names = ("nll_test", "entropy_p", "kl_pg"), ("nll_oracle", "entropy_g", "kl_gp")
    for side, (nll, entropy, kl) in zip((real, fake), names, strict=True):
        if "nll" in side:
            found |= {nll: side.per_word("nll"), f"{nll}_se": side.per_word_se("nll")}
        if "kl" in side:
            found |= {kl: side.mean("kl"), f"{kl}_se": side.error("kl").sqrt(), f"{kl}_word": side.per_word("kl")}
            found[entropy] = side.per_word("entropy")
    if "nll_bound" in real:
        found |= {"nll_test_bound": real.per_word("nll_bound"), "nll_test_bound_se": real.per_word_se("nll_bound")}
    if "kl_bound" in real:
        found |= {"kl_pg_bound": real.mean("kl_bound"), "kl_pg_bound_se": real.error("kl_bound").sqrt()}
    return {f"truth/{name}": value for name, value in found.items()}


class Models(NamedTuple):
    """Who looks at sentences: the oracle where P is known, the generator under its policy, a discriminator's score.

    Where the generator has a bound on log G(x) in place of it, that is measured if there is ``noise`` for it.
    """

    oracle: Oracle | None
    generator: Generator
    policy: Policy
    score: Score | None = None
    noise: Noise | None = None

    def examine(self, batch: TextBatch, uniform: Float[Tensor, "B K L"] | None = None) -> Evidence:
        """What they say about these sentences; ``uniform`` is the noise of a bound."""
        written, exact = self.generator.written, self.generator.likelihood == "exact"
        return Evidence(
            batch=TextBatch(*map(written, batch)),
            g_logits=written(self.generator.predict(batch, self.policy)) if exact else None,
            score=None if self.score is None else self.score(batch),
            valid={} if self.oracle is None else self.oracle.validity(batch),
            g_bound=None if uniform is None else self.generator.bound(batch, self.policy, uniform),
            **self._of_oracle(batch),
        )

    def _of_oracle(self, batch: TextBatch) -> dict[str, Tensor | None]:
        if self.oracle is None or self.generator.as_read:
            return {"p_logits": None if self.oracle is None else self.oracle.predict(batch, Categorical())}
        logits = self.oracle.predict_in(self.generator.order_of_writing, self.generator.written(batch.tokens))
        return {"p_logits": logits, "p_logp": self.oracle.logp(batch, Categorical()) if logits is None else None}

    @torch.no_grad()
    def add_to(self, truth: Truth, real: TextBatch | None, fake: TextBatch | None) -> None:
        """Adds both sets of sentences to ``truth``, a few at a time: [B T V] of logits are large."""
        for side, batch in enumerate((real, fake)):
            if batch is None:
                continue
            rows = NUMBERS_AT_ONCE // (self.generator.vocab.size * batch.tokens.shape[1]) + 1
            for few, uniform in zip(_parts(batch, rows), self._of_bound(batch, rows, side == 0), strict=False):
                seen = self.examine(few, uniform)
                truth.update(*((seen, None) if side == 0 else (None, seen)))

    def _of_bound(self, batch: TextBatch, rows: int, is_real: bool) -> Iterator[Tensor | None]:
        """The noise of a bound on log G of real sentences, drawn for all of them at once: whoever has which rows."""
        if not (is_real and self.noise and isinstance(self.generator, Latent)):
            return itertools.repeat(None)
        uniform = self.noise.uniform(len(batch.tokens), self.generator.proposals, self.generator.latent)
        return iter(uniform.split(rows))


@torch.no_grad()
def measure(models: Models, real: TextBatch, noise: Float[Tensor, "B uniforms"], batch: int = 500) -> Truth:
    """The truth about a generator under a policy: all real sentences, and one generated sentence a row of noise.

    A score gives a discriminator's raw logit of every sentence of a batch (it should be in eval mode). The
    generator is in eval mode meanwhile; no random number is drawn. Memory: a few logits of at most ``batch`` rows.
    """
    truth = Truth(max(real.tokens.shape[1], models.generator.max_length)).to(noise.device)
    with _evaluating(models.generator):
        for real_part, noise_part in zip_longest(_parts(real, batch), noise.split(batch)):
            fake_part = None
            if noise_part is not None:
                fake_part = sample(models.generator, noise_part, models.policy).batch
            models.add_to(truth, real_part, fake_part)
    return truth


def _parts(batch: TextBatch, rows: int) -> Iterator[TextBatch]:
    return (TextBatch(*part) for part in zip(batch.tokens.split(rows), batch.mask.split(rows), strict=True))


@contextmanager
def _evaluating(player: nn.Module) -> Iterator[None]:
    """Eval mode; then every module is back in the mode it was in."""
    modes = [(module, module.training) for module in player.modules()]
    player.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
