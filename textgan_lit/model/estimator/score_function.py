"""The score-function gradient: REINFORCE with a discriminator as reward."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple, final

import torch
from annotated_types import Ge, Gt, Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit.errors import UserError
from textgan_lit.functional.policy_gradient import clipped_surrogate, surrogate
from textgan_lit.model.baseline import Baseline, SelfNormalised
from textgan_lit.model.credit import Credit, Terminal, returns
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.policy import Tempered
from textgan_lit.model.reward import Reward
from textgan_lit.model.weights import check_fit
from textgan_lit.run.distributed import all_mean, gather, shard
from textgan_lit.run.schema import Count, check, form
from textgan_lit.types import Outcome, Samples, TextBatch, Written


class ScoredSamples(NamedTuple):
    """Samples, how likely they were when they were written, and what their tokens earned, before and after baseline."""

    tokens: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    logp: Float[Tensor, "B T"]
    latent: Float[Tensor, "B L"]
    value: Float[Tensor, "B T"]
    advantage: Float[Tensor, "B T"]


KEPT = form(kept=form(**dict.fromkeys(ScoredSamples._fields, Tensor)) | None, used=Count)


@final
class ScoreFunction(Loss):
    """Sample, score, reward, credit, baseline; then Σ_t advantage · log G(x_t | x<t) (Williams 1992).

    ``num_iterations`` generator steps in a row share one set of samples; with more than one the step is PPO's, its
    ratio of each token or of the sentence (``importance_sampling_level``) and clipped to 1 ± ``clip_range``, or not at
    all (Schulman et al. 2017, arXiv:1707.06347). ``sampling_temperature`` is that at which the samples are written;
    where it is not 1, the ratio makes up for it: an importance weight (ColdGAN: Scialom et al. 2020, arXiv:2006.04643,
    section 4). The generator samples and re-scores without dropout, so that what wrote is what is improved. Where
    sentences have a latent z, what is improved is log G(x | z) of the pair that was drawn: z's own distribution does
    not change, so the expected gradient is the same.
    """

    def __init__(
        self,
        reward: Reward,
        credit: Credit,
        baseline: Baseline,
        num_iterations: Annotated[int, Ge(1)] = 1,
        clip_range: Annotated[float, Interval(gt=0, lt=1)] | None = 0.2,
        importance_sampling_level: Literal["token", "sentence"] = "token",
        sampling_temperature: Annotated[float, Gt(0)] = 1.0,
    ):
        super().__init__()
        if importance_sampling_level == "sentence" and not isinstance(credit, Terminal):
            raise UserError(
                "estimator.importance_sampling_level=sentence takes a sentence for one action, but "
                f"{type(credit).__name__} credit pays each token its own. Use model/credit=terminal, or "
                "model.estimator.importance_sampling_level=token."
            )
        check_weights(reward, baseline)
        self.reward, self.credit, self.baseline = reward, credit, baseline
        self.num_iterations, self.sampling_temperature = num_iterations, sampling_temperature
        self.clip_range, self.importance_sampling_level = clip_range, importance_sampling_level
        # one action has one baseline, its length being a part of what was done; so has a weight of whole sentences
        self.whole = importance_sampling_level == "sentence" or (baseline.of_sentences and isinstance(credit, Terminal))
        self.null = reward.null
        self.claim = Claim(reward.divergence, baseline.bias, baseline.fades)
        if baseline.of_sentences and not self.whole:
            self.claim = replace(self.claim, fades="")  # no exact sum says what a position's values are divided by
        if sampling_temperature != 1.0 and (clip_range is not None or importance_sampling_level == "token"):
            self.claim = Claim(reward.divergence, "importance weights are clipped, or of a token alone")
        self.kept: ScoredSamples | None = None  # everyone's rows, where several steps share them
        self.used = 0

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        if discriminator is None:
            raise UserError(
                "estimator=score_function needs a discriminator to reward the generator. "
                "Use model/discriminator=conv, for example, or model/estimator=self_play, which needs none."
            )
        if not isinstance(self.credit, Terminal):
            generator.need_prefixes(f"{type(self.credit).__name__} credit", "model/credit=terminal")
        if self.credit.needs == "token" and not generator.is_left_to_right:
            raise UserError(
                f"{type(self.credit).__name__} credit rewards the beginnings of sentences as they are read, but the "
                f"generator {type(generator).__name__} writes in another order: what a token earns would depend on "
                "tokens written after it. Use model/credit=terminal or monte_carlo, or model.generator.order=l2r."
            )

    def unit(self, reward: Float[Tensor, " N"], chance: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        return self.baseline.unit(reward, chance) if self.whole else super().unit(reward, chance)

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        if self.kept is None or self.used == self.num_iterations:
            scored = self._scored(game, len(batch.tokens))
            self.kept, self.used = ScoredSamples(*map(gather, scored)) if self.num_iterations > 1 else None, 0
        else:
            scored = ScoredSamples(*(shard(rows).to(game.noise.device) for rows in self.kept))
        self.used += 1
        return self._step(game, scored)

    @torch.no_grad()
    def _scored(self, game: Game, n: int) -> ScoredSamples:
        rollout = replace(game, policy=Tempered(game.policy, self.sampling_temperature)).sample(n)
        judged = rollout
        if self.sampling_temperature != 1.0 and game.discriminator.needs_density:
            judged = rollout._replace(logp=game.density(rollout.batch))
        value = returns(self.reward, self.credit, game, judged)
        seen = slice(0, 1) if self.whole else slice(None)
        advantage = self.baseline.advantage(value[:, seen], rollout.mask[:, seen]) * rollout.mask
        return ScoredSamples(*rollout, value, advantage)

    def _step(self, game: Game, scored: ScoredSamples) -> Outcome:
        tokens, mask, before, latent, value, advantage = scored
        logp = game.generator.logp(TextBatch(tokens, mask), game.policy, latent=latent)
        count = all_mean(mask.sum(dtype=torch.float))
        logs = {
            "reward": value.sum() / count,
            "advantage_rms": (all_mean(advantage.square().sum()) / count).sqrt(),
            "entropy": -before.sum() / count,
        }
        written = Written(Samples(tokens, mask, before, latent), logp)
        written = written if self.sampling_temperature == 1.0 else None  # elsewhere it is not G that writes
        if self.num_iterations == 1 and self.sampling_temperature == 1.0:
            return Outcome(surrogate(logp, advantage, mask), logs, written)
        settings = self.clip_range, self.importance_sampling_level
        loss, clipped = clipped_surrogate(logp, before, advantage, mask, *settings)
        return Outcome(loss, logs | {"clipped": clipped.detach()}, written)

    def check_extra_state(self, state: Any, where: str, generator: Generator) -> None:
        """Whether ``state`` is what :meth:`get_extra_state` gives in a game of this ``generator``."""
        check(state, KEPT, where)
        if state["kept"] is None:
            return
        check_fit(
            _like(generator, len(state["kept"]["tokens"])), state["kept"], f"{where}.kept", generator.vocab.inputs
        )

    def get_extra_state(self) -> dict[str, Any]:
        return {"kept": None if self.kept is None else self.kept._asdict(), "used": self.used}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.kept, self.used = ScoredSamples(**state["kept"]) if state["kept"] else None, state["used"]


def _like(generator: Generator, n: int) -> dict[str, Tensor]:
    """Names, shapes and types of n scored samples."""
    floats = torch.empty(n, generator.max_length, device="meta")
    tokens, mask = floats.long(), floats.bool()
    latent = torch.empty(n, generator.latent, device="meta")
    return ScoredSamples(tokens, mask, floats, latent, floats, floats)._asdict()


def check_weights(reward: Reward, baseline: Baseline) -> None:
    """Refuses a baseline that takes rewards for weights, where they may be negative."""
    if isinstance(baseline, SelfNormalised) and not reward.positive:
        raise UserError(
            f"baseline=self_normalised takes rewards for importance weights, but {type(reward).__name__} may be "
            "negative. Use model/reward=ratio, or model/baseline=batch_mean."
        )
