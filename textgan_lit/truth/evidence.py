"""Contributions of sentences to the truth panel: one number a sentence, one a position, in float64.

What is summed over the vocabulary rather than sampled (Rao-Blackwell): the chain-rule JSD, both KLs, entropies
and NLLs. So NLL_test = H(P) + KL(P‖G) and NLL_oracle = H(G) + KL(G‖P) hold exactly in what is printed.

A generator that writes in another order than that of reading is compared with P step by step in its own order: a
prefix is what it has written so far. Where P's tokens in that order are not known (a world too large to list), only
whole sentences are compared: nothing is summed over the vocabulary, and what belongs to prefixes is absent.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from textgan_lit.functional.divergence import (
    before,
    compare,
    direct_jsd,
    prefix_log_ratio,
    regret,
)
from textgan_lit.functional.likelihood import token_logp
from textgan_lit.types import TextBatch

# one number a sentence
SENTENCE = (
    "tokens",
    "nll",
    "entropy",
    "kl",
    "direct",
    "chain",
    "bayes",
    "regret",
    "nll_bound",
    "kl_bound",
    "characters",
)
POSITION = ("direct", "chain", "reach", "kl", "tv")  # one number a position, summed over sentences


class Evidence(NamedTuple):
    """One set of sentences, seen by both models; tokens and what is said of them are in the order of writing."""

    batch: TextBatch
    p_logits: Float[Tensor, "B T V"] | None  # oracle.predict(batch, Categorical()); None where P is unknown
    g_logits: Float[Tensor, "B T V"] | None  # generator.predict(batch, policy): may hold −inf; None where not exact
    score: Float[Tensor, " B"] | None  # the discriminator's raw logit of the whole sentence
    valid: dict[str, Bool[Tensor, " B"]]  # oracle.validity(batch)
    g_bound: Float[Tensor, " B"] | None = None  # at most log G of the sentence, on average; where that alone is known
    p_logp: Float[Tensor, "B T"] | None = None  # of the tokens in P's own order, where p_logits are not known but P is
    characters: Float[Tensor, " B"] | None = None  # of each sentence as text, where it is some


class Contributions(NamedTuple):
    """What sentences of one side add to a :class:`Truth`, in float64. See :func:`contributions`."""

    sentence: dict[str, Float[Tensor, " B"]]  # by the names in SENTENCE; D's score, and log P/G as ratio
    position: dict[str, Float[Tensor, "B T"]]  # by the names in POSITION


def contributions(evidence: Evidence, is_real: bool) -> Contributions:
    """What these sentences add, by what is known of them."""
    sentence, position = _measured(evidence, is_real)
    if evidence.characters is not None:
        sentence["characters"] = evidence.characters
    if evidence.score is not None:
        sentence["score"] = evidence.score.detach().double()
    return Contributions(sentence, position)


def _measured(evidence: Evidence, is_real: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    tokens, mask = evidence.batch
    length = mask.sum(1).double()
    if evidence.g_logits is None:
        return _without_density(evidence, is_real), {}
    if evidence.p_logits is None:
        g_logp = token_logp(evidence.g_logits, tokens, mask).double()
        if evidence.p_logp is not None:
            return {"tokens": length} | _of_sentences(evidence.p_logp, g_logp, evidence, is_real), {}
        return {"tokens": length, "nll": -g_logp.sum(1)} if is_real else {"tokens": length}, {}
    ratio, at = compare(evidence.p_logits, evidence.g_logits, tokens, mask)
    entropy, kl = (at.entropy_p, at.kl_pg) if is_real else (at.entropy_g, at.kl_gp)
    direct = direct_jsd(ratio if is_real else -ratio)
    sentence = {"tokens": length, "entropy": entropy.sum(1), "kl": kl.sum(1), "chain": at.information.sum(1)}
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
    found = {"tokens": evidence.batch.mask.sum(1).double()}
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
