"""What the measured gradients come to: whether they are those that the loss declares, and that in words."""

from __future__ import annotations

from dataclasses import dataclass

from textgan_lit.functional.agreement import Agreement
from textgan_lit.model.objective import Loss

LIMIT = 4.0  # standard errors that chance is granted: either test fails by itself once in 30,000 audits
NEARER = 4.0  # times, at least, that an O(1/B) bias must be smaller then


@dataclass(frozen=True)
class Measured:
    """One comparison of a mean gradient with an exact one."""

    setting: str
    batches: int
    batch: int
    agreement: Agreement
    variance: float  # trace of the covariance of a single sentence's gradient, in units of |exact gradient|²

    @property
    def unbiased(self) -> bool:
        return max(self.agreement.off, self.agreement.aside) <= LIMIT

    @property
    def hidden(self) -> bool:
        """Whether a gradient of 0 would have looked the same."""
        return self.unbiased and self.agreement.seen <= LIMIT

    def nearer_than(self, other: Measured, times: float = 1.0) -> bool:
        """Clearly so many times nearer to the exact gradient than ``other``, or not to be told from it."""
        here, there = self.agreement, other.agreement
        return self.unbiased or here.distance2 + 2 * here.distance2_se < there.distance2 / times**2


@dataclass(frozen=True)
class Finding:
    """What came of one hypothesis."""

    player: str  # with which D
    claim: str  # what the gradient is said to descend
    measured: list[Measured]
    passed: bool
    summary: str
    seconds: float


def conclude(objective: Loss, found: list[Measured]) -> tuple[bool, str]:
    """Whether the measured gradients are what the objective declares, and that in words."""
    first, last = found[0], found[-1]
    seen = first.agreement
    if objective.null:
        return _conclude_control(first)
    if first.hidden:
        return False, f"UNDECIDED: noise hides the gradient ({seen.along:.2f} ± {seen.along_se:.2f}); more --batches"
    if first.unbiased:
        unseen = f" (too small to be seen here: {objective.claim.bias})" if objective.claim.bias else ""
        return True, f"unbiased within {LIMIT:g} SE{unseen}"
    off = f"{seen.along:.3f} ± {seen.along_se:.3f} along, {seen.aside:.1f} SE aside"
    if not objective.claim.bias:
        return False, f"FAILS: {off}, and no bias is declared"
    if seen.seen <= LIMIT:
        return False, f"FAILS: it does not point along ({off}). Declared: {objective.claim.bias}"
    if not objective.claim.fades:
        return True, f"points along, biased as declared: {objective.claim.bias}"
    if last.nearer_than(first, NEARER if objective.claim.fades == "batch" else 1.0):
        return True, f"biased as declared, less so at {last.setting}: {objective.claim.bias}"
    return False, f"FAILS: at {last.setting} it is not as near as it should be. Declared: {objective.claim.bias}"


def _conclude_control(found: Measured) -> tuple[bool, str]:
    """A control's mean gradient is 0, but for the one sentence in a batch that may keep its own reward."""
    seen = found.agreement
    if abs(seen.along) <= LIMIT * seen.along_se + 1 / found.batch and seen.aside <= LIMIT:
        return True, f"null control: zero within {LIMIT:g} SE"
    off = f"{seen.along:.3f} ± {seen.along_se:.3f} along, {seen.aside:.1f} SE aside"
    return False, f"FAILS: a control that teaches ({off})"
