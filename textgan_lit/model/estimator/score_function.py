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
from textgan_lit.model.credit import Credit, Terminal, earned
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.policy import Tempered
from textgan_lit.model.reward import Reward
from textgan_lit.model.weights import check_fit
from textgan_lit.run.distributed import gather, mean, own_rows
from textgan_lit.run.schema import Count, check, form
from textgan_lit.types import Outcome, TextBatch


class Judged(NamedTuple):
    """Samples, how likely they were when they were written, and what their words earned, before and after baseline."""

    tokens: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    logp: Float[Tensor, "B T"]
    latent: Float[Tensor, "B L"]
    value: Float[Tensor, "B T"]
    advantage: Float[Tensor, "B T"]


KEPT = form(kept=form(**dict.fromkeys(Judged._fields, Tensor)) | None, used=Count)


@final
class ScoreFunction(Loss):
    """Sample, score, reward, credit, baseline; then Σ_t advantage · log G(x_t | x<t) (Williams 1992).

    ``epochs`` generator steps in a row share one set of samples; with more than one the step is PPO's, its ratio per
    word or per sentence and clipped to 1 ± ``clip``, or not at all (Schulman et al. 2017, arXiv:1707.06347).
    ``proposal`` is the temperature at which the samples are written; where it is not 1, the ratio makes up for it: an
    importance weight (ColdGAN: Scialom et al. 2020, arXiv:2006.04643, section 4). The generator samples and re-scores
    without dropout, so that what wrote is what is improved. Where sentences have a latent z, what is improved is
    log G(x | z) of the pair that was drawn: z's own distribution does not change, so the expected gradient is the same.
    """

    def __init__(
        self,
        reward: Reward,
        credit: Credit,
        baseline: Baseline,
        epochs: Annotated[int, Ge(1)] = 1,
        clip: Annotated[float, Interval(gt=0, lt=1)] | None = 0.2,
        ratio: Literal["word", "sentence"] = "word",
        proposal: Annotated[float, Gt(0)] = 1.0,
    ):
        super().__init__()
        if ratio == "sentence" and not isinstance(credit, Terminal):
            raise UserError(
                f"estimator.ratio=sentence takes a sentence for one action, but {type(credit).__name__} credit pays "
                "each word its own. Use model/credit=terminal, or model.estimator.ratio=word."
            )
        check_weights(reward, baseline)
        self.reward, self.credit, self.baseline = reward, credit, baseline
        self.epochs, self.clip, self.ratio, self.proposal = epochs, clip, ratio, proposal
        # one action has one baseline, its length being a part of what was done; so has a weight of whole sentences
        self.whole = ratio == "sentence" or (baseline.of_sentences and isinstance(credit, Terminal))
        self.null = reward.null
        self.claim = Claim(reward.divergence, baseline.bias, baseline.fades)
        if baseline.of_sentences and not self.whole:
            self.claim = replace(self.claim, fades="")  # no exact sum says what a position's values are divided by
        if proposal != 1.0 and (clip is not None or ratio == "word"):
            self.claim = Claim(reward.divergence, "importance weights are clipped, or of a word alone")
        self.kept: Judged | None = None  # everyone's rows, where epochs share them
        self.used = 0

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        if discriminator is None:
            raise UserError(
                "estimator=score_function needs a discriminator to reward the generator. "
                "Use model/discriminator=conv, for example, or model/estimator=self_play, which needs none."
            )
        if not isinstance(self.credit, Terminal):
            generator.need_prefixes(f"{type(self.credit).__name__} credit", "model/credit=terminal")
        if self.credit.needs == "word" and not generator.as_read:
            raise UserError(
                f"{type(self.credit).__name__} credit rewards the beginnings of sentences as they are read, but the "
                f"generator {type(generator).__name__} writes in another order: what a word earns would depend on "
                "words written after it. Use model/credit=terminal or monte_carlo, or model.generator.order=l2r."
            )

    def unit(self, reward: Float[Tensor, " N"], chance: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        return self.baseline.unit(reward, chance) if self.whole else super().unit(reward, chance)

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        if self.kept is None or self.used == self.epochs:
            judged = self._judge(game, len(batch.tokens))
            self.kept, self.used = Judged(*map(gather, judged)) if self.epochs > 1 else None, 0
        else:
            judged = Judged(*(own_rows(rows).to(game.noise.device) for rows in self.kept))
        self.used += 1
        return self._step(game, judged)

    @torch.no_grad()
    def _judge(self, game: Game, n: int) -> Judged:
        rollout = replace(game, policy=Tempered(game.policy, self.proposal)).sample(n)
        value = earned(self.reward, self.credit, game, rollout)
        seen = slice(0, 1) if self.whole else slice(None)
        advantage = self.baseline.advantage(value[:, seen], rollout.mask[:, seen]) * rollout.mask
        return Judged(*rollout, value, advantage)

    def _step(self, game: Game, judged: Judged) -> Outcome:
        tokens, mask, before, latent, value, advantage = judged
        logp = game.generator.logp(TextBatch(tokens, mask), game.policy, latent=latent)
        words = mean(mask.sum(dtype=torch.float))
        logs = {
            "reward": value.sum() / words,
            "advantage_rms": (mean(advantage.square().sum()) / words).sqrt(),
            "entropy": -before.sum() / words,
        }
        if self.epochs == 1 and self.proposal == 1.0:
            return Outcome(surrogate(logp, advantage, mask), logs)
        loss, clipped = clipped_surrogate(logp, before, advantage, mask, self.clip, self.ratio)
        return Outcome(loss, logs | {"clipped": clipped.detach()})

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
        self.kept, self.used = Judged(**state["kept"]) if state["kept"] else None, state["used"]


def _like(generator: Generator, n: int) -> dict[str, Tensor]:
    """Names, shapes and types of n judged samples."""
    floats = torch.empty(n, generator.max_length, device="meta")
    tokens, mask = floats.long(), floats.bool()
    latent = torch.empty(n, generator.latent, device="meta")
    return Judged(tokens, mask, floats, latent, floats, floats)._asdict()


def check_weights(reward: Reward, baseline: Baseline) -> None:
    """Refuses a baseline that takes rewards for weights, where they may be negative."""
    if isinstance(baseline, SelfNormalised) and not reward.positive:
        raise UserError(
            f"baseline=self_normalised takes rewards for importance weights, but {type(reward).__name__} may be "
            "negative. Use model/reward=ratio, or model/baseline=batch_mean."
        )
