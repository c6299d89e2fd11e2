"""LeakGAN's two gradients: of the worker, who is paid for following goals, and of the manager, who sets them.

Left out on purpose (Guo et al. 2018, arXiv:1709.08624, section 3.3, and the authors' code): rewards replaced by a
sigmoid of their rank; steps of likelihood between those of the game (``model/regulariser=[likelihood]`` adds some to
each); another temperature while the game is played.
"""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.functional.policy_gradient import surrogate
from textgan_lit.functional.transition import intrinsic, transitions
from textgan_lit.model.baseline import Baseline, BatchMean, LeaveOneOut, Standardised
from textgan_lit.model.credit import Credit, returns
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.estimator.score_function import check_weights
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.manager_worker import ManagerWorker
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.model.reward import Reward
from textgan_lit.run.distributed import all_mean
from textgan_lit.types import Outcome, Samples, TextBatch

BIAS = "a token's share of the credit is how far it followed the goals, and goals move along a cosine, not along E r"


@final
class Feudal(Loss):
    r"""Token t moves the features from f_{t-1} to f_t; D's advantage A_t of it pays both (Guo et al. 2018,
    arXiv:1709.08624, eq. 8 to 10; the manager's is the transition policy gradient of Vezhnevets et al. 2017,
    arXiv:1703.01161).

    .. math::
        \text{worker:} \sum_t A_t\, \tfrac12 (1 + r_t)\, \nabla \log G(x_t \mid x_{\lt t}, g), \qquad
        \text{manager:} \sum_t A_{t+c}\, \nabla \cos(f_{t+c} - f_t,\, g_t)

    with r_t the mean cosine between the last changes of f and the goals set for them, and g held fixed for the
    worker. At the end of a sentence its last token stands for token t + c.

    The worker's share of the credit is of its own making, and no sentence's probability is in the manager's cosine, so
    neither is the gradient of an expected reward: what can be held to is that both together point along it.
    """

    def __init__(self, reward: Reward, credit: Credit, baseline: Baseline):
        super().__init__()
        check_weights(reward, baseline)
        if reward.null and not isinstance(baseline, BatchMean | LeaveOneOut | Standardised):
            raise UserError(
                f"estimator=feudal pays for following goals, but {type(baseline).__name__} leaves something to pay "
                f"with where all rewards are alike: {type(reward).__name__} is no null control. "
                "Use model/baseline=leave_one_out or batch_mean with it."
            )
        self.reward, self.credit, self.baseline = reward, credit, baseline
        self.null, self.claim = reward.null, Claim(reward.divergence, BIAS)

    def check(self, generator: Generator, discriminator: Discriminator | None) -> None:
        if not isinstance(generator, ManagerWorker):
            raise UserError(
                f"estimator=feudal moves a manager and a worker, and {type(generator).__name__} has neither. "
                "Use model/generator=manager_worker, or model/estimator=score_function."
            )

    def forward(self, game: Game, batch: TextBatch) -> Outcome:
        silence_dropout(game.generator)
        with torch.no_grad():
            written = game.sample(len(batch.tokens))
            value = returns(self.reward, self.credit, game, written)
            advantage = self.baseline.advantage(value, written.mask) * written.mask
        worker, manager, followed = self._losses(game, written, advantage)
        tokens = all_mean(written.mask.sum(dtype=torch.float))
        logs = {
            "reward": value.sum() / tokens,
            "advantage_rms": (all_mean(advantage.square().sum()) / tokens).sqrt(),
            "entropy": -written.logp.sum() / tokens,
            "followed": (followed * written.mask).sum() / tokens,
        }
        return Outcome(worker + manager, logs)

    def _losses(self, game: Game, written: Samples, advantage: Float[Tensor, "B T"]) -> tuple[Tensor, Tensor, Tensor]:
        """The worker's, the manager's, and how far each token followed."""
        generator, mask = game.generator, written.mask
        seen = generator.seen(pad(written.tokens, (1, 0), value=game.vocab.bos))
        goals = generator.goals(seen[:, :-1])
        fixed, horizon = goals.detach(), generator.horizon
        features = generator.work(inputs_of(written.tokens, game.vocab.bos), fixed)
        logp = generator.of_written(features, written.batch, game.policy)
        followed = intrinsic(seen, fixed, horizon)
        worker = surrogate(logp, advantage * (1 + followed) / 2, mask)
        reached = torch.arange(horizon - 1, horizon - 1 + mask.shape[1], device=mask.device)
        reached = reached.minimum(mask.sum(1, keepdim=True) - 1)
        manager = surrogate(transitions(seen, goals, horizon), advantage.gather(1, reached), mask)
        return worker, manager, followed
