"""Faults of a step: numbers that its player must not learn from, what is likely behind them, and the way out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple, final

import torch
from annotated_types import Ge, Gt
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter

from textgan_lit.run.distributed import all_max, world_size

KINDS = ("reward", "loss", "gradient")  # where several are at fault, the first is what the others follow from


class Fault(NamedTuple):
    """What was wrong with a step; equal on every rank but for its numbers, which are this rank's."""

    update: str
    step: int  # of all updates, this one counted
    kind: str
    loss: float
    reward: float

    def said(self, max_grad_norm: float | None, parts: str = "") -> str:
        """In words: which step, what was seen, the likely cause, and the way out. ``max_grad_norm`` is the update's,
        ``parts`` are those that make its rewards."""
        rate = f"a lower model.optim.{self.update}.lr"
        if max_grad_norm is None:
            rate += f" or model.optim.{self.update}.max_grad_norm=5"
        seen, cause, out = {
            "reward": (
                f"the reward is {self.reward:.3g}" + f" ({parts})" * bool(parts),
                "a reward without a bound, and a D that is very sure",
                "model/reward=probability or margin, a lower model.optim.discriminator.lr, or a higher faults.reward",
            ),
            "loss": (
                f"the loss is {self.loss:.3g}",
                "weights that have grown too large in the steps before",
                rate,
            ),
            "gradient": (
                f"the loss is {self.loss:.3g}, but its gradient is not finite",
                "a softmax or a penalty where its slope has no end: logits too large, or a temperature too low",
                rate,
            ),
        }[self.kind]
        return f"Step {self.step:,} ({self.update}): {seen}. Likely cause: {cause}. Way out: {out}."


@final
class Faults:
    """Looks at every step before its step, and holds what is to be done about a fault.

    ``policy``: ``stop`` ends the run; ``skip`` leaves the step's step out; ``rollback`` also goes back to the newest
    checkpoint. After ``patience`` of either without success the run ends. ``reward`` is the largest size of a step's
    mean reward, and of the root mean square of its advantages, in the reward's own unit.
    """

    def __init__(
        self,
        policy: Literal["stop", "skip", "rollback"] = "stop",
        patience: Annotated[int, Ge(1)] = 10,
        reward: Annotated[float, Gt(0)] = 1e6,
    ):
        self.policy, self.patience, self.reward = policy, patience, reward

    @torch.no_grad()
    def look(
        self, loss: Float[Tensor, ""], logs: Mapping[str, Tensor], weights: Iterable[Parameter]
    ) -> tuple[str, float, float] | None:
        """(kind, loss, reward) of a step that is at fault on any rank; None for all others.

        A sum is finite only if all its parts are. One synchronisation with the device, and one between ranks.
        """
        rewards = [logs[name] for name in ("reward", "advantage_rms") if name in logs]
        slopes = [weight.grad.sum() for weight in weights if weight.grad is not None]
        said, *numbers = torch.stack([loss, *rewards, *slopes]).tolist()
        sizes = [abs(number) for number in numbers[: len(rewards)]]
        wrong = [
            any(not size <= self.reward for size in sizes),  # NaN is no more and no less than anything
            not math.isfinite(said),
            not all(map(math.isfinite, numbers[len(rewards) :])),
        ]
        if world_size() > 1:
            wrong = all_max(torch.tensor(wrong, dtype=torch.float, device=loss.device)).tolist()
        return (KINDS[wrong.index(True)], said, max(sizes, default=0.0)) if any(wrong) else None
